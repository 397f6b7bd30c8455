"""One text read once by the shared encoder, for every guard that asks about it.

The first guard to ask pays; the others of the same check wait for that reading or find it among
the last ones, kept under a digest of the text so that no text is. Who builds on the frozen layers
gets their output beside it. It does not know what a head's numbers lead to.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost_guards.models.bundle import GRAPH, TOKENIZER, Bundle, Head, open_bundle
from watchpost_guards.models.session import open_session
from watchpost_guards.models.windows import Window, see

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

REMEMBERED_READINGS = 256
# Of the states below the heads, so many bytes are remembered: about 160 windows of 128 tokens.
REMEMBERED_STATES = 32 << 20
# Windows that go through the encoder together: more gain nothing on a few cores.
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What the encoder said: for each window its characters and one logit a column."""

    places: tuple[tuple[int, int], ...]
    logits: tuple[tuple[float, ...], ...]

    def strongest(self, column: int) -> float:
        """The highest logit of a column: a text is as bad as its worst window."""
        return max(row[column] for row in self.logits)


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """One window with the frozen layers' output for it: a row of floats for each token."""

    window: Window
    states: "NDArray[numpy.float32]"


class Reader:
    """A loaded model and its last readings. Loads on `warm` or at the first text; thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._loading = threading.Lock()
        self._loaded: tuple[Tokenizer, InferenceSession] | None = None
        self._readings: OrderedDict[bytes, Future[Reading]] = OrderedDict()
        self._states: OrderedDict[bytes, tuple[SeenWindow, ...]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        self._wrap: Callable[[Any], Any] | None = None

    def head(self, name: str) -> Head | None:
        """One of the model's heads, None when it has none of that name."""
        return self.bundle.heads.get(name)

    def run_through(self, wrap: Callable[[Any], Any]) -> None:
        """Have `wrap(session)` run what the session would: batches of several callers, say.

        Before the first reading. What it returns has the session's `run`.
        """
        self._wrap = wrap

    def warm(self) -> None:
        """Load the model, and read one text: the first reading is slower than the next."""
        self.read("warm")

    def read(self, text: str) -> Reading:
        """Read a text, or give the reading another guard asked for. Raises what loading raises."""
        key = _digest(text)
        with self._lock:
            pending = self._readings.get(key)
            is_mine = pending is None
            if pending is None:
                pending = self._readings[key] = Future()
                if len(self._readings) > REMEMBERED_READINGS:
                    self._readings.popitem(last=False)
            else:
                self._readings.move_to_end(key)
        if is_mine:
            try:
                pending.set_result(self._read(key, text))
                return pending.result()
            except BaseException as error:
                with self._lock:
                    self._readings.pop(key, None)
                pending.set_exception(error)
                raise
        try:
            return pending.result()
        except Exception:
            # Whoever read it may have had less time than this caller has.
            return self.read(text)

    def read_states(self, text: str) -> Iterator[SeenWindow]:
        """Every window of a text with its tokens' places and their states, in order.

        What `read` saw of the text is given again where it is still held; a text whose states are
        more than what is held is read window by window anew. Raises what loading raises.
        """
        self.read(text)
        with self._lock:
            held = self._states.get(_digest(text))
        if held is not None:
            yield from held
        else:
            for seen, _ in self._see(text):
                yield seen

    def _read(self, key: bytes, text: str) -> Reading:
        places, logits = [], []
        kept: list[SeenWindow] | None = []
        size = 0
        for seen, row in self._see(text):
            places.append((seen.window.start, seen.window.end))
            logits.append(row)
            size += seen.states.nbytes
            if kept is not None and size <= REMEMBERED_STATES:
                kept.append(seen)
            else:
                kept = None
        if kept is not None:
            self._hold(key, tuple(kept), size)
        return Reading(tuple(places), tuple(logits))

    def _hold(self, key: bytes, states: tuple[SeenWindow, ...], size: int) -> None:
        with self._lock:
            if key not in self._states:
                self._states[key] = states
                self._held += size
            while self._held > REMEMBERED_STATES or len(self._states) > REMEMBERED_READINGS:
                _, dropped = self._states.popitem(last=False)
                self._held -= sum(seen.states.nbytes for seen in dropped)

    def _see(self, text: str) -> Iterator[tuple[SeenWindow, tuple[float, ...]]]:
        tokenizer, session = self._load()
        windows = see(tokenizer, text, self.bundle.width)
        while batch := list(islice(windows, _BATCH)):
            yield from _run(session, batch)

    def _load(self) -> "tuple[Tokenizer, InferenceSession]":
        with self._loading:
            if self._loaded is None:
                tokenizer, session = _load(self.bundle)
                self._loaded = tokenizer, self._wrap(session) if self._wrap else session
            return self._loaded


@cache
def share_reader(folder: Path) -> Reader:
    """The one reader of a folder in this process. Raises ConfigError for a folder without model."""
    return Reader(open_bundle(folder))


def _load(bundle: Bundle) -> "tuple[Tokenizer, InferenceSession]":
    # Heavy to import, and only wanted once a text is judged.
    from tokenizers import Tokenizer

    session = open_session(bundle.read_file(GRAPH))
    return Tokenizer.from_buffer(bundle.read_file(TOKENIZER)), session


def _run(
    session: "InferenceSession", windows: Sequence[Window]
) -> Iterator[tuple[SeenWindow, tuple[float, ...]]]:
    import numpy

    longest = max(len(window.ids) for window in windows)
    ids = numpy.zeros((len(windows), longest), dtype=numpy.int64)
    mask = numpy.zeros((len(windows), longest), dtype=numpy.int64)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    answer: Any = session.run(["logits", "states"], {"input_ids": ids, "attention_mask": mask})
    for window, logits, states in zip(windows, answer[0].tolist(), answer[1], strict=True):
        # A copy, or one short window would keep its whole batch alive.
        yield SeenWindow(window, states[: len(window.ids)].copy()), tuple(logits)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
