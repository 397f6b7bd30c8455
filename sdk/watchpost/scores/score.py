"""Scores: what a person or a judge says of a call, a span or a whole trace.

`score` checks what it is given on the caller's thread and hands it to the exporter; it waits for
nothing. A score leaves as OpenTelemetry's event `gen_ai.evaluation.result`, which is also what the
collector makes of those that come by HTTP. It does not know how events are delivered.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

from watchpost import attributes as names
from watchpost.errors import ConfigError
from watchpost.export.event import Event
from watchpost.runtime import SHIELD, active
from watchpost.scope import Handle, current

NUMBER, BOOLEAN, CATEGORY = "number", "boolean", "category"
KINDS = (NUMBER, BOOLEAN, CATEGORY)
MOST_NAME = 100
MOST_LABEL = 200
MOST_COMMENT = 10_000
_THUMBS = {"up": True, "down": False, "true": True, "false": False}
_ID = re.compile(r"[0-9a-fA-F]*")


@dataclass(frozen=True, slots=True)
class Score:
    """One checked score. Ids are lower hexadecimal digits; `span` '' is the whole trace.

    `value` is a number, 1.0 or 0.0 for a thumb, None for a category, whose word is `label`.
    """

    trace: str
    span: str
    name: str
    kind: str
    value: float | None
    label: str
    comment: str = ""
    author: str = ""

    @property
    def has_trace(self) -> bool:
        """Whether it is about anything: ids are zeros where nothing is being recorded."""
        return bool(self.trace.strip("0"))

    def as_event(self, source: str, time_ns: int) -> Event:
        """The event that says this score; `source` tells by which way it came."""
        told: dict[str, str | float] = {names.EVALUATION_NAME: self.name}
        if self.value is not None:
            told[names.EVALUATION_VALUE] = self.value
        if self.label:
            told[names.EVALUATION_LABEL] = self.label
        if self.comment:
            told[names.EVALUATION_EXPLANATION] = self.comment
        told[names.SCORE_KIND] = self.kind
        told[names.SCORE_SOURCE] = source
        if self.author:
            told[names.SCORE_AUTHOR] = self.author
        span = bytes.fromhex(self.span) if self.span.strip("0") else b""
        return Event(names.EVALUATION_EVENT, time_ns, bytes.fromhex(self.trace), span, told)


def score(
    name: str,
    value: float | bool | str,
    *,
    trace: str | Handle | None = None,
    span: str | None = None,
    comment: str = "",
    kind: str | None = None,
    author: str = "",
) -> None:
    """Say how good something was: a number, a thumb (True or False) or a category (a word).

    `trace` is a trace's 32 hexadecimal digits or a `current()` of earlier; without it the score is
    of where one stands. `span` is 16 digits; '' is the whole trace. `kind` is "number", "boolean"
    or "category" where the value alone does not tell ("up" and "down" can be a "boolean").
    `author` is who says it: a later score of the same name, author and span replaces the earlier.
    Returns at once; what cannot be delivered now is kept and sent later. Raises ConfigError for a
    value nobody can use, and nothing else; where nothing is recorded, nothing happens.
    """
    handle = trace if isinstance(trace, Handle) else current() if trace is None else None
    found = make_score(
        name,
        value,
        trace=handle.trace_id if handle is not None else trace,
        span=handle.span_id if handle is not None and span is None else span,
        comment=comment,
        kind=kind,
        author=author,
    )
    with SHIELD:
        runtime = active()
        if runtime.deliver is None or not found.has_trace:
            SHIELD.tell_once(
                "score",
                "a score was given where nothing is recorded: call watchpost.configure() first, "
                "and give trace= outside of what is observed",
            )
            return
        runtime.deliver(found.as_event("sdk", runtime.clock()))


def make_score(
    name: Any,
    value: Any,
    *,
    trace: Any,
    span: Any = "",
    comment: Any = "",
    kind: Any = None,
    author: Any = "",
) -> Score:
    """A score of what was given, checked. Raises ConfigError that names what cannot be used."""
    chosen, number, label = _read_value(value, kind)
    return Score(
        trace=_read_id("trace", trace, 32),
        span=_read_id("span", span or "", 16) if span else "",
        name=_read_text("name", name, MOST_NAME, needed=True),
        kind=chosen,
        value=number,
        label=label,
        comment=_read_comment(comment),
        author=_read_text("author", author or "", MOST_LABEL),
    )


def _read_value(value: Any, kind: Any) -> tuple[str, float | None, str]:
    """Kind, number and label of a value."""
    if hasattr(value, "item"):
        value = _unwrap(value)
    if kind is None:
        kind = BOOLEAN if isinstance(value, bool) else CATEGORY if _is_text(value) else NUMBER
    if kind == BOOLEAN:
        thumb = _THUMBS.get(value.lower()) if _is_text(value) else value
        if thumb in (True, False):
            return BOOLEAN, float(thumb), ""
        raise ConfigError("value", value, 'say True, False, "up" or "down"')
    if kind == CATEGORY:
        return CATEGORY, None, _read_text("value", value, MOST_LABEL, needed=True)
    if kind != NUMBER:
        raise ConfigError("kind", kind, f"use one of {', '.join(KINDS)}")
    number = _read_number(value)
    if number is None or not math.isfinite(number):
        raise ConfigError("value", value, "give a finite number, True, False or a word")
    return NUMBER, number, ""


def _unwrap(value: Any) -> Any:
    """The plain value of a scalar of numpy or torch; anything else as it is."""
    try:
        return value.item()
    except Exception:
        raise ConfigError("value", type(value).__name__, "give one number, not several") from None


def _read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _read_text(what: str, value: Any, most: int, *, needed: bool = False) -> str:
    if not isinstance(value, str) or len(value) > most or (needed and not value.strip()):
        raise ConfigError(what, value, f"give a text of up to {most} characters")
    return _heal(value)


def _read_comment(value: Any) -> str:
    """The comment, cut rather than refused: it is the one text that somebody else wrote."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError("comment", type(value).__name__, "give a text")
    return _heal(value[:MOST_COMMENT])


def _heal(text: str) -> str:
    """The text without halves of characters, which no protocol can say."""
    return text.encode("utf-8", "replace").decode()


def _read_id(what: str, value: Any, digits: int) -> str:
    if not isinstance(value, str) or len(value) != digits or not _ID.fullmatch(value):
        raise ConfigError(what, value, f"give {digits} hexadecimal digits, as current() has them")
    return value.lower()
