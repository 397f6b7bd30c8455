"""A text as a person reads it: look-alike letters, hidden marks and spaced letters undone.

What is folded is only what the models are shown; every place in it is known in the text as well.
It does not know which models read it. Everything here takes time linear in the text.
"""

import re

from watchpost.screening.disguise import (
    LOOKALIKES,
    Reading,
    chain,
    fold_letters,
    read_disguises,
    rewrite,
)

# i g n o r e, i-g-n-o-r-e, i.g.n.o.r.e: five single letters or more with one mark between.
_SPACED = re.compile(r"(?<!\w)\w(?:([ .\-_*])\w)(?:\1\w){3,}(?!\w)")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_WIDE_GAP = re.compile(r" {2,}")
# A decoded stretch is worth a reading of its own when it holds at least this many letters.
_FEWEST_LETTERS = 12


def fold(text: str) -> Reading:
    """The text without its disguise of letters, and where each part of it came from."""
    if text.isascii():
        return rewrite(text, _SPACED, _join)
    foreign = fold_letters(text)
    if _MIXED.search(foreign.text):
        # Only where scripts are mixed inside a word: Russian and Greek prose stays what it is.
        plain = foreign.text.translate(LOOKALIKES)
        foreign = Reading(plain, foreign.marks, foreign.origins)
    joined = rewrite(foreign.text, _SPACED, _join)
    return chain(foreign, joined) if len(joined.marks) > 1 else foreign


def read_encoded(text: str) -> list[tuple[tuple[int, int], str]]:
    """What the text's base64 tokens say where that reads as words, each with the token's place."""
    return [
        (reading.token, reading.text)
        for reading in read_disguises(text)
        if reading.token is not None and _is_prose(reading.text)
    ]


def _is_prose(text: str) -> bool:
    letters = sum(character.isalpha() or character == " " for character in text)
    return letters >= _FEWEST_LETTERS and letters >= 0.8 * len(text) and " " in text.strip()


def _join(match: "re.Match[str]") -> str:
    return "".join(match[0].split(match[1]))
