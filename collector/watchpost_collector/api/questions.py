"""What a request asks for: its parameters read, bounded and bound; anything unknown is refused.

The project comes from the key. Only an admin key may name another one, or leave it open. This file
knows names and limits; it knows no SQL and no transport.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from watchpost.serving.keys import Grant

MOST_ROWS = 500
DEFAULT_ROWS = 50
HOUR_S = 3600
DAY_S = 24 * HOUR_S
_VALUE_CHARACTERS = 500
_UNITS_S = {"m": 60, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_SPAN_OF_TIME = re.compile(r"(\d{1,6})([mhdw])")


class BadQuestion(Exception):  # noqa: N818 - a reader writes "except BadQuestion"
    """Raised when a request cannot be answered as it stands; `status` is the HTTP status."""

    def __init__(self, reason: str, status: int = 400) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since_ns` up to and without `until_ns`, nanoseconds since 1970."""

    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of rows, newest first, goes on: after this moment and this id."""

    at_ns: int
    id: str


def read_parameters(query_string: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters of a query string; BadQuestion for one that is unknown, repeated or long."""
    try:
        pairs = parse_qsl(query_string.decode("utf-8"), keep_blank_values=True, max_num_fields=40)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadQuestion("the parameters cannot be read") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadQuestion(f"there is no parameter {name[:60]!r}: {', '.join(sorted(known))}")
        if name in found:
            raise BadQuestion(f"{name} is given twice")
        if len(value) > _VALUE_CHARACTERS:
            raise BadQuestion(f"{name} is longer than {_VALUE_CHARACTERS} characters")
        found[name] = value
    return found


def choose_project(grant: Grant, given: Mapping[str, str]) -> str:
    """The project a grant reads; '' is every one, which only admin may. BadQuestion otherwise."""
    wanted = given.get("project", "")
    if grant.scope == "admin":
        return wanted
    if wanted not in ("", grant.project):
        raise BadQuestion("this key belongs to another project", status=403)
    return grant.project


def read_window(given: Mapping[str, str], default_s: int, now_ns: int | None = None) -> Window:
    """The window of `since` and `until`: ISO times, or spans of time back from now like `24h`."""
    now = time.time_ns() if now_ns is None else now_ns
    until = _read_moment("until", given["until"], now) if given.get("until") else now
    since = (
        _read_moment("since", given["since"], now)
        if given.get("since")
        else until - default_s * 10**9
    )
    if since >= until:
        raise BadQuestion("since lies after until")
    return Window(max(since, 0), until)


def read_limit(given: Mapping[str, str]) -> int:
    """How many rows a page shall have."""
    text = given.get("limit", str(DEFAULT_ROWS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_ROWS):
        raise BadQuestion(f"limit is a number from 1 to {MOST_ROWS}")
    return int(text)


def write_cursor(window: Window, place: Place) -> str:
    """A page's end and its window as opaque text, so that time going on moves no page."""
    told = json.dumps([window.since_ns, window.until_ns, place.at_ns, place.id])
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[Window, Place]:
    """What `write_cursor` wrote; BadQuestion for anything else."""
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        since_ns, until_ns, at_ns, found = told
        numbers = (since_ns, until_ns, at_ns)
        if not isinstance(found, str) or not all(type(n) is int for n in numbers):
            raise ValueError(text)
        if not all(0 <= number < 2**63 for number in numbers):
            raise ValueError(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadQuestion("this cursor is none of ours: begin without one") from error
    return Window(since_ns, until_ns), Place(at_ns, found)


def _read_moment(name: str, text: str, now_ns: int) -> int:
    span = _SPAN_OF_TIME.fullmatch(text)
    if span is not None:
        return now_ns - int(span[1]) * _UNITS_S[span[2]] * 10**9
    try:
        # A plus sign of a time zone arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        found = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6) * 1000
    except (ValueError, OverflowError) as error:
        raise BadQuestion(f"{name} is an ISO time (UTC), or a span back from now: 24h") from error
    if not 0 <= found < 2**63:
        raise BadQuestion(f"{name} lies outside of what can be stored")
    return found
