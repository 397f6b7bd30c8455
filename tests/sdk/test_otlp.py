"""Encoding: what leaves is what OpenTelemetry's own encoder would have made of the same spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as encode_peer
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from watchpost.export.otlp import encode_spans

STATE = TraceState([("a", "1"), ("b", "2")])
FAR = SpanContext(2**127 + 5, 2**63 + 7, True, TraceFlags(TraceFlags.SAMPLED), STATE)
VALUES: dict[str, Any] = {
    "text": "grüße 🙂",
    "empty": "",
    "yes": True,
    "no": False,
    "whole": -(2**62),
    "half": 0.5,
    "texts": ["a", "", "b"],
    "flags": (True, False),
    "none of them": (),
    "bytes": b"\x00\xff",
}


def make_spans(count: int = 1, **options: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    resource = Resource({"service.name": f"shop {count}", "n": 1}, "https://schema.example/1")
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def assert_same(spans: Sequence[ReadableSpan]) -> None:
    assert encode_spans(spans) == encode_peer(spans)
    assert "span_id" in str(encode_spans(spans))


@pytest.mark.parametrize("kind", list(SpanKind))
def test_spans_of_every_kind_with_all_there_can_be_are_the_same(kind: SpanKind) -> None:
    provider, exporter = make_spans()
    tracer = provider.get_tracer("ours", "1.2", "https://schema.example/2", {"x": "y"})
    around = trace.set_span_in_context(trace.NonRecordingSpan(FAR))
    link = Link(FAR, {"why": "because"})
    with tracer.start_as_current_span("outer", around, kind, VALUES, [link]) as span:
        span.add_event("happened", VALUES)
        span.add_event("again")
        with tracer.start_as_current_span("inner", kind=kind) as inner:
            inner.set_status(Status(StatusCode.ERROR, "no luck"))
        span.set_status(StatusCode.OK)
    assert_same(exporter.get_finished_spans())


def test_spans_of_several_tracers_and_resources_are_grouped_the_same() -> None:
    finished: list[ReadableSpan] = []
    for count in (1, 2):
        provider, exporter = make_spans(count)
        for name in ("a", "b", "a"):
            provider.get_tracer(name).start_span(f"span of {name}").end()
        finished += exporter.get_finished_spans()
    assert len(encode_spans(finished).resource_spans) == 2
    shown = [(r.resource, s.scope.name, s.spans) for r, s in each_scope(finished, encode_peer)]
    ours = [(r.resource, s.scope.name, s.spans) for r, s in each_scope(finished, encode_spans)]
    by_span = {span.span_id: (r, scope, span) for r, scope, spans in shown for span in spans}
    assert by_span == {s.span_id: (r, scope, s) for r, scope, spans in ours for s in spans}


def each_scope(spans: Sequence[ReadableSpan], encode: Any) -> list[tuple[Any, Any]]:
    request = encode(spans)
    return [(resource, s) for resource in request.resource_spans for s in resource.scope_spans]


def test_what_an_applications_limits_dropped_is_counted_the_same() -> None:
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_event_attributes=1)
    provider, exporter = make_spans(span_limits=limits)
    links = [Link(FAR, {"number": number}) for number in range(3)]
    with provider.get_tracer("t").start_as_current_span("full", links=links) as span:
        for number in range(4):
            span.set_attribute(f"k{number}", number)
            span.add_event("e", {"a": 1, "b": 2})
    (encoded,) = encode_spans(exporter.get_finished_spans()).resource_spans[0].scope_spans[0].spans
    assert encoded.dropped_attributes_count == 2
    assert_same(exporter.get_finished_spans())


@pytest.mark.parametrize("value", ["half \ud83d a pair", 2**80, ["fine", "\ud83d"]])
def test_an_attribute_that_cannot_be_encoded_is_left_out_alone(value: Any) -> None:
    provider, exporter = make_spans()
    found = {"before": 1, "broken": value, "after": "kept"}
    provider.get_tracer("t").start_span("odd", attributes=found).end()
    (encoded,) = encode_spans(exporter.get_finished_spans()).resource_spans[0].scope_spans[0].spans
    assert [pair.key for pair in encoded.attributes] == ["before", "after"]
    assert encoded.attributes[1].value.string_value == "kept"
