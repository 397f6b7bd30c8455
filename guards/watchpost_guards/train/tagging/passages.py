"""A text in pieces, each piece known for what it is, and as a text with places.

Pieces may be rewritten (case, spelling) as long as they are pieces: places are counted last. It
does not know where pieces come from.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

# Between a street and its town; more is another thing.
_WIDEST_SEAM = 3

Span = tuple[int, int, str]
"""First character, the one behind the last, and what it is."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some characters; `kind` is what they are to be found as, empty for nothing."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to learn from. `spans` stand in order, none inside another."""

    text: str
    spans: tuple[Span, ...]
    template: str
    source: str


def rewrite(pieces: Iterable[Piece], change: Callable[[str], str], *, all_of: bool) -> list[Piece]:
    """Pieces with their text changed: all of them, or only those that are to be found."""
    return [
        replace(piece, text=change(piece.text)) if all_of or piece.kind else piece
        for piece in pieces
    ]


def lay_out(pieces: Sequence[Piece], template: str, source: str) -> Passage:
    """The text of the pieces, one span for each name, and one for an address in several pieces."""
    text = "".join(piece.text for piece in pieces)
    spans: list[Span] = []
    position = 0
    for piece in pieces:
        start, position = position, position + len(piece.text)
        if piece.kind and piece.text.strip():
            start += len(piece.text) - len(piece.text.lstrip())
            end = position - (len(piece.text) - len(piece.text.rstrip()))
            spans.append((start, end, piece.kind))
    return Passage(text, join_neighbours(text, spans), template, source)


def join_neighbours(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that are one thing joined."""
    joined: list[Span] = []
    for start, end, kind in sorted(spans):
        if joined and start < joined[-1][1]:
            continue
        if joined and _belong(joined[-1], kind, text[joined[-1][1] : start]):
            first, _, before = joined.pop()
            joined.append((first, end, kind if kind == before else "ADDRESS"))
        else:
            joined.append((start, end, kind))
    return tuple(joined)


def _belong(before: Span, kind: str, between: str) -> bool:
    """Whether two neighbours are one: first and last name, or parts of an address."""
    kinds = {before[2], kind}
    if kinds == {"PERSON"}:
        return between == " "
    is_short = len(between) <= _WIDEST_SEAM and not between.strip(" ,\n")
    return is_short and "ADDRESS" in kinds and kinds <= {"ADDRESS", "LOCATION"}
