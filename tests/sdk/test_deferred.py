"""Deferred attributes: computed once, by whoever looks, within the limits the application set."""

from __future__ import annotations

import threading
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext

from watchpost.deferred import defer, weight_of


class Keep(SpanProcessor):
    """Keeps finished spans without looking into them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def finish(produce: Any, limits: SpanLimits | None = None, **held: Any) -> ReadableSpan:
    provider = TracerProvider(span_limits=limits)
    keep = Keep()
    provider.add_span_processor(keep)
    span = provider.get_tracer("test").start_span("work", attributes=held)
    defer(span, produce, 123)
    span.end()
    (kept,) = keep.spans
    return kept


def test_nothing_is_computed_until_somebody_looks_and_then_once() -> None:
    calls: list[threading.Thread] = []

    def produce() -> dict[str, Any]:
        calls.append(threading.current_thread())
        return {"b": 2}

    span = finish(produce, a=1)
    assert calls == []
    reader = threading.Thread(target=lambda: dict(span.attributes or {}))
    reader.start()
    reader.join()
    assert dict(span.attributes or {}) == {"a": 1, "b": 2}
    assert calls == [reader]


def test_every_reader_sees_them() -> None:
    (resource,) = encode_spans([finish(lambda: {"b": "x"})]).resource_spans
    (pair,) = resource.scope_spans[0].spans[0].attributes
    assert (pair.key, pair.value.string_value) == ("b", "x")
    assert '"b": "x"' in finish(lambda: {"b": "x"}).to_json()
    assert len(finish(lambda: {"b": "x"}).attributes or {}) == 1
    assert "b" in (finish(lambda: {"b": "x"}).attributes or {})


def test_the_applications_limits_hold() -> None:
    long = finish(lambda: {"b": "x" * 50}, SpanLimits(max_span_attribute_length=10))
    assert (long.attributes or {})["b"] == "x" * 10
    full = finish(lambda: {"b": 2, "c": 3}, SpanLimits(max_span_attributes=2), a=1)
    assert dict(full.attributes or {}) == {"b": 2, "c": 3}
    assert full.dropped_attributes == 1


def test_a_span_says_its_weight_without_computing() -> None:
    def fail() -> dict[str, Any]:
        raise AssertionError("computed")

    assert weight_of(finish(fail)) == 123
    assert weight_of(object()) is None


def test_a_span_of_another_make_gets_them_at_once_or_not_at_all() -> None:
    class Other(NonRecordingSpan):
        def __init__(self) -> None:
            super().__init__(SpanContext(1, 1, is_remote=False))
            self.found: dict[str, Any] = {}

        def is_recording(self) -> bool:
            return True

        def set_attributes(self, attributes: Any) -> None:
            self.found.update(attributes)

    other = Other()
    defer(other, lambda: {"b": 2}, 1)
    assert other.found == {"b": 2}
