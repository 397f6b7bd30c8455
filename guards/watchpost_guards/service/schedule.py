"""Which pieces of text go through a model together, and when: the order of a service's work.

Pieces wait in lines, one for each model and length. The piece whose turn comes first leads; others
of its line join it, in their order, while the batch stays within its budget of tokens. Whoever came
earlier goes earlier, except that a long text's later pieces take turns as if they had arrived one
after another, so that nobody waits for a whole book. What nobody waits for any more is dropped
before it costs anything. Logic only: no thread and no model, and the caller says what time it is.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths in tokens that pieces are padded to; beyond the last, multiples of it."""
READING_PACE = 20_000
"""Tokens a second: a long text's pieces take turns as if it were read out this fast."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`batch_tokens` one batch may have, padding included, and `waiting_tokens` that may wait."""

    batch_tokens: int = 8192
    waiting_tokens: int = 262_144


@dataclass(frozen=True, slots=True, eq=False)
class Piece(Generic[T]):
    """What goes through the model `lane` in one row: its tokens, and until when it is wanted."""

    lane: str
    tokens: int
    deadline_s: float
    content: T


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """One batch of a lane, each piece padded to `length`, and the pieces dropped on the way to it.

    Without pieces there was nothing in time to do.
    """

    lane: str
    length: int
    pieces: tuple[Piece[T], ...]
    late: tuple[Piece[T], ...]


class Schedule(Generic[T]):
    """The pieces that wait. Not thread-safe: its owner holds a lock."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        # Pieces of one lane and length, as a heap by turn.
        self._lines: dict[tuple[str, int], list[tuple[float, int, Piece[T]]]] = {}
        self._count = itertools.count()
        self.waiting_tokens = 0

    def offer(self, pieces: Sequence[Piece[T]], now_s: float) -> bool:
        """Have all pieces of one text wait, or none: False when as much as may wait does already.

        Raises ValueError for a piece that no batch can hold.
        """
        lengths = [pad_length(piece.tokens) for piece in pieces]
        if any(length > self._bounds.batch_tokens for length in lengths):
            raise ValueError(f"a piece may have {self._bounds.batch_tokens} tokens")
        # One text may reach beyond the bound, or the longest could never be taken.
        if self.waiting_tokens >= self._bounds.waiting_tokens:
            return False
        before = 0
        for piece, length in zip(pieces, lengths, strict=True):
            line = self._lines.setdefault((piece.lane, length), [])
            turn = now_s + before / READING_PACE
            heapq.heappush(line, (turn, next(self._count), piece))
            before += length
        self.waiting_tokens += before
        return True

    def take(self, now_s: float) -> Taken[T] | None:
        """The next batch, out of the line; None when nothing waits."""
        late: list[Piece[T]] = []
        while (key := self._find_leader()) is not None:
            lane, length = key
            line = self._lines[key]
            room = self._bounds.batch_tokens // length
            pieces: list[Piece[T]] = []
            while line and len(pieces) < room:
                *_, piece = heapq.heappop(line)
                self.waiting_tokens -= length
                (pieces if piece.deadline_s > now_s else late).append(piece)
            if not line:
                del self._lines[key]
            if pieces:
                return Taken(lane, length, tuple(pieces), tuple(late))
        return Taken("", 0, (), tuple(late)) if late else None

    def drop_late(self, now_s: float) -> tuple[Piece[T], ...]:
        """Drop what is wanted no more, wherever it stands in line."""
        late: list[Piece[T]] = []
        for key in list(self._lines):
            line = self._lines[key]
            kept = [entry for entry in line if entry[2].deadline_s > now_s]
            dropped = [entry[2] for entry in line if entry[2].deadline_s <= now_s]
            late += dropped
            self.waiting_tokens -= key[1] * len(dropped)
            heapq.heapify(kept)
            self._lines[key] = kept
            if not kept:
                del self._lines[key]
        return tuple(late)

    def _find_leader(self) -> tuple[str, int] | None:
        # A few models times ten lengths: a heap of heaps would cost more than it saves.
        return min(self._lines, key=lambda key: self._lines[key][0][:2], default=None)


def find_widest(bounds: Bounds) -> int:
    """Tokens the widest piece may have that a batch can hold; 0 where it can hold none."""
    longest = LENGTHS[-1]
    if bounds.batch_tokens >= longest:
        return bounds.batch_tokens // longest * longest
    return max((length for length in LENGTHS if length <= bounds.batch_tokens), default=0)


def pad_length(tokens: int) -> int:
    """The length a piece of so many tokens is padded to."""
    longest = LENGTHS[-1]
    if tokens > longest:
        return -(-tokens // longest) * longest
    return next(length for length in LENGTHS if length >= tokens)
