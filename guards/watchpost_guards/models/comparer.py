"""The comparer at run time: how sure it is that a claim says what its evidence does not.

It reads the shared encoder's states of an answer and of its documents; what is known of a context
is kept for the next answer about it. It does not know verdicts or policies.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, expm1, log, log1p
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost_guards.models.evidence import Source, read_source, read_tokens
from watchpost_guards.models.folder import ModelFolder
from watchpost_guards.models.pairs import Pair, make_pairs
from watchpost_guards.models.reader import Reader
from watchpost_guards.models.sentences import Sentence, find_claims
from watchpost_guards.models.session import open_session

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

GRAPH = "comparer.onnx"
FORMAT = 1
MOST_CLAIMS = 400
"""Claims of one answer that are compared; the caller is told when there are more."""
# Contexts whose states are kept for the next answer about them, in bytes of states.
_KEPT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Doubt:
    """A claim of the answer, and the probability that its documents do not support it."""

    claim: Sentence
    probability: float


@dataclass(frozen=True, slots=True)
class _Known:
    """A context and, in half the bits, a row of states for each token of its documents."""

    source: Source
    states: "tuple[NDArray[numpy.float16], ...]"


class Comparer:
    """A loaded graph beside its encoder. Loads on `warm` or at the first answer; thread-safe."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._folder = ModelFolder(folder, "comparer", "watchpost_guards.train.pairs")
        manifest, self.revision = self._folder.read_manifest(_read_manifest)
        self.threshold = float(manifest["threshold"])
        self._scale, self._shift = float(manifest["scale"]), float(manifest["shift"])
        self._digest = str(manifest["digests"][GRAPH])
        self._reader = reader
        self._loading = threading.Lock()
        self._session: InferenceSession | None = None
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def warm(self) -> None:
        """Load the encoder and the graph, and compare one claim."""
        for _ in self.compare("This is warm.", ("It is warm.",)):
            pass

    def compare(self, answer: str, documents: Sequence[str]) -> Iterator[Doubt]:
        """How doubtful each claim of an answer is, in order, `MOST_CLAIMS` at most."""
        claims = find_claims(answer)[:MOST_CLAIMS]
        if not claims:
            return
        known = self._read(documents)
        seen = list(self._reader.read_states(answer))
        tokens = read_tokens(answer, [window.window for window in seen])
        states = _gather([window.states for window in seen], tokens.seen)
        for claim in claims:
            span = tokens.within(claim.start, claim.end)
            pairs = list(make_pairs(known.source, answer, tokens, span))
            logits = [logit for pair in pairs for logit in self._judge(pair, states, known)]
            if logits:
                yield Doubt(claim, self._calibrate(join_logits(logits)))

    def _judge(
        self, pair: Pair, states: "NDArray[numpy.float16]", known: _Known
    ) -> Sequence[float]:
        """One logit a token of the claim."""
        import numpy

        evidence = numpy.stack([known.states[d][token] for d, token in pair.evidence])
        asked = {
            "claim": states[list(pair.claim)][None].astype(numpy.float32),
            "kinds": numpy.array([pair.kinds], dtype=numpy.int64),
            "evidence": evidence[None].astype(numpy.float32),
        }
        answer: Any = self._load().run(["logits"], asked)[0]
        logits: list[float] = answer[0].tolist()
        return logits

    def _calibrate(self, logit: float) -> float:
        value = self._scale * logit + self._shift
        return 1 / (1 + exp(-value)) if value > -700 else 0.0

    def _read(self, documents: Sequence[str]) -> _Known:
        """Documents read and indexed, or found among the last ones."""
        digest = hashlib.blake2b(digest_size=16)
        for document in documents:
            digest.update(document.encode("utf-8", "surrogatepass") + b"\xff")
        key = digest.digest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        known = self._read_anew(documents)
        with self._lock:
            self._known[key] = known
            while len(self._known) > 1 and sum(map(_weigh, self._known.values())) > _KEPT_BYTES:
                self._known.popitem(last=False)
        return known

    def _read_anew(self, documents: Sequence[str]) -> _Known:
        seen = [list(self._reader.read_states(document)) for document in documents]
        windows = [[one.window for one in of_document] for of_document in seen]
        source = read_source(list(zip(documents, windows, strict=True)))
        rows = [
            _gather([one.states for one in of_document], tokens.seen)
            for of_document, tokens in zip(seen, source.documents, strict=True)
        ]
        return _Known(source, tuple(rows))

    def _load(self) -> "InferenceSession":
        with self._loading:
            if self._session is None:
                self._session = open_session(self._folder.read_file(GRAPH, self._digest))
            return self._session


@cache
def share_comparer(folder: Path, reader: Reader) -> Comparer:
    """The one comparer of a folder in this process. Raises ConfigError for a folder without one."""
    return Comparer(folder, reader)


def join_logits(logits: Sequence[float]) -> float:
    """The logit that one of several things is so, each of which is so with its own logit."""
    none = -sum(max(logit, 0.0) + log1p(exp(-abs(logit))) for logit in logits)
    none = min(none, -1e-6)
    return log(-expm1(none)) - none


def _gather(
    states: "Sequence[NDArray[numpy.float32]]", seen: Sequence[tuple[int, int]]
) -> "NDArray[numpy.float16]":
    import numpy

    if not seen:
        return numpy.zeros((0, 0), dtype=numpy.float16)
    return numpy.stack([states[window][row] for window, row in seen]).astype(numpy.float16)


def _weigh(known: _Known) -> int:
    return sum(states.nbytes for states in known.states)


def _read_manifest(manifest: Any) -> Mapping[str, Any]:
    if manifest["format"] != FORMAT or not manifest["digests"][GRAPH]:
        raise ValueError("another format")
    for name in ("scale", "shift", "threshold"):
        float(manifest[name])
    return dict(manifest)
