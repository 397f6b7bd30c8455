"""Finished spans, and events, as OTLP requests, written straight into its messages.

OpenTelemetry's own encoder builds each attribute as a message of its own and copies it twice; on
spans with many attributes that is most of what exporting costs. An attribute that cannot be said
in protobuf is left out. This file changes nothing in a span and knows no name of ours.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, SpanFlags
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from watchpost.export.event import Event

_log = logging.getLogger("watchpost")

_LOCAL = int(SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
_REMOTE = _LOCAL | int(SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)


def encode_spans(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """The spans in their order, grouped by where they come from. Raises for one without ids."""
    request = ExportTraceServiceRequest()
    scopes: dict[tuple[int, int], ScopeSpans] = {}
    resources: dict[int, Any] = {}
    for span in spans:
        # By identity: comparing resources costs more than writing one twice.
        place = (id(span.resource), id(span.instrumentation_scope))
        scope = scopes.get(place)
        if scope is None:
            holder = resources.get(place[0])
            if holder is None:
                holder = resources[place[0]] = request.resource_spans.add()
                holder.schema_url = span.resource.schema_url
                write_attributes(holder.resource.attributes, span.resource.attributes)
            scope = scopes[place] = holder.scope_spans.add()
            _write_scope(scope, span)
        _write_span(scope.spans.add(), span)
    return request


def encode_events(events: Sequence[Event]) -> ExportLogsServiceRequest:
    """The events in their order as log records, grouped by whose they are."""
    request = ExportLogsServiceRequest()
    places: dict[int, Any] = {}
    for event in events:
        scope = places.get(id(event.resource))
        if scope is None:
            holder = request.resource_logs.add()
            if event.resource is not None:
                holder.schema_url = event.resource.schema_url
                write_attributes(holder.resource.attributes, event.resource.attributes)
            scope = places[id(event.resource)] = holder.scope_logs.add()
            scope.scope.name = "watchpost"
        record = scope.log_records.add(
            time_unix_nano=event.time_ns,
            observed_time_unix_nano=event.time_ns,
            event_name=event.name,
            trace_id=event.trace_id,
            span_id=event.span_id,
        )
        write_attributes(record.attributes, event.attributes)
    return request


def write_attributes(pairs: Any, found: Mapping[str, Any] | None) -> None:
    """Append attributes to a repeated field of key and value."""
    if not found:
        return
    copy = getattr(found, "copy", None)
    # Reading a bounded mapping item by item asks it twice for each.
    for key, value in (copy() if copy is not None else found).items():
        try:
            pair = pairs.add(key=key)
            write_value(pair.value, value)
        except (TypeError, ValueError, OverflowError) as error:
            if pairs and pairs[-1].key == key:
                del pairs[-1]
            # The type only: the message may quote the value.
            _log.debug("an attribute could not be encoded: %s", type(error).__name__)


def write_value(target: AnyValue, value: Any) -> None:
    """Put a value into an empty AnyValue. Raises TypeError or ValueError where it has no form."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, Sequence):
        target.array_value.SetInParent()
        for item in value:
            write_value(target.array_value.values.add(), item)
    elif isinstance(value, Mapping):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            write_value(target.kvlist_value.values.add(key=str(key)).value, item)
    elif value is not None:
        raise TypeError(type(value).__name__)


def _write_scope(target: ScopeSpans, span: ReadableSpan) -> None:
    scope = span.instrumentation_scope
    if scope is None:
        return
    target.schema_url = scope.schema_url or ""
    target.scope.name = scope.name
    target.scope.version = scope.version or ""
    write_attributes(target.scope.attributes, scope.attributes)


def _write_span(target: Encoded, span: ReadableSpan) -> None:
    context = span.get_span_context()
    if context is None:
        raise ValueError("a span without a context")
    target.trace_id = context.trace_id.to_bytes(16, "big")
    target.span_id = context.span_id.to_bytes(8, "big")
    if context.trace_state:
        target.trace_state = ",".join(f"{k}={v}" for k, v in context.trace_state.items())
    if span.parent is not None:
        target.parent_span_id = span.parent.span_id.to_bytes(8, "big")
    target.flags = _flags_of(span.parent)
    target.name = span.name
    # OTLP counts kinds from 1, because 0 says that nobody said.
    target.kind = span.kind.value + 1  # type: ignore[assignment]
    target.start_time_unix_nano = span.start_time or 0
    target.end_time_unix_nano = span.end_time or 0
    write_attributes(target.attributes, span.attributes)
    for event in span.events:
        shown = target.events.add(name=event.name, time_unix_nano=event.timestamp)
        write_attributes(shown.attributes, event.attributes)
        shown.dropped_attributes_count = event.dropped_attributes
    for link in span.links:
        _write_link(target.links.add(), link)
    target.status.code = span.status.status_code.value  # type: ignore[assignment]
    target.status.message = span.status.description or ""
    target.dropped_attributes_count = span.dropped_attributes
    target.dropped_events_count = span.dropped_events
    target.dropped_links_count = span.dropped_links


def _write_link(target: Encoded.Link, link: Any) -> None:
    target.trace_id = link.context.trace_id.to_bytes(16, "big")
    target.span_id = link.context.span_id.to_bytes(8, "big")
    target.flags = _flags_of(link.context)
    write_attributes(target.attributes, link.attributes)
    target.dropped_attributes_count = link.dropped_attributes


def _flags_of(context: SpanContext | None) -> int:
    """Whether a context came from another process, and that this is known."""
    return _REMOTE if context is not None and context.is_remote else _LOCAL
