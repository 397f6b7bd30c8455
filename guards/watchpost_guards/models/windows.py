"""A text cut into windows of tokens, each short enough for the encoder, none left out.

Neighbours overlap, so that what stands on a border is whole in one of them. It does not know what
the windows are read for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchpost.screening.disguise import Reading
from watchpost_guards.models.folding import fold, read_encoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WIDTH = 128
# Of a window's tokens, one in so many stands in the next window too.
OVERLAP_SHARE = 4
# Tokenizers keep every token of a text at once; pieces this long bound their memory.
_PIECE = 50_000
_PIECE_OVERLAP = 200


@dataclass(frozen=True, slots=True)
class Window:
    """Token ids with the encoder's own marks at both ends, and the characters each stands for.

    `places` runs beside `ids`; the marks stand for nothing, at the border of the text they mark.
    """

    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        """The first character that is read."""
        return self.places[0][0]

    @property
    def end(self) -> int:
        """The place behind the last character that is read."""
        return self.places[-1][1]


def see(tokenizer: "Tokenizer", text: str, width: int = WIDTH) -> Iterator[Window]:
    """The windows of a text and of what is hidden in it, each with its places in the text."""
    plain = fold(text)
    for window in cut_windows(tokenizer, plain.text, width):
        yield window if plain.text == text else _move(window, plain)
    for place, inner in read_encoded(text):
        for window in cut_windows(tokenizer, inner, width):
            # What was decoded has no finer place than the whole it was decoded from.
            yield Window(window.ids, (place,) * len(window.ids))


def cut_windows(tokenizer: "Tokenizer", text: str, width: int = WIDTH) -> Iterator[Window]:
    """Every window of a text in order; one empty window for an empty text."""
    first, last = _marks(tokenizer)
    is_empty = True
    for ids, offsets in read_pieces(tokenizer, text):
        for begin, end in spread(len(ids), width - 2):
            is_empty = False
            inner = offsets[begin:end]
            before, behind = inner[0][0], inner[-1][1]
            yield Window(
                (first, *ids[begin:end], last), ((before, before), *inner, (behind, behind))
            )
    if is_empty:
        yield Window((first, last), ((0, 0), (len(text), len(text))))


def _move(window: Window, plain: Reading) -> Window:
    """A window of a reading as one of the text that was read."""
    inner = [
        plain.locate(start, end) if start < end else (0, 0) for start, end in window.places[1:-1]
    ]
    before, behind = (inner[0][0], inner[-1][1]) if inner else (0, 0)
    return Window(window.ids, ((before, before), *inner, (behind, behind)))


def _marks(tokenizer: "Tokenizer") -> tuple[int, int]:
    """The encoder's own tokens for the beginning and the end of what it reads."""
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    if first is None or last is None:
        raise ValueError("the tokenizer has no [CLS] and [SEP]")
    return first, last


def read_pieces(
    tokenizer: "Tokenizer", text: str
) -> Iterator[tuple[Sequence[int], Sequence[tuple[int, int]]]]:
    """A text's token ids and their characters, a piece at a time, without the encoder's marks."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _PIECE)
        if end < len(text):
            # A space near the end is a better border than the middle of a word.
            space = text.rfind(" ", start + _PIECE // 2, end)
            end = space if space > 0 else end
        read = tokenizer.encode(text[start:end], add_special_tokens=False)
        if read.ids:
            yield read.ids, [(start + a, start + b) for a, b in read.offsets]
        if end == len(text):
            return
        # The next piece begins inside this one, as windows do.
        start = end - _PIECE_OVERLAP


def spread(count: int, width: int) -> Iterator[tuple[int, int]]:
    """Where windows of a width begin and end over so many tokens, neighbours overlapping."""
    begin = 0
    while begin + width < count:
        yield begin, begin + width
        begin += width - width // OVERLAP_SHARE
    if count:
        yield max(0, min(begin, count - 1)), count
