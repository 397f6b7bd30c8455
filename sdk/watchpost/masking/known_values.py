"""Values found once in a batch of spans, looked for everywhere else in it.

A secret that its surroundings gave away in one place ("password: ...") stands bare in another. The
values live as long as their batch. It does not know guards or spans.
"""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from watchpost.screening.guard import Finding

MOST_VALUES = 500
# Shorter values are words and years: masking them everywhere would make spans unreadable.
_SHORTEST, _LONGEST = 6, 4096
_SHORTEST_CORE = 10
_SEPARATORS = re.compile(r"[ .()/-]")
_OUTSIDE_TOKEN = re.compile(r"[^A-Za-z0-9+/_=-]")
_PLACEHOLDER = re.compile(r"\[[A-Z0-9_ ]+\]")
_WORDS = frozenset(("bearer", "string", "secret", "password", "number", "object", "default"))


class KnownValues:
    """What was found so far, and the ways it may be written."""

    def __init__(self) -> None:
        self._values: dict[str, Finding] = {}
        self._cores: dict[str, Finding] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def learn(self, text: str, findings: Iterable[Finding]) -> None:
        """Remember what a text's findings cover."""
        for finding in findings:
            value = text[finding.start : finding.end].strip()
            if not _SHORTEST <= len(value) <= _LONGEST or len(self._values) >= MOST_VALUES:
                continue
            if value in self._values or value.lower() in _WORDS or _PLACEHOLDER.search(value):
                continue
            self._values[value] = finding
            for spelling in (_SEPARATORS.sub("", value), quote(value, safe="")):
                if len(spelling) >= _SHORTEST:
                    self._values.setdefault(spelling, finding)
            for core in _encode_cores(value):
                self._cores.setdefault(core, finding)

    def find_in(self, text: str) -> list[Finding]:
        """Where known values stand in a text, as they are or as part of a base64 token."""
        found = []
        for value, finding in self._values.items():
            for start in _find_all(text, value):
                end = start + len(value)
                found.append(Finding(start, end, finding.label, finding.score))
        for core, finding in self._cores.items():
            for start in _find_all(text, core):
                token_start, token_end = _grow(text, start, start + len(core))
                found.append(Finding(token_start, token_end, finding.label, finding.score))
        return found


def _find_all(text: str, value: str) -> Iterable[int]:
    start = text.find(value)
    while start >= 0:
        yield start
        start = text.find(value, start + len(value))


def _encode_cores(value: str) -> Iterable[str]:
    """The characters every base64 text holding the value must contain, one for each alignment."""
    raw = value.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=").decode("ascii")
        # The first characters mix with what stands before, the last ones with what follows.
        core = encoded[(0, 2, 3)[shift] : len(encoded) - 1]
        if len(core) >= _SHORTEST_CORE:
            yield core
            yield core.translate({ord("+"): "-", ord("/"): "_"})


def _grow(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole token around a part of it."""
    following = _OUTSIDE_TOKEN.search(text, end)
    token_end = following.start() if following else len(text)
    while start > 0 and not _OUTSIDE_TOKEN.match(text, start - 1):
        start -= 1
    return start, token_end
