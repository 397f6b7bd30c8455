"""How each token is written: what an encoder that knows no capitals cannot see.

Four small numbers a token: the shape of its characters and of the word it is a part of, what
stands between it and the one before, and how the whole text treats capitals. It does not know what
they are used for.
"""

from collections.abc import Sequence
from functools import lru_cache

SIZES = (24, 24, 6, 3)
"""How many values each of the four numbers can have."""

Place = tuple[int, int]
_MARKS = {
    **dict.fromkeys("'\u2019`", 12),
    **dict.fromkeys('"“”«»', 13),
    **dict.fromkeys("()[]{}<>", 14),
    **dict.fromkeys("!?", 15),
    **dict.fromkeys("/\\|", 16),
    **dict.fromkeys("-\u2013\u2014_", 17),
    ".": 18,
    ",": 19,
    ":": 20,
    ";": 20,
    "@": 21,
    "#": 22,
    "+": 22,
}
_OTHER_MARK = 23


def describe(text: str, places: Sequence[Place]) -> list[tuple[int, int, int, int]]:
    """The four numbers of every token; of one that stands for nothing they are zero."""
    case = _find_case(text)
    words = _join_words(text, places)
    described = []
    reached = 0
    for (start, end), word in zip(places, words, strict=True):
        if start >= end:
            described.append((0, 0, 0, case))
            continue
        gap = 5 if not described or reached == 0 else _find_gap(text, reached, start)
        described.append((_find_shape(text[start:end]), _find_shape(text[slice(*word)]), gap, case))
        reached = end
    return described


def is_same_word(text: str, before: Place, place: Place) -> bool:
    """Whether two neighbouring tokens are parts of one word: no gap, all letters and digits."""
    return (
        before[0] < before[1] == place[0] < place[1]
        and text[place[0]].isalnum()
        and text[place[0] - 1].isalnum()
    )


def _join_words(text: str, places: Sequence[Place]) -> list[Place]:
    """For each token the word it is in."""
    words: list[Place] = []
    parts = 0
    start = end = 0
    for place in places:
        if parts and not is_same_word(text, (start, end), place):
            words += [(start, end)] * parts
            parts = 0
        if not parts:
            start = place[0]
        end = place[1]
        parts += 1
    return words + [(start, end)] * parts


def _find_gap(text: str, reached: int, start: int) -> int:
    if reached >= start:
        return 1 if text[start - 1].isalnum() == text[start].isalnum() else 2
    lines = text.count("\n", reached, start)
    return 3 if not lines else 4 if lines == 1 else 5


def _find_case(text: str) -> int:
    upper = sum(map(str.isupper, text))
    return 0 if not upper else 1 if upper > sum(map(str.islower, text)) else 2


@lru_cache(maxsize=4096)
def _find_shape(part: str) -> int:
    if len(part) == 1 and not part.isalnum():
        return _MARKS.get(part, _OTHER_MARK)
    if part.isdigit():
        return 6 if len(part) <= 2 else 7 if len(part) <= 4 else 8
    if not part.isalpha():
        return 9
    if part.islower():
        return 1
    if part.isupper():
        return 3 if len(part) == 1 else 4
    if part[0].isupper() and part[1:].islower():
        return 2
    # Scripts that have no capitals.
    return 10 if part.lower() == part.upper() else 5
