"""The thesaurus and the forms of its words: what may stand for a word, and what must not.

Endings are made by rule, which is right for nearly every English word that is listed. It does not
know sentences.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("thesaurus.txt")
_VOWELS = "aeiou"
# Verbs that double their last letter.
_DOUBLED = frozenset(
    [
        "drop",
        "stop",
        "ban",
        "omit",
        "admit",
        "prefer",
        "permit",
        "commit",
        "refer",
        "defer",
        "deter",
        "plan",
        "grab",
        "skip",
        "hop",
    ]
)


@dataclass(frozen=True, slots=True)
class Words:
    """For each word form, forms that say the same and forms that say something else."""

    same: dict[str, tuple[str, ...]]
    other: dict[str, tuple[str, ...]]


@cache
def read_words() -> Words:
    """The thesaurus with every form of its words."""
    same: dict[str, set[str]] = defaultdict(set)
    other: dict[str, set[str]] = defaultdict(set)
    for line in _LIST.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "c":
            _relate(rest.split(), rest.split(), other)
        elif kind in ("v", "n", "a"):
            sides = [[_inflect(kind, word) for word in side.split()] for side in rest.split("#")]
            for forms in zip(*(form for side in sides for form in side), strict=True):
                count = len(sides[0])
                left, right = forms[:count], forms[count:]
                _relate(left, left, same)
                _relate(right, right, same)
                _relate(left, right, other)
                _relate(right, left, other)
    # What is listed both ways in two senses is neither for sure.
    unsure = {(word, held) for word in same for held in same[word] if held in other.get(word, ())}
    return Words(_settle(same, unsure), _settle(other, unsure))


def _relate(these: object, those: object, relation: dict[str, set[str]]) -> None:
    for one in these:  # type: ignore[attr-defined]
        relation[one].update(held for held in those if held != one)  # type: ignore[attr-defined]


def _settle(
    relation: dict[str, set[str]], unsure: set[tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    sure = {
        word: tuple(sorted(held for held in found if (word, held) not in unsure))
        for word, found in relation.items()
    }
    return {word: found for word, found in sure.items() if found}


def _inflect(kind: str, word: str) -> tuple[str, ...]:
    base, *given = (part.replace("-", " ") if kind != "a" else part for part in word.split("/"))
    base = base.replace("-to", " to").replace("-from", " from")
    if kind == "a":
        return (base,)
    if kind == "n":
        return (base, given[0] if given else _add_s(base))
    past = given[0] if given else _add_ed(base)
    participle = given[1] if len(given) > 1 else past
    return (base, _add_s(base), past, participle, _add_ing(base))


def _add_s(word: str) -> str:
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _add_ed(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ied"
    return _double(word) + "ed"


def _add_ing(word: str) -> str:
    if word.endswith("e") and not word.endswith("ee"):
        return word[:-1] + "ing"
    return _double(word) + "ing"


def _double(word: str) -> str:
    return word + word[-1] if word in _DOUBLED else word
