"""A row as an OTLP span: ids and times that come out the same whenever the file is read.

The trace and the span are named by the file's digest and the line's number, so that a repeated or
resumed import writes the very same span. It knows attribute names, no transport and no guard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from watchpost import attributes
from watchpost.record import to_attributes
from watchpost.screening.decision import Ruling, verdict_attributes
from watchpost_collector.importing.row import Row
from watchpost_collector.importing.source import Source

DIGEST = "watchpost.import.digest"
LINE = "watchpost.import.line"
FILE = "watchpost.import.file"
METADATA_PREFIX = "watchpost.metadata."
SCOPE = "watchpost.import"
NS_PER_MS = 1_000_000

Identity = tuple[bytes, bytes]


def identify(digest: str, line: int) -> Identity:
    """The trace id and span id of one line of one file."""
    named = hashlib.sha256(f"{digest}:{line}".encode()).digest()
    return named[:16], named[16:24]


def start_of(row: Row, source: Source, line: int) -> int:
    """When the call began; where the log has no time, by line up to the file's last change."""
    if row.started_ns is not None:
        return row.started_ns
    return source.modified_ns - max(0, source.lines - line) * NS_PER_MS


def build_span(row: Row, source: Source, line: int, *, content: bool = True) -> Span:
    """The span of a row; messages only where `content` is true."""
    trace_id, span_id = identify(source.digest, line)
    started_ns = start_of(row, source, line)
    ended_ns = started_ns + (row.duration_ns or 0)
    generation = row.generation
    described = {METADATA_PREFIX + name: value for name, value in row.metadata.items()}
    described |= {DIGEST: source.digest, LINE: line, FILE: source.path.name}
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        name=f"{generation.operation} {generation.model}".strip(),
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=started_ns,
        end_time_unix_nano=ended_ns,
        attributes=write_attributes({**described, **to_attributes(generation, content=content)}),
    )
    if generation.error_type:
        message = row.error_message if content else ""
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=message))
    return span


def frame(span: Span, resource: Mapping[str, Any]) -> ResourceSpans:
    """The span with the resource and scope it is sent under."""
    framed = ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])
    framed.resource.attributes.extend(write_attributes(resource))
    framed.scope_spans[0].scope.name = SCOPE
    return framed


def add_verdicts(span: Span, rulings: Iterable[Ruling]) -> None:
    """Notes the rulings on the span, as the events that readers know as verdicts."""
    for ruling in rulings:
        span.events.add(
            name=attributes.VERDICT_EVENT,
            time_unix_nano=span.end_time_unix_nano,
            attributes=write_attributes(verdict_attributes(ruling)),
        )


def write_attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes in protobuf; what is no scalar and no list of texts becomes JSON."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in values.items()]


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=_clean(value))
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    return AnyValue(string_value=_clean(json.dumps(value, ensure_ascii=False)))


def _clean(text: str) -> str:
    """Lone surrogates, which JSON can spell and protobuf cannot, become question marks."""
    return text.encode("utf-8", "replace").decode()
