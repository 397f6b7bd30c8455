"""Examples as the comparer reads them: every claim beside its evidence, as at run time.

The frozen layers' states of all texts are computed once and kept. It does not know how claims are
learned.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from watchpost_guards.models.evidence import Source, Tokens, read_source, read_tokens
from watchpost_guards.models.pairs import make_pairs
from watchpost_guards.models.sentences import find_claims
from watchpost_guards.models.windows import Window, see
from watchpost_guards.train.pairs.records import Example
from watchpost_guards.train.states import batch_by_length, pad

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NOTHING, RIGHT, WRONG = 0, 1, 2
_BATCH_TOKENS = 2048
Numbers = NDArray[numpy.int64]
_Tell = Callable[[str], None]
Read = Callable[[Numbers, Numbers], NDArray[numpy.float32]]
"""Token ids and where a token stands, both by window, to a row of states for each token."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of all states that are a claim's and its evidence's; kinds and what is known of each."""

    tokens: Numbers
    kinds: Numbers
    known: Numbers
    evidence: Numbers


@dataclass(frozen=True, slots=True)
class Lesson:
    """The claims of one answer and whether the answer is wrong."""

    claims: tuple[Claim, ...]
    wrong: bool


class Library:
    """The windows of texts that are learned from, and their states once all are named."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._windows: dict[str, list[Window]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._used: list[Window] = []
        self._length = 0

    def windows(self, text: str) -> list[Window]:
        """A text's windows."""
        if text not in self._windows:
            self._windows[text] = list(see(self._tokenizer, text))
        return self._windows[text]

    def row(self, text: str, seen: tuple[int, int]) -> int:
        """The row of the states that is a token's: its window in the text and place there."""
        key = text, seen[0]
        if key not in self._starts:
            window = self.windows(text)[seen[0]]
            self._starts[key] = self._length
            self._used.append(window)
            self._length += len(window.ids)
        return self._starts[key] + seen[1]

    def compute(self, read: Read, size: int, cache: Path, tell: _Tell) -> Tensor:
        """The states, `size` numbers a token, of every window that a row was asked of.

        Those that an earlier run kept in `cache` are taken from there.
        """
        lengths = [len(window.ids) for window in self._used]
        starts = numpy.cumsum([0, *lengths])
        states = torch.empty(self._length, size, dtype=torch.bfloat16)
        kept = cache / "pairs.pt"
        known = _load(kept)
        missing = []
        for number, window in enumerate(self._used):
            if window.ids in known:
                states[starts[number] : starts[number + 1]] = known[window.ids]
            else:
                missing.append(number)
        tell(f"{len(lengths)} windows, {self._length} tokens, {len(missing)} windows to read")
        # Nothing to batch is one empty batch.
        for batch in filter(
            None, batch_by_length([lengths[number] for number in missing], _BATCH_TOKENS)
        ):
            numbers = [missing[place] for place in batch]
            ids, mask = pad([self._used[number] for number in numbers])
            above = torch.from_numpy(read(ids.numpy(), mask.numpy().astype(numpy.int64)))
            for row, number in enumerate(numbers):
                states[starts[number] : starts[number + 1]] = above[row, : lengths[number]]
        if missing:
            cache.mkdir(parents=True, exist_ok=True)
            torch.save(([window.ids for window in self._used], states), kept)
        return states


def _load(kept: Path) -> dict[tuple[int, ...], Tensor]:
    if not kept.exists():
        return {}
    ids, states = torch.load(kept, weights_only=True)
    return dict(zip(ids, states.split([len(window) for window in ids]), strict=True))


def make_lessons(library: Library, examples: Sequence[Example]) -> list[Lesson]:
    """A lesson for every example, one or more claims for each."""
    sources: dict[str, Source] = {}
    lessons = []
    for example in examples:
        context = example.context
        if context not in sources:
            sources[context] = read_source([(context, library.windows(context))])
        claims = tuple(_make_claims(library, sources[context], example))
        lessons.append(Lesson(claims, not example.supported))
    return lessons


def _make_claims(library: Library, source: Source, example: Example) -> Iterable[Claim]:
    text = example.answer
    answer = read_tokens(text, library.windows(text))
    places = [(s.start, s.end) for s in find_claims(text)] or [(0, len(text))]
    for start, end in places:
        for pair in make_pairs(source, text, answer, answer.within(start, end)):
            mine = [library.row(text, answer.seen[number]) for number in pair.claim]
            theirs = [
                library.row(example.context, source.documents[document].seen[token])
                for document, token in pair.evidence
            ]
            yield Claim(
                numpy.array(mine),
                numpy.array(pair.kinds),
                numpy.array(list(_find_known(example, answer, pair.claim))),
                numpy.array(theirs),
            )


def _find_known(example: Example, answer: Tokens, claim: Sequence[int]) -> Iterable[int]:
    for number in claim:
        first, last = answer.places[number]
        if example.supported:
            yield RIGHT
        elif example.doubtful is None:
            yield NOTHING
        elif any(a < last and first < b for a, b in example.doubtful):
            yield WRONG if example.certain else NOTHING
        else:
            yield RIGHT
