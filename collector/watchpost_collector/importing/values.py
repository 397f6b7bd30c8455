"""Reading loose values out of logs: times in any unit, counts in any spelling.

Pure and forgiving where the meaning is plain; a value that is there but makes no sense is a
`BadLine`, because a wrong time or count is worse than a reported line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from watchpost.record import Usage
from watchpost_collector.importing.row import BadLine

NS_PER_S = 1_000_000_000
# A number of seconds, milliseconds, microseconds or nanoseconds since 1970 tells its unit by size.
_UNITS = ((1e11, NS_PER_S), (1e14, 1_000_000), (1e17, 1_000), (math.inf, 1))
_LATEST_NS = 4_102_444_800 * NS_PER_S  # the year 2100

START_FIELDS = (
    "timestamp",
    "time",
    "start_time",
    "started_at",
    "created_at",
    "created",
    "date",
    "ts",
)
_DURATIONS = (
    ("duration_ms", 1_000_000),
    ("latency_ms", 1_000_000),
    ("elapsed_ms", 1_000_000),
    ("duration_s", NS_PER_S),
    ("latency_s", NS_PER_S),
    ("latency", NS_PER_S),
    ("duration", NS_PER_S),
    ("elapsed", NS_PER_S),
)
TIME_FIELDS = frozenset((*START_FIELDS, *(name for name, _ in _DURATIONS)))


def read_start(fields: Mapping[str, Any]) -> int | None:
    """The first time the fields name, in nanoseconds since 1970; None when they name none."""
    for name in START_FIELDS:
        value = fields.get(name)
        if value is not None and value != "":
            return read_time(name, value)
    return None


def read_time(name: str, value: Any) -> int:
    """One time: ISO 8601 (UTC where it names no zone), or a number in any usual unit."""
    if isinstance(value, str):
        try:
            value = float(value) if not value.isdigit() else int(value)
        except ValueError:
            return _read_iso(name, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine(f"{name} is not a time")
    if not math.isfinite(value) or value < 0:
        raise BadLine(f"{name} is not a time after 1970")
    factor = next(factor for limit, factor in _UNITS if value < limit)
    # Through microseconds, so that a float of seconds gives the same nanosecond every time.
    whole = value * factor if isinstance(value, int) else round(value * factor / 1000) * 1000
    if whole > _LATEST_NS:
        raise BadLine(f"{name} is a time after 2100")
    return whole


def read_duration(fields: Mapping[str, Any]) -> int | None:
    """The duration the fields name, in nanoseconds; None when they name none."""
    for name, factor in _DURATIONS:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value) or value < 0:
                raise BadLine(f"{name} is not a duration")
            return round(value * factor)
    return None


def read_usage(value: Any) -> Usage | None:
    """Token counts in the OpenAI or Anthropic spelling; None when there are none."""
    if not isinstance(value, Mapping):
        return None
    asked = _count(value, "prompt_tokens", "input_tokens")
    said = _count(value, "completion_tokens", "output_tokens")
    if asked is None and said is None:
        return None
    read_in = _details(value, "prompt_tokens_details", "input_tokens_details")
    read_out = _details(value, "completion_tokens_details", "output_tokens_details")
    # Anthropic counts the cached tokens beside the input, OpenAI inside it.
    beside_read = _count(value, "cache_read_input_tokens") or 0
    beside_write = _count(value, "cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=(asked or 0) + beside_read + beside_write,
        output_tokens=said or 0,
        cache_read_tokens=beside_read or _count(read_in, "cached_tokens") or 0,
        cache_write_tokens=beside_write or _count(read_in, "cache_write_tokens") or 0,
        reasoning_tokens=_count(read_out, "reasoning_tokens") or 0,
    )


def _read_iso(name: str, value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise BadLine(f"{name} is not a time") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _details(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((value[name] for name in names if isinstance(value.get(name), Mapping)), {})


def _count(value: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        count = value.get(name)
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise BadLine(f"{name} is not a count")
        return count
    return None
