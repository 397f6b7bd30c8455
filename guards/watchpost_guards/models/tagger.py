"""Names, addresses, places, organisations and dates, found by a network on the encoder's states.

The encoder reads a text once for all guards; this adds shapes (it knows no capitals) and gives each
word a probability for every kind. Words that belong together are one finding. Long texts are read
segment by segment, so that what is found at a place is decided by what stands near it. It does not
know patterns, nor what a finding leads to.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.screening.guard import Finding
from watchpost_guards.models.folder import ModelFolder
from watchpost_guards.models.reader import Reader, SeenWindow
from watchpost_guards.models.segments import cut_segments
from watchpost_guards.models.session import open_session
from watchpost_guards.models.shapes import describe, is_same_word

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

GRAPH = "tagger.onnx"
FORMAT = 1
_NEWLY_BEGUN = 0.5
# An address holds a word, a long number or a British code: `ls 4` and `expr 15 '*' 3` are none.
_ADDRESS = "ADDRESS"
_TELLING = re.compile(r"[^\W\d_]{3}|\d{3}|\b[A-Za-z]{1,2}\d\w? ?\d[A-Za-z]{2}\b")
# Nor is a name as long as a digest or an encoded token, or a key of letters and digits.
_TOKEN = re.compile(r"[^\W_]{32}|(?<![^\W_])(?=[^\W_]{0,40}\d)[^\W_]{0,15}[A-Z][^\W_]{15}")
# Bytes read as text: more kinds of odd marks than prose has, and words that fall to pieces.
_ODD, _MOST_ODD = frozenset("#$%*+^`~\\!?"), 7
_LETTERS, _FEWEST_PIECES, _SHORTEST_PIECES = re.compile("[A-Za-z]"), 16, 2.2
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: words at least this likely belong to it, findings this likely count.

    A finding's probability becomes its score so that `threshold` is where the guard's own is, one
    half; `scale` says how steeply.
    """

    label: str
    joins: float
    threshold: float
    scale: float

    def score(self, probability: float) -> float:
        """Between 0 and 1, one half at the threshold."""
        odds = _log_odds(probability) - _log_odds(self.threshold)
        return 1 / (1 + exp(-self.scale * odds))


@dataclass(frozen=True, slots=True)
class Word:
    """Some characters, the probability of each kind, and that a finding of it begins here."""

    start: int
    end: int
    kinds: tuple[float, ...]
    begins: tuple[float, ...]


class Tagger:
    """A loaded network beside its encoder. Loads on `warm` or at the first text; thread-safe."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._folder = ModelFolder(folder, "tagger", "watchpost_guards.train.tagging")
        manifest, self.revision = self._folder.read_manifest(_read_manifest)
        self.kinds = tuple(
            Kind(label, given["joins"], given["threshold"], given["scale"])
            for label, given in manifest["kinds"].items()
        )
        self._digest = str(manifest["digests"][GRAPH])
        self._reader = reader
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None

    def warm(self) -> None:
        """Load the encoder and the network, and read one text."""
        for _ in self.find("Warm"):
            pass

    def find(self, text: str) -> Iterator[Finding]:
        """What is found, in order; scores below one half are of what is rather not there."""
        for start, end in cut_segments(text):
            segment = text[start:end]
            for finding in self.tag(segment):
                yield Finding(
                    start + finding.start, start + finding.end, finding.label, finding.score
                )

    def tag(self, segment: str) -> Iterator[Finding]:
        """What is found in one segment, whose words are all seen together."""
        if not any(map(str.isalnum, segment)):
            return
        words = self.read_words(segment)
        yield from join_words(segment, words, self.kinds)

    def read_words(self, segment: str) -> list[Word]:
        """Every word of a segment with its probabilities."""
        words: list[Word] = []
        for seen in self._reader.read_states(segment):
            places = seen.window.places
            if len(set(places)) < len(places) - 2:
                # What was decoded has no place of its own; disguises are the engine's to undo.
                continue
            if not _is_readable(segment, places):
                continue
            words = _splice(words, _gather(segment, places, self._judge(segment, seen)))
        return words

    def _judge(self, text: str, seen: SeenWindow) -> "NDArray[numpy.float32]":
        """Probabilities of one window's tokens: outside, then two for each kind."""
        import numpy

        session = self._load()
        shapes = numpy.array([describe(text, seen.window.places)], dtype=numpy.int64)
        answer: Any = session.run(["tags"], {"states": seen.states[None], "shapes": shapes})[0]
        return numpy.asarray(answer[0], dtype=numpy.float32)

    def _load(self) -> "InferenceSession":
        with self._lock:
            if self._session is None:
                self._session = open_session(self._folder.read_file(GRAPH, self._digest))
            return self._session


@cache
def share_tagger(folder: Path, reader: Reader) -> Tagger:
    """The one tagger of a folder in this process. Raises ConfigError for a folder without one."""
    return Tagger(folder, reader)


def join_words(text: str, words: Sequence[Word], kinds: Sequence[Kind]) -> Iterator[Finding]:
    """Neighbours of one kind as one finding each, wherever that kind is the likeliest."""
    run: list[tuple[Word, float]] = []
    running = -1
    for word in words:
        number = max(range(len(kinds)), key=word.kinds.__getitem__)
        is_in = word.kinds[number] >= kinds[number].joins
        if run and (not is_in or number != running or word.begins[number] > _NEWLY_BEGUN):
            yield from _finish(text, run, kinds[running])
            run = []
        if is_in:
            run.append((word, word.kinds[number]))
            running = number
    if run:
        yield from _finish(text, run, kinds[running])


def _finish(text: str, run: list[tuple[Word, float]], kind: Kind) -> Iterator[Finding]:
    """The finding of a run of words, without the marks at its ends."""
    solid = [n for n, (word, _) in enumerate(run) if text[word.start].isalnum()]
    if not solid:
        return
    inside = run[solid[0] : solid[-1] + 1]
    start, end = inside[0][0].start, inside[-1][0].end
    if kind.label == _ADDRESS and _TELLING.search(text, start, end) is None:
        return
    if _TOKEN.search(text, start, end) is not None:
        return
    likely = [share for word, share in inside if text[word.start].isalnum()]
    probability = sum(likely) / len(likely)
    yield Finding(start, end, kind.label, kind.score(probability))


def _gather(
    text: str, places: Sequence[tuple[int, int]], tags: "NDArray[numpy.float32]"
) -> list[Word]:
    """A window's words: the mean over its tokens, and how the first of them begins."""
    import numpy

    rows = [number for number, (start, end) in enumerate(places) if start < end]
    firsts = [
        at
        for at, number in enumerate(rows)
        if at == 0 or not is_same_word(text, places[rows[at - 1]], places[number])
    ]
    if not firsts:
        return []
    lasts = [at - 1 for at in (*firsts[1:], len(rows))]
    begin, inside = tags[rows][:, 1::2], tags[rows][:, 2::2]
    wide = numpy.array(lasts) - firsts + 1
    kinds = numpy.add.reduceat(begin + inside, firsts, axis=0) / wide[:, None]
    begins = (begin / numpy.maximum(begin + inside, _LEAST))[firsts]
    return [
        Word(places[rows[first]][0], places[rows[last]][1], tuple(of_kinds), tuple(beginning))
        for first, last, of_kinds, beginning in zip(
            firsts, lasts, kinds.tolist(), begins.tolist(), strict=True
        )
    ]


def _is_readable(text: str, places: Sequence[tuple[int, int]]) -> bool:
    """Whether a window is of words: decoded images and other bytes fall into tiny pieces."""
    if len(_ODD.intersection(text[places[0][0] : places[-1][1]])) >= _MOST_ODD:
        return False
    pieces = [end - start for start, end in places if _LETTERS.search(text, start, end)]
    return len(pieces) < _FEWEST_PIECES or sum(pieces) >= _SHORTEST_PIECES * len(pieces)


def _splice(before: list[Word], behind: list[Word]) -> list[Word]:
    """Words of two windows that overlap: from the middle of the overlap on, the later one's."""
    if not before or not behind:
        return before or behind
    middle = (behind[0].start + before[-1].end) // 2
    kept = [word for word in before if word.start < middle]
    reached = kept[-1].end if kept else 0
    return kept + [word for word in behind if word.start >= max(middle, reached)]


def _log_odds(probability: float) -> float:
    kept = min(max(probability, _LEAST), 1 - _LEAST)
    return log(kept / (1 - kept))


def _read_manifest(manifest: Any) -> Mapping[str, Any]:
    if manifest["format"] != FORMAT or not manifest["kinds"] or not manifest["digests"][GRAPH]:
        raise ValueError("another format")
    return dict(manifest)
