"""Texts as rows for any tokenizer: cut into windows, with the marks its model was trained with.

What a tokenizer puts before, between and behind is learned from it once. Nothing of a text is left
out: what does not fit into one window stands in the next, and neighbours overlap. Tokenizers are
never set to cut or to fill, so that threads can share one. It does not know what a model answers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchpost.errors import ConfigError
from watchpost_guards.models.windows import read_pieces, spread

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Places = Sequence[tuple[int, int]]
_SMALLEST_ROOM = 8
# Any text at all: only what is put around it counts.
_ANY = "a"


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids and types; `places` are characters of the judged text, from token `first` on."""

    ids: tuple[int, ...]
    types: tuple[int, ...]
    first: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's token ids, without marks, and the characters each stands for."""

    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """What a tokenizer writes around one text, or two: ids, each with its type."""

    before: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int], ...]
    behind: tuple[tuple[int, int], ...]
    types: tuple[int, int]

    @property
    def count(self) -> int:
        """How many tokens they take."""
        return len(self.before) + len(self.between) + len(self.behind)


class Frame:
    """A tokenizer with its marks. Any thread may use it. Raises ConfigError about `setting`.

    `width` is how many tokens a row may have.
    """

    def __init__(self, tokenizer: "Tokenizer", width: int, setting: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._single = _learn(tokenizer, is_pair=False)
        self._pair = _learn(tokenizer, is_pair=True)
        self._width = width
        if width < max(self._single.count, self._pair.count) + 2 * _SMALLEST_ROOM:
            raise ConfigError(f"{setting} width", width, "give a row more tokens")

    def read(self, text: str) -> Tokens:
        """A whole text as tokens."""
        ids: list[int] = []
        places: list[tuple[int, int]] = []
        for some_ids, some_places in read_pieces(self._tokenizer, text):
            # Pieces overlap in characters: what the one before had is not read twice.
            reached = places[-1][1] if places else 0
            fresh = [number for number, place in enumerate(some_places) if place[1] > reached]
            ids += [some_ids[number] for number in fresh]
            places += [some_places[number] for number in fresh]
        return Tokens(tuple(ids), tuple(places))

    def cut(self, text: str) -> Iterator[Row]:
        """Every row of a text; one of marks alone for an empty text."""
        tokens = self.read(text)
        for begin, end in list(spread(len(tokens.ids), self._width - self._single.count)) or [
            (0, 0)
        ]:
            yield _write(self._single, (), tokens.ids[begin:end], tokens.places[begin:end])

    def cut_beside(self, beside: Sequence[str], text: str) -> list[list[Row]]:
        """Rows of a text beside other texts: for each window of the text, one for each of theirs.

        The text comes second, and gets at most half of a row.
        """
        tokens = self.read(text)
        room = self._width - self._pair.count
        half = max(_SMALLEST_ROOM, min(len(tokens.ids), room // 2))
        others = [
            other.ids[begin:end]
            for other in map(self.read, beside)
            for begin, end in spread(len(other.ids), room - half)
        ]
        return [
            [
                _write(self._pair, other, tokens.ids[begin:end], tokens.places[begin:end])
                for other in others
            ]
            for begin, end in spread(len(tokens.ids), half)
        ]


def _write(marks: Marks, other: Sequence[int], ids: Sequence[int], places: Places) -> Row:
    written = list(marks.before)
    if other:
        written += [(token, marks.types[0]) for token in other]
        written += marks.between
    first = len(written)
    written += [(token, marks.types[1]) for token in ids]
    written += marks.behind
    return Row(
        tuple(token for token, _ in written),
        tuple(kind for _, kind in written),
        first,
        tuple(places),
    )


def _learn(tokenizer: "Tokenizer", *, is_pair: bool) -> Marks:
    read = tokenizer.encode(_ANY, _ANY) if is_pair else tokenizer.encode(_ANY)
    written = list(zip(read.ids, read.type_ids, strict=True))
    told = [number for number, mark in enumerate(read.special_tokens_mask) if not mark]
    first, last = told[0], told[-1]
    inside = [number for number in range(first, last) if read.special_tokens_mask[number]]
    between = tuple(written[number] for number in inside)
    return Marks(
        tuple(written[:first]),
        between,
        tuple(written[last + 1 :]),
        (written[first][1], written[last][1]),
    )
