"""Plain text in disguise, undone for reading: base64, escapes, look-alike and hidden characters.

Each reading says what the text would be without its disguise and where every part of it came
from, so that something found in the reading can be hidden in the original. It does not know what
is being looked for. Everything here takes time linear in the text.
"""

import base64
import binascii
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from watchpost.screening.guard import Finding

CERTAIN = 1.0
"""The score of what proves itself: a passed checksum, a fixed form."""
# Disguises inside disguises that are followed: two kinds, each written twice.
DEEPEST = 4
# Shorter tokens cannot hide a card number, an address or a key.
_SHORTEST_TOKEN = 12
_TOKEN = re.compile(r"[A-Za-z0-9+/_\-]{12,}(?:\r?\n[A-Za-z0-9+/_\-]{4,})*={0,2}")
_READABLE_RUN = re.compile(rb"[\x20-\x7e\t\r\n]{5,}")
_URLSAFE = bytes.maketrans(b"-_", b"+/")

_ESCAPE = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})"
    r"|\\u(?P<unicode>[0-9A-Fa-f]{4})"
    r"|\\x(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<letter>[nrtbf\"'/\\])"
    r"|&\#(?P<decimal>[0-9]{1,7});"
    r"|&\#[xX](?P<entity>[0-9A-Fa-f]{1,6});"
    r"|&(?P<named>amp|lt|gt|quot|apos|nbsp|commat);"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_NAMED = {
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "apos": "'",
    "nbsp": " ",
    "commat": "@",
}

# Letters of other scripts that look like a Latin one; NFKC leaves them as they are.
LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛԝһӏгпкмтвнАВЕКМНОРСТХУІЈЅαοινρτκυχηΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdqwhlrnkmtbhABEKMHOPCTXYIJSaoivptkuxnABEZHIKMNOPTYX",
)
# Marks without a width of their own: between letters they only hide a word.
_HIDDEN: dict[int, str | None] = dict.fromkeys(
    (
        *(0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F)),
        *(*range(0x2060, 0x2065), *range(0xFE00, 0xFE10)),
    )
)
_UNSEEN = re.compile(f"[{''.join(map(chr, _HIDDEN))}\U000e0020-\U000e007e\ud800-\udfff]")
# Tags spell ASCII unseen. Half a pair of surrogates is no character; tokenizers refuse its text.
_HIDDEN.update({0xE0000 + code: chr(code) for code in range(0x20, 0x7F)})
_HIDDEN.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
# What is not ASCII, with the letter before it: a mark may belong to that letter.
_FOREIGN = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
# A character and what is written onto it, or the parts of a Korean syllable.
_CLUSTER = re.compile(
    "[\u1100-\u115f]?[\u1160-\u11ff]+"
    "|.[\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u093c\u09bc\u09be\u09d7\u0b3e\u0b56\u0b57"
    "\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dca\u0dcf\u0ddf\u102e\u1dc0-\u1dff"
    "\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]*",
    re.DOTALL,
)
_NUMERAL = re.compile(r"[^\D0-9]+")
# What may be one address, number or key: no stream is cut within, see `window`.
_TOKEN_OF_LETTERS = re.compile(r"[\w@.+\-]+")
_MIXED = re.compile(r"(?=.*[A-Za-z0-9])")
# 4 1 1 1   1 1 1 1: eight single characters or more, words of them a little further apart.
_SPACED = re.compile(r"(?<!\S)\S(?: {1,3}\S){7,}(?!\S)")
_GAP = re.compile(r" {1,3}")

Edit = tuple[int, int, str]
"""A stretch of a text, from where to where (exclusive), and what it reads as."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as it reads without a disguise.

    `marks` and `origins` run in parallel: from reading position `marks[i]` on, characters come
    one by one from the original position `origins[i]`. A `token` (start, end) instead means that
    the reading has no finer origin than that stretch. A guess may have joined what only stands in a
    row: of it counts what is certain in itself, as a passed checksum is.
    """

    text: str
    marks: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()
    token: tuple[int, int] | None = None
    is_guess: bool = False

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that reads as characters `start` to `end` here."""
        if self.token is not None:
            return self.token
        return self._origin(start), self._origin(end - 1, after=True)

    def _origin(self, position: int, *, after: bool = False) -> int:
        index = bisect_right(self.marks, position) - 1
        if after and index + 1 < len(self.marks) and self.marks[index + 1] == position + 1:
            # The next part begins right behind this character, wherever its disguise ended.
            return self.origins[index + 1]
        return self.origins[index] + position - self.marks[index] + after


def read_disguises(text: str) -> Iterator[Reading]:
    """Every other way a text may be read: unescaped, plain letters, joined, tokens decoded."""
    if "%" in text or "\\" in text or "&" in text:
        unescaped = _unescape(text)
        if unescaped is not None:
            yield unescaped
    if "+" in text and "=" in text:
        # A form's or a query's space; the text keeps its length, so places stay places.
        yield Reading(text.replace("+", " "), (0,), (0,))
    if (folded := _fold_values(text)) is not None:
        yield folded
    if _SPACED.search(text) is not None:
        yield replace(splice(text, _find_gaps(text)), is_guess=True)
    yield from _decode_tokens(text)


def find_through(
    find: Callable[[str], Iterable[Finding]], text: str, depth: int = DEEPEST
) -> Iterator[Finding]:
    """What `find` finds in a text and in every reading of it, as places in the text itself."""
    yield from find(text)
    if depth:
        for reading in read_disguises(text):
            for inner in find_through(find, reading.text, depth - 1):
                if inner.score >= CERTAIN or not reading.is_guess:
                    start, end = reading.locate(inner.start, inner.end)
                    yield replace(inner, start=start, end=end)


def plain_length(text: str, depth: int = DEEPEST) -> int:
    """The fewest characters a text may be read as, disguised up to `depth` times."""
    for _ in range(depth):
        before = len(text)
        if "%" in text or "\\" in text or "&" in text:
            unescaped = _unescape(text)
            text = text if unescaped is None else unescaped.text
        if not text.isascii():
            text = fold_letters(text).text
        text = splice(text, _find_gaps(text)).text
        if len(text) == before:
            break
    return len(text)


def fold_letters(text: str) -> Reading:
    """A text in the letters it seems to be written in, without the marks that nobody sees."""
    return splice(text, () if text.isascii() else _find_foreign(text))


def rewrite(
    text: str, pattern: "re.Pattern[str]", change: "Callable[[re.Match[str]], str]"
) -> Reading:
    """Every match replaced, but for what it begins with unchanged."""

    def find_edits() -> Iterator[Edit]:
        for match in pattern.finditer(text):
            changed = change(match)
            if changed != match[0]:
                pairs = enumerate(zip(match[0], changed, strict=False))
                shorter = min(len(match[0]), len(changed))
                same = next((n for n, (a, b) in pairs if a != b), shorter)
                yield match.start() + same, match.end(), changed[same:]

    return splice(text, find_edits())


def splice(text: str, edits: Iterable[Edit]) -> Reading:
    """A text with stretches replaced, in order; inside one, characters follow at even steps."""
    pieces: list[str] = []
    marks, origins = [0], [0]
    length = position = 0
    for start, end, new in edits:
        pieces += (text[position:start], new)
        length += start - position
        for number in range(len(new)):
            marks.append(length + number)
            origins.append(start + number * (end - start) // len(new))
        length += len(new)
        position = end
        marks.append(length)
        origins.append(position)
    pieces.append(text[position:])
    return Reading("".join(pieces), tuple(marks), tuple(origins))


def chain(outer: Reading, inner: Reading) -> Reading:
    """A reading of a reading as one of the text itself, character by character."""
    marks = range(len(inner.text))
    origins = [outer.locate(*inner.locate(mark, mark + 1))[0] for mark in marks]
    last = outer.locate(*inner.locate(marks[-1], marks[-1] + 1))[1]
    return Reading(inner.text, (*marks, len(inner.text)), (*origins, last))


def readable(raw: bytes) -> str:
    """What of some bytes can be read as text; the rest is left out."""
    plain = raw.replace(b"\0", b"") if b"\0" in raw else raw
    return "\n".join(run.decode("ascii") for run in _READABLE_RUN.findall(plain))


def _find_foreign(text: str) -> Iterator[Edit]:
    """Every character that is another one in plain letters, with the marks that belong to it."""
    for match in _FOREIGN.finditer(text):
        if _UNSEEN.search(match[0]) is None and unicodedata.is_normalized("NFKC", match[0]):
            continue
        for piece in _CLUSTER.finditer(text, *match.span()):
            plain = unicodedata.normalize("NFKC", piece[0].translate(_HIDDEN))
            if plain != piece[0]:
                yield *piece.span(), plain


def _fold_values(text: str) -> Reading | None:
    """The text with plain letters and digits; None where it has no others."""
    if text.isascii():
        return None
    folded = fold_letters(text)
    # These change single characters for single ones, so places stay places.
    plain = _NUMERAL.sub(_spell_numerals, folded.text)
    plain = _TOKEN_OF_LETTERS.sub(_unmix, plain)
    return None if plain == text else replace(folded, text=plain)


def _spell_numerals(match: "re.Match[str]") -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in match[0])


def _unmix(match: "re.Match[str]") -> str:
    """Look-alikes count where Latin letters or digits stand beside: a Russian word is one."""
    token = match[0]
    if token.isascii() or not _MIXED.match(token):
        return token
    return token.translate(LOOKALIKES)


def _find_gaps(text: str) -> Iterator[Edit]:
    """The gaps between single characters; a wider one is a space between their words."""
    for run in _SPACED.finditer(text):
        for gap in _GAP.finditer(text, *run.span()):
            yield *gap.span(), "" if len(gap[0]) == 1 else " "


def _unescape(text: str) -> Reading | None:
    pieces: list[str] = []
    marks, origins = [0], [0]
    length = position = 0
    for match in _ESCAPE.finditer(text):
        pieces.append(text[position : match.start()])
        length += match.start() - position
        position = match.end()
        pieces.append(_undo(match))
        marks += (length, length + 1)
        origins += (match.start(), position)
        length += 1
    if not position:
        return None
    pieces.append(text[position:])
    return Reading("".join(pieces), tuple(marks), tuple(origins))


def _undo(match: "re.Match[str]") -> str:
    """The one character an escape stands for; a space where it is part of a longer one."""
    kind = match.lastgroup
    value = match[kind] if kind else ""
    if kind == "letter":
        return _LETTERS.get(value, value)
    if kind == "named":
        return _NAMED[value]
    code = int(value, 10 if kind == "decimal" else 16)
    if kind in ("percent", "hex") and code >= 0x80:
        return " "
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else " "


def _decode_tokens(text: str) -> Iterator[Reading]:
    for match in _TOKEN.finditer(text):
        token = "".join(match[0].split()).rstrip("=").encode("ascii").translate(_URLSAFE)
        # What stands before the encoded part (a path, a label) shifts it by 0 to 3 characters.
        parts = [_decode(token[shift:]) for shift in range(4)]
        found = "\n".join(part for part in parts if part)
        if found:
            yield Reading(found, token=match.span())


def _decode(token: bytes) -> str:
    if len(token) < _SHORTEST_TOKEN - 3:
        return ""
    # One character beyond a multiple of four encodes nothing.
    usable = token[: len(token) - 1] if len(token) % 4 == 1 else token
    try:
        raw = base64.b64decode(usable + b"=" * (-len(usable) % 4))
    except binascii.Error:
        return ""
    return readable(raw)
