"""What a parsed request holds: how many items, which cannot be kept and why, how odd their times.

One function a signal, over the probe's message; and the same request without what is refused.
This file knows messages; it knows no encoding, no answer and no disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from watchpost_collector.otlp.signals import LOGS, METRICS, TRACES, Signal

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_DAY_NS = 86_400 * 10**9
_PAST_NS, _AHEAD_NS = 31 * _DAY_NS, _DAY_NS // 24
_OLDEST_NS = 946_684_800 * 10**9  # the year 2000: a backfill may be as old as that
_POINTS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

Place = tuple[int, ...]


@dataclass(slots=True)
class Found:
    """How many items there are, the places and faults of those refused, how many times are odd."""

    items: int = 0
    faults: list[tuple[Place, str]] = field(default_factory=list)
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """The nanoseconds since 1970 between which an item's own time is believed."""

    low: int
    high: int

    @classmethod
    def around(cls, received_ns: int, *, backfill: bool) -> Times:
        """What is believed of a request that came in at this moment."""
        low = _OLDEST_NS if backfill else received_ns - _PAST_NS
        return cls(low, received_ns + _AHEAD_NS)


def inspect(signal: Signal, request: Any, times: Times) -> Found:
    """Look through a parsed request once."""
    return _INSPECT[signal.name](request, times)


def remove_items(signal: Signal, body: bytes, places: set[Place]) -> bytes:
    """The request without the spans, or data points, at these places."""
    request = signal.request.FromString(body)
    for place, items in list_items(signal, request):
        kept = [item for n, item in enumerate(items) if (*place, n) not in places]
        if len(kept) < len(items):
            copies = [type(item).FromString(item.SerializeToString()) for item in kept]
            del items[:]
            items.extend(copies)
    return bytes(request.SerializeToString())


def name_place(signal: Signal, place: Place) -> str:
    """A place as the JSON path of it."""
    return ".".join(f"{name}[{n}]" for name, n in zip(_PATHS[signal.name], place, strict=True))


def _inspect_traces(request: Any, times: Times) -> Found:
    found = Found()
    low, high = times.low, times.high
    for r, resource in enumerate(request.resource_spans):
        for s, scope in enumerate(resource.scope_spans):
            spans = scope.spans
            found.items += len(spans)
            for n, span in enumerate(spans):
                trace_id, span_id = span.trace_id, span.span_id
                if (
                    len(trace_id) != 16
                    or len(span_id) != 8
                    or trace_id == _NO_TRACE
                    or span_id == _NO_SPAN
                ):
                    found.faults.append(((r, s, n), _describe_ids(trace_id, span_id)))
                elif not low <= span.start_time_unix_nano <= high:
                    found.odd += 1
    return found


def _describe_ids(trace_id: bytes, span_id: bytes) -> str:
    for name, value, size in (("traceId", trace_id, 16), ("spanId", span_id, 8)):
        if len(value) != size:
            return f"{name} has {len(value)} bytes, not {size}"
        if not any(value):
            return f"{name} is all zeros"
    return "its ids cannot be used"


def _inspect_logs(request: Any, times: Times) -> Found:
    """No log record is refused: one without a usable trace id is simply not of a trace."""
    found = Found()
    for _, records in list_items(LOGS, request):
        found.items += len(records)
        for record in records:
            at = record.time_unix_nano or record.observed_time_unix_nano
            found.odd += bool(at) and not times.low <= at <= times.high
    return found


def _inspect_metrics(request: Any, times: Times) -> Found:
    found = Found()
    for place, points in list_items(METRICS, request):
        found.items += len(points)
        r, s, m = place
        nameless = not request.resource_metrics[r].scope_metrics[s].metrics[m].name
        for n, point in enumerate(points):
            fault = "its metric has no name" if nameless else _describe_buckets(point)
            if fault:
                found.faults.append(((*place, n), fault))
            found.odd += not times.low <= point.time_unix_nano <= times.high
    return found


def _describe_buckets(point: Any) -> str:
    if not hasattr(point, "explicit_bounds"):
        return ""
    bounds, buckets = len(point.explicit_bounds), len(point.bucket_counts)
    # No buckets at all is a histogram of count and sum alone.
    if buckets == bounds + 1 or buckets == bounds == 0:
        return ""
    return f"{buckets} bucketCounts do not go with {bounds} explicitBounds"


def list_items(signal: Signal, request: Any) -> Iterator[tuple[Place, Any]]:
    """The lists of a request's items, each with its place."""
    if signal is METRICS:
        for r, resource in enumerate(request.resource_metrics):
            for s, scope in enumerate(resource.scope_metrics):
                for m, metric in enumerate(scope.metrics):
                    kind = metric.WhichOneof("data")
                    if kind in _POINTS:
                        yield (r, s, m), getattr(metric, kind).data_points
        return
    outer, middle, inner = _FIELDS[signal.name]
    for r, resource in enumerate(getattr(request, outer)):
        for s, scope in enumerate(getattr(resource, middle)):
            yield (r, s), getattr(scope, inner)


_INSPECT = {
    TRACES.name: _inspect_traces,
    LOGS.name: _inspect_logs,
    METRICS.name: _inspect_metrics,
}
_FIELDS = {
    TRACES.name: ("resource_spans", "scope_spans", "spans"),
    LOGS.name: ("resource_logs", "scope_logs", "log_records"),
}
_PATHS = {
    TRACES.name: ("resourceSpans", "scopeSpans", "spans"),
    LOGS.name: ("resourceLogs", "scopeLogs", "logRecords"),
    METRICS.name: ("resourceMetrics", "scopeMetrics", "metrics", "dataPoints"),
}
