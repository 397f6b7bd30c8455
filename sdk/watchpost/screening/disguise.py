"""Plain text in disguise: base64, percent escapes, backslash and HTML escapes, undone for reading.

Each reading says what the text would be without its disguise and where every part of it came
from, so that something found in the reading can be hidden in the original. It does not know what
is being looked for. Everything here takes time linear in the text.
"""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from watchpost.screening.guard import Finding

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


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as it reads without a disguise.

    `marks` and `origins` run in parallel: from reading position `marks[i]` on, characters come
    one by one from the original position `origins[i]`. A `token` (start, end) instead means that
    the reading has no finer origin than that stretch.
    """

    text: str
    marks: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()
    token: tuple[int, int] | None = None

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
    """Every other way a text may be read: unescaped, plus signs as spaces, tokens decoded."""
    if "%" in text or "\\" in text or "&" in text:
        unescaped = _unescape(text)
        if unescaped is not None:
            yield unescaped
    if "+" in text and "=" in text:
        # A form's or a query's space; the text keeps its length, so places stay places.
        yield Reading(text.replace("+", " "), (0,), (0,))
    yield from _decode_tokens(text)


def find_through(
    find: Callable[[str], Iterable[Finding]], text: str, depth: int = DEEPEST
) -> Iterator[Finding]:
    """What `find` finds in a text and in every reading of it, as places in the text itself."""
    yield from find(text)
    if depth:
        for reading in read_disguises(text):
            for inner in find_through(find, reading.text, depth - 1):
                start, end = reading.locate(inner.start, inner.end)
                yield replace(inner, start=start, end=end)


def plain_length(text: str, depth: int = DEEPEST) -> int:
    """The fewest characters a text may be read as, its escapes undone up to `depth` times."""
    for _ in range(depth):
        if not ("%" in text or "\\" in text or "&" in text):
            break
        unescaped = _unescape(text)
        if unescaped is None:
            break
        text = unescaped.text
    return len(text)


def readable(raw: bytes) -> str:
    """What of some bytes can be read as text; the rest is left out."""
    plain = raw.replace(b"\0", b"") if b"\0" in raw else raw
    return "\n".join(run.decode("ascii") for run in _READABLE_RUN.findall(plain))


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
