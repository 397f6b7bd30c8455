"""Scores out of a request's JSON, and as the log records in which all scores are stored.

It knows what a score may be (the SDK's own checks) and how OTLP says it; it knows no key and no
socket.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from watchpost.errors import ConfigError
from watchpost.scores.score import Score, make_score
from watchpost_collector.otlp.refusal import Refusal

MOST_BYTES = 64 << 10
MOST_SCORES = 100
_FIELDS = ("trace", "span", "name", "value", "kind", "comment", "author")


def read_scores(body: bytes) -> list[Score]:
    """The scores of a JSON object, or of a list of them. Refusal says what cannot be used."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is no JSON", "send a score as a JSON object") from error
    entries = told if isinstance(told, list) else [told]
    if not 1 <= len(entries) <= MOST_SCORES:
        raise Refusal(400, f"there are {len(entries)} scores", f"send 1 to {MOST_SCORES} at once")
    return [_read_score(entry) for entry in entries]


def write_request(scores: Sequence[Score], source: str, time_ns: int) -> bytes:
    """The OTLP request that says these scores; they are as old as they arrived."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    scope.scope.name = "watchpost"
    for score in scores:
        event = score.as_event(source, time_ns)
        record = scope.log_records.add(
            time_unix_nano=event.time_ns,
            event_name=event.name,
            trace_id=event.trace_id,
            span_id=event.span_id,
        )
        for name, value in event.attributes.items():
            pair = record.attributes.add(key=name)
            if isinstance(value, str):
                pair.value.string_value = value
            else:
                pair.value.double_value = value
    return bytes(request.SerializeToString())


def _read_score(entry: Any) -> Score:
    if not isinstance(entry, dict) or not set(entry) <= set(_FIELDS):
        raise Refusal(400, "this is no score", f"send an object with {', '.join(_FIELDS)}")
    try:
        score = make_score(
            entry.get("name"),
            entry.get("value"),
            trace=entry.get("trace"),
            span=entry.get("span"),
            comment=entry.get("comment"),
            kind=entry.get("kind"),
            author=entry.get("author"),
        )
    except ConfigError as error:
        raise Refusal(400, str(error)) from error
    if not score.has_trace:
        raise Refusal(400, "the trace id is all zeros", "nothing was recorded there")
    return score
