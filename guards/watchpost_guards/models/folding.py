"""A text as a person reads it: look-alike letters, hidden marks and spaced letters undone.

What is folded is only what the models are shown; places in it are not places in the text. It
does not know which models read it. Everything here takes time linear in the text.
"""

import re
import unicodedata

from watchpost.screening.disguise import read_disguises

# Letters of other scripts that look like a Latin one; NFKC leaves them as they are.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛԝһӏгпкмтвнАВЕКМНОРСТХУІЈЅαοινρτκυχηΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdqwhlrnkmtbhABEKMHOPCTXYIJSaoivptkuxnABEZHIKMNOPTYX",
)
# Marks without a width of their own: between letters they only hide a word.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_HALF = re.compile("[\ud800-\udfff]")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
# i g n o r e, i-g-n-o-r-e, i.g.n.o.r.e: five single letters or more with one mark between.
_SPACED = re.compile(r"(?<!\w)\w(?:([ .\-_*])\w)(?:\1\w){3,}(?!\w)")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_WIDE_GAP = re.compile(r" {2,}")
# A decoded stretch is worth a reading of its own when it holds at least this many letters.
_FEWEST_LETTERS = 12


def fold(text: str) -> str:
    """The text without its disguise of letters."""
    if text.isascii():
        return _join_spaced(text)
    plain = _TAGS.sub(lambda run: "".join(chr(ord(c) - 0xE0000) for c in run[0]), text)
    # Half a pair of surrogates is no character; tokenizers refuse the text that holds one.
    plain = _HALF.sub("\ufffd", plain)
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", plain))
    if _MIXED.search(plain):
        # Only where scripts are mixed inside a word: Russian and Greek prose stays what it is.
        plain = plain.translate(_LOOKALIKES)
    return _join_spaced(plain)


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


def _join_spaced(text: str) -> str:
    return _SPACED.sub(_join, text)


def _join(match: "re.Match[str]") -> str:
    return "".join(match[0].split(match[1]))
