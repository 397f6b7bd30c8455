"""A long text cut into segments where the text itself says so, whatever stands far away.

Whether a place is a border depends on the characters near it alone, and segments are short. So
what is read of a place is decided by the text within `REACH` characters of it: a stream that is
checked in parts is cut as the whole text is. It does not know what reads the segments.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

SHORT = 640
"""A text no longer than this is one segment."""
REACH = 640
"""No farther than this stands what decides how a place is read."""

_NEAR = 120
"""A border is the best place to cut within so many characters on both sides."""
_LONGEST = 480
"""A stretch without a border that is longer than this is cut at worse places."""
_TELLING = 8
"""Characters on both sides that are looked at to tell how good a place is."""

# Between two words, or behind a character of a script that writes none. Not inside a run of spaces.
_PLACES = re.compile(
    r"(?<=\s)(?=\S)|(?<=[\u3002\uff0c\u3001\uff01\uff1f\u4e00-\u9fff\u3040-\u30ff])"
)
# A paragraph, a sentence, a line.
_ENDS = (
    (3, re.compile(r"\n\s*\n\s*\Z")),
    (
        2,
        re.compile(
            r"[a-z0-9)\]\"'\u2019\u201d][.!?:;][\"'\u2019\u201d)]?\s*\Z|[\u3002\uff01\uff1f]\s*\Z"
        ),
    ),
    (1, re.compile(r"\n[ \t]?\Z")),
)

Place = tuple[int, int]


def cut_segments(text: str) -> list[Place]:
    """The segments of a text in order; an unbroken run longer than any name is in none.

    Nor are marks before the first letter or digit: what is put before a stream's text is no part.
    """
    start = next((place for place, character in enumerate(text) if character.isalnum()), len(text))
    if len(text) - start <= SHORT:
        return [(start, len(text))] if start < len(text) else []
    places = [match.start() for match in _PLACES.finditer(text)]
    ranks = [_rank(text, place) for place in places]
    segments: list[Place] = []
    for border in (*_find_best(places, ranks, _NEAR), len(text)):
        if border > start:
            segments += _cut_finer(places, ranks, (start, border))
            start = border
    return segments


def _cut_finer(
    places: Sequence[int], ranks: Sequence[tuple[int, int]], stretch: Place
) -> list[Place]:
    """A stretch between two borders, as it is or, where that is too long, cut at worse places."""
    start, end = stretch
    if end - start <= _LONGEST:
        return [stretch] if start < end else []
    first, last = bisect_right(places, start), bisect_left(places, end)
    inside = places[first:last]
    best = _find_best(inside, ranks[first:last], _NEAR // 8)
    cut = []
    for piece in pairwise((start, *best, end)):
        if piece[1] - piece[0] <= _LONGEST:
            cut.append(piece)
        else:
            words = (place for place in inside if piece[0] < place < piece[1])
            cut += pairwise((piece[0], *words, piece[1]))
    return [(a, b) for a, b in cut if b - a <= _LONGEST]


def _find_best(places: Sequence[int], ranks: Sequence[tuple[int, int]], near: int) -> list[int]:
    """Places that no better one is near; of equals each is one."""
    found = []
    for number, place in enumerate(places):
        first = bisect_left(places, place - near)
        last = bisect_right(places, place + near)
        if ranks[number] == max(ranks[first:last]):
            found.append(place)
    return found


def _rank(text: str, place: int) -> tuple[int, int]:
    """How good a place is to cut: by what ends there, and among equals by what stands there."""
    before = text[max(0, place - _TELLING) : place]
    behind = text[place : place + _TELLING]
    told = next((rank for rank, end in _ENDS if end.search(before)), 0)
    return told, crc32(f"{before}\0{behind}".encode("utf-8", "surrogatepass"))
