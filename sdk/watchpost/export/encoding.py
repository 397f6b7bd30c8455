"""From finished spans to the bytes that leave: cut to the capture level, redact, encode.

Everything slow about exporting is here and runs on the exporter's thread. A span that cannot be
treated is left out and counted; it never takes its batch with it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan

from watchpost.attributes import DROPPED_BEFORE
from watchpost.export import Capture
from watchpost.export.capture import keep_event_metadata, keep_metadata
from watchpost.export.event import Event
from watchpost.export.exporter import LOGS, TRACES
from watchpost.export.otlp import encode_events, encode_spans
from watchpost.masking.redaction import Redactor

_log = logging.getLogger("watchpost")


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
    redactor: Redactor
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
        treatment.redactor.redact_request(request)
        return Encoded(request.SerializeToString(), len(events), 0, LOGS)
    except Exception as error:
        _log.debug("events could not be encoded: %s", type(error).__name__)
        return Encoded(b"", 0, len(events), LOGS)


def _treat(spans: Sequence[ReadableSpan], treatment: Treatment) -> ExportTraceServiceRequest:
    request = encode_spans(spans)
    if treatment.lost:
        pair = _each_span(request)[0].attributes.add(key=DROPPED_BEFORE)
        pair.value.int_value = treatment.lost
    if treatment.capture == "metadata":
        for span in _each_span(request):
            keep_metadata(span)
    treatment.redactor.redact_request(request)
    return request


def _each_span(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
