"""A text as a person reads it: look-alike letters, hidden marks and spaced letters undone.

What is folded is only what the models are shown; every place in it is known in the text as well.
It does not know which models read it. Everything here takes time linear in the text.
"""

import re
import unicodedata
from collections.abc import Callable

from watchpost.screening.disguise import Reading, read_disguises

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
# What is not ASCII, with the letter before it: a mark may belong to that letter.
_FOREIGN = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
# A decoded stretch is worth a reading of its own when it holds at least this many letters.
_FEWEST_LETTERS = 12


def fold(text: str) -> Reading:
    """The text without its disguise of letters, and where each part of it came from."""
    if text.isascii():
        return _rewrite(text, _SPACED, _join)
    foreign = _rewrite(text, _FOREIGN, _fold_run)
    if _MIXED.search(foreign.text):
        # Only where scripts are mixed inside a word: Russian and Greek prose stays what it is.
        plain = foreign.text.translate(_LOOKALIKES)
        foreign = Reading(plain, foreign.marks, foreign.origins)
    joined = _rewrite(foreign.text, _SPACED, _join)
    return _chain(foreign, joined) if len(joined.marks) > 1 else foreign


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


def _fold_run(match: "re.Match[str]") -> str:
    plain = _TAGS.sub(lambda run: "".join(chr(ord(c) - 0xE0000) for c in run[0]), match[0])
    # Half a pair of surrogates is no character; tokenizers refuse the text that holds one.
    plain = _HALF.sub("\ufffd", plain)
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", plain))


def _join(match: "re.Match[str]") -> str:
    return "".join(match[0].split(match[1]))


def _rewrite(
    text: str, pattern: "re.Pattern[str]", change: "Callable[[re.Match[str]], str]"
) -> Reading:
    """Every match replaced; inside a replacement, characters follow one another at even steps."""
    pieces: list[str] = []
    marks, origins = [0], [0]
    length = position = 0
    for match in pattern.finditer(text):
        changed = change(match)
        if changed == match[0]:
            continue
        # What a run begins with unchanged keeps its places.
        pairs = enumerate(zip(match[0], changed, strict=False))
        same = next((n for n, (a, b) in pairs if a != b), min(len(match[0]), len(changed)))
        start, changed = match.start() + same, changed[same:]
        pieces += (text[position:start], changed)
        length += start - position
        wide = match.end() - start
        for number in range(len(changed)):
            marks.append(length + number)
            origins.append(start + number * wide // len(changed))
        length += len(changed)
        position = match.end()
        marks.append(length)
        origins.append(position)
    pieces.append(text[position:])
    return Reading("".join(pieces), tuple(marks), tuple(origins))


def _chain(outer: Reading, inner: Reading) -> Reading:
    """A reading of a reading as one of the text itself, character by character."""
    marks = range(len(inner.text))
    origins = [outer.locate(*inner.locate(mark, mark + 1))[0] for mark in marks]
    last = outer.locate(*inner.locate(marks[-1], marks[-1] + 1))[1]
    return Reading(inner.text, (*marks, len(inner.text)), (*origins, last))
