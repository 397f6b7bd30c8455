"""A request's body and headers as what is asked of a service.

What cannot be understood is refused in words that repeat nothing of it: a body is the rawest text
there is. It does not know how an answer comes about.
"""

import json
import math
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from watchpost.screening.guard import DIRECTIONS, Question
from watchpost_guards.hosted import DEADLINE_HEADER
from watchpost_guards.service.desk import LONGEST_S, Asked

_FIELDS = frozenset(("text", "direction", "guards", "model", "context", "prompt", "system"))
_REVISION = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MOST_REVISION = 100


class Refusal(Exception):  # noqa: N818 - it becomes an answer, not a traceback
    """Raised when a request gets an error for an answer; `message` holds none of its text."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Replacement:
    """An order to use another revision of a guard."""

    guard: str
    revision: str


def read_question(
    body: bytes, headers: Iterable[tuple[bytes, bytes]], names: Collection[str]
) -> Asked:
    """What is asked of which guards until when. Raises Refusal."""
    given = _read_object(body)
    if unknown := sorted(given.keys() - _FIELDS):
        # Misspelt, it would silently do nothing. A name may be a text: only how many is told.
        raise Refusal(400, f"{len(unknown)} unknown fields; known: {', '.join(sorted(_FIELDS))}")
    text = given.get("text")
    if not isinstance(text, str):
        raise Refusal(400, 'send {"text": "...", "direction": "input", "guards": ["pii"]}')
    direction = given.get("direction", "input")
    if direction not in DIRECTIONS:
        raise Refusal(400, f"direction is one of {', '.join(DIRECTIONS)}")
    chosen = _read_texts(given, "guards") if "guards" in given else tuple(sorted(names))
    if any(name not in names for name in chosen):
        raise Refusal(404, f"guards here: {', '.join(sorted(names))}")
    question = Question(
        text,
        direction,
        _read_text(given, "model"),
        _read_texts(given, "context"),
        prompt=_read_text(given, "prompt"),
        system=_read_text(given, "system"),
    )
    # Each once: a verdict is found by its guard's name.
    return Asked(question, tuple(dict.fromkeys(chosen)), _read_deadline(headers))


def read_replacement(body: bytes, guard: str) -> Replacement:
    """Which revision is wanted. Raises Refusal for one that could name anything but a revision."""
    revision = _read_object(body).get("revision")
    well = isinstance(revision, str) and 0 < len(revision) <= _MOST_REVISION
    if not well or not _REVISION.issuperset(str(revision)) or str(revision).startswith("."):
        raise Refusal(400, 'send {"revision": "..."}: letters, digits, dots, dashes')
    return Replacement(guard, str(revision))


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(given, dict):
        raise Refusal(400, "the body is no JSON object")
    return given


def _read_text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"{name} is a text")
    return value


def _read_texts(given: dict[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refusal(400, f"{name} is a list of texts")
    return tuple(value)


def _read_deadline(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """The moment until which an answer is wanted; never later than `LONGEST_S` from now."""
    told = [value for name, value in headers if name.lower() == DEADLINE_HEADER.encode()]
    left_s = LONGEST_S
    if told:
        try:
            left_s = float(told[-1]) / 1000
        except ValueError:
            left_s = math.nan
        if not 0 <= left_s < math.inf:
            raise Refusal(400, f"{DEADLINE_HEADER} is a number of milliseconds")
    return time.monotonic() + min(left_s, LONGEST_S)
