"""What a reader of the page asks for: a time range and the values of a few dimensions. Made from
a query string, written back to one, and turned into bound parameters. Knows no SQL."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

HOUR_S = 3600
DAY_S = 24 * HOUR_S
RANGES: dict[str, int] = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S, "14d": 14 * DAY_S, "all": 0}
BUCKETS_S = (10, 60, 300, 900, 1800, HOUR_S, 3 * HOUR_S, 6 * HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S)
# A window longer than this is read from the rollups, in whole hours or days.
HOURLY_FROM_S = 2 * DAY_S
PAGE_ROWS = 50
VALUE_LIMIT = 500
PAGE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Filters:
    """Every field but `range` and `page` is a value to equal, or empty for any."""

    range: str = "24h"
    project: str = ""
    service: str = ""
    environment: str = ""
    model: str = ""
    prompt: str = ""
    version: str = ""
    status: str = ""
    user: str = ""
    session: str = ""
    guard: str = ""
    text: str = ""
    page: int = 0

    def query_string(self) -> str:
        """The shortest query string that `read_filters` turns back into this."""
        default = Filters()
        pairs = [
            (field.name, getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != getattr(default, field.name)
        ]
        return urlencode(pairs)

    def narrowed(self, name: str, value: str) -> Filters:
        """This with one dimension changed, back on the first page."""
        return replace(self, **{name: value, "page": 0})  # type: ignore[arg-type]


def read_filters(query: Mapping[str, str]) -> Filters:
    """Filters of a query string; what is unknown or out of bounds falls back to the default."""
    chosen: dict[str, str | int] = {}
    for field in fields(Filters):
        value = query.get(field.name, "")[:VALUE_LIMIT]
        if not value:
            continue
        if field.name == "range":
            chosen["range"] = value if value in RANGES else "24h"
        elif field.name == "page":
            chosen["page"] = (
                min(int(value), PAGE_LIMIT) if value.isascii() and value.isdigit() else 0
            )
        else:
            chosen[field.name] = value
    return Filters(**chosen)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Window:
    """The moments a reading covers, and the width of its buckets; milliseconds since the epoch."""

    since_ms: int
    until_ms: int
    bucket_s: int

    @property
    def hourly(self) -> bool:
        """Whether it is read from the rollups, and so begins with a day."""
        return self.until_ms - self.since_ms > HOURLY_FROM_S * 1000

    @property
    def daily(self) -> bool:
        """Whether what is drawn over time is drawn by days."""
        return self.hourly and self.bucket_s >= DAY_S

    def buckets_ms(self) -> list[int]:
        """The start of every bucket in the window, as ClickHouse's toStartOfInterval cuts them."""
        step = self.bucket_s * 1000
        return list(range(self.since_ms // step * step, self.until_ms, step))


def choose_window(
    filters: Filters, extent_ms: tuple[int, int], now_ms: int | None = None
) -> Window:
    """The window of `filters`; `all` reaches from the first to the last stored moment.

    A long window begins with a day, because it is read in whole ones where that is enough.
    """
    until = (time.time_ns() // 1_000_000 if now_ms is None else now_ms) + 1
    span_s = RANGES[filters.range]
    if span_s:
        since = until - span_s * 1000
    else:
        since, until = min(extent_ms[0], until - 1), max(extent_ms[1] + 1, 1)
        span_s = max((until - since) // 1000, 1)
    bucket = next((size for size in BUCKETS_S if span_s / size <= 75), BUCKETS_S[-1])
    window = Window(since, until, bucket)
    if window.hourly:
        window = replace(window, since_ms=since // (DAY_S * 1000) * DAY_S * 1000)
    return window


def bind(filters: Filters, window: Window) -> dict[str, object]:
    """Parameters for every query of the page."""
    return {
        "project": filters.project,
        "since": window.since_ms,
        "until": window.until_ms,
        "bucket": window.bucket_s,
        "service": filters.service,
        "environment": filters.environment,
        "model": filters.model,
        "prompt": filters.prompt,
        "version": filters.version,
        "status": filters.status,
        "user": filters.user,
        "session": filters.session,
        "guard": filters.guard,
        "text": filters.text,
        "limit": PAGE_ROWS + 1,
        "offset": filters.page * PAGE_ROWS,
    }
