"""From one process to the next: a place in a trace as W3C headers, and back.

`traceparent` says which span is the parent; one entry of `baggage` says whose the calls are. The
formats are written here whatever the application uses for its own requests. No span is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from watchpost.record import Origin

MEMBER = "watchpost"
"""The entry of the baggage that is ours."""

_TRACE = TraceContextTextMapPropagator()
_BAGGAGE = W3CBaggagePropagator()
_LABELS = ("prompt", "version", "template_hash", "session", "user")


def write_headers(context: Context, origin: Origin) -> dict[str, str]:
    """The headers that continue a context elsewhere; empty where there is nothing to continue."""
    found: dict[str, str] = {}
    said = _dump_origin(origin)
    if said:
        context = baggage.set_baggage(MEMBER, said, context)
    _TRACE.inject(found, context)
    _BAGGAGE.inject(found, context)
    return found


def read_headers(headers: Mapping[str, Any], context: Context) -> tuple[Context, Origin] | None:
    """The context with the headers' span as parent, and whose its calls are; None if unreadable."""
    lowered = {
        str(name).lower(): value for name, value in headers.items() if isinstance(value, str)
    }
    found = _TRACE.extract(lowered, context)
    if found is context:
        return None
    said = baggage.get_baggage(MEMBER, _BAGGAGE.extract(lowered, Context()))
    return found, _load_origin(said)


def _dump_origin(origin: Origin) -> str:
    found: dict[str, Any] = {name: getattr(origin, name) for name in _LABELS}
    found["tags"] = list(origin.tags)
    found["segments"] = dict(origin.segments)
    found = {name: value for name, value in found.items() if value}
    return json.dumps(found, separators=(",", ":")) if found else ""


def _load_origin(said: object) -> Origin:
    try:
        found = json.loads(said) if isinstance(said, str) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Origin()
    labels: dict[str, Any] = {
        name: value for name, value in found.items() if name in _LABELS and isinstance(value, str)
    }
    tags, segments = found.get("tags"), found.get("segments")
    if isinstance(tags, list):
        labels["tags"] = tuple(map(str, tags))
    if isinstance(segments, dict):
        labels["segments"] = {key: str(value) for key, value in segments.items()}
    return Origin(**labels)
