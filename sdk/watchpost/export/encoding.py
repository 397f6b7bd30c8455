"""From finished spans to the bytes that leave: enrich, cut to the capture level, redact, encode.

Everything slow about exporting is here and runs on the exporter's thread. A span that cannot be
treated is left out and counted; it never takes its batch with it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.types import AttributeValue

from watchpost.attributes import DROPPED_BEFORE
from watchpost.export import Capture
from watchpost.export.capture import keep_event_metadata, keep_metadata
from watchpost.export.event import Event
from watchpost.export.exporter import LOGS, TRACES
from watchpost.export.otlp import encode_events, encode_spans, write_value
from watchpost.masking.redaction import Redactor

_log = logging.getLogger("watchpost")

Enrich = Callable[[ReadableSpan], Mapping[str, AttributeValue]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch ready to leave: its bytes, how many spans are in them, how many were left out.

    `signal` says where it goes; of events the numbers are of those.
    """

    body: bytes
    spans: int
    dropped: int
    signal: str = TRACES


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to every span on its way out.

    `lost` spans were dropped before these; the first of them says so.
    """

    capture: Capture
    enrich: Enrich | None
    redactor: Redactor | None
    lost: int = 0


def encode_batch(spans: Sequence[ReadableSpan], treatment: Treatment) -> Encoded:
    """Treat and encode spans, in their order. Raises nothing on a span's account."""
    try:
        request = _treat(spans, treatment)
        return Encoded(request.SerializeToString(), len(spans), 0)
    except Exception:
        if len(spans) == 1:
            return Encoded(b"", 0, 1)
    # One of them is at fault; together they would be lost together.
    whole, kept = ExportTraceServiceRequest(), 0
    for span in spans:
        try:
            whole.MergeFrom(_treat((span,), treatment))
            kept += 1
            treatment = replace(treatment, lost=0)
        except Exception as error:
            _log.debug("a span could not be encoded: %s", type(error).__name__)
    return Encoded(whole.SerializeToString() if kept else b"", kept, len(spans) - kept)


def encode_event_batch(events: Sequence[Event], treatment: Treatment) -> Encoded:
    """Treat and encode events, as spans are; one that cannot be encoded takes the others along."""
    try:
        request = encode_events(events)
        if treatment.capture == "metadata":
            keep_event_metadata(request)
        if treatment.redactor is not None:
            treatment.redactor.redact_request(request)
        return Encoded(request.SerializeToString(), len(events), 0, LOGS)
    except Exception as error:
        _log.debug("events could not be encoded: %s", type(error).__name__)
        return Encoded(b"", 0, len(events), LOGS)


def _treat(spans: Sequence[ReadableSpan], treatment: Treatment) -> ExportTraceServiceRequest:
    request = encode_spans(spans)
    if treatment.lost:
        _set_attributes(_each_span(request)[0], {DROPPED_BEFORE: treatment.lost})
    if treatment.enrich is not None:
        _enrich(request, spans, treatment.enrich)
    if treatment.capture == "metadata":
        for span in _each_span(request):
            keep_metadata(span)
    if treatment.redactor is not None:
        treatment.redactor.redact_request(request)
    return request


def _each_span(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _enrich(
    request: ExportTraceServiceRequest, spans: Sequence[ReadableSpan], enrich: Enrich
) -> None:
    encoded = {(span.trace_id, span.span_id): span for span in _each_span(request)}
    for span in spans:
        context = span.get_span_context()
        if context is None:
            continue
        key = (context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big"))
        try:
            added = enrich(span)
        except Exception as error:
            _log.debug("a span could not be enriched: %s", type(error).__name__)
            continue
        if added and (target := encoded.get(key)) is not None:
            _set_attributes(target, added)


def _set_attributes(span: Span, added: Mapping[str, AttributeValue]) -> None:
    held = {pair.key: pair for pair in span.attributes}
    for name, value in added.items():
        pair = held.get(name)
        if pair is None:
            pair = span.attributes.add()
            pair.key = name
        pair.value.Clear()
        write_value(pair.value, value)
