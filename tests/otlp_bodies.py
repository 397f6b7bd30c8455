"""OTLP bodies for tests: requests of plain spans, as protobuf and as JSON."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def build_request(
    spans: int = 1, *, trace_id: bytes | None = None, service: str = "tests", text: str = "hello"
) -> ExportTraceServiceRequest:
    """A request of one trace: chat spans with a model, usage and one message each."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = service
    scope = resource.scope_spans.add()
    trace_id = trace_id or secrets.token_bytes(16)
    now_ns = time.time_ns()
    for number in range(spans):
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=secrets.token_bytes(8),
            name="chat",
            start_time_unix_nano=now_ns - 10**9 + number,
            end_time_unix_nano=now_ns + number,
        )
        message = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
        put(span, "gen_ai.operation.name", "chat")
        put(span, "gen_ai.provider.name", "openai")
        put(span, "gen_ai.request.model", "gpt-4o-mini")
        put(span, "gen_ai.response.id", f"chatcmpl-{secrets.token_hex(8)}")
        put(span, "gen_ai.usage.input_tokens", 12)
        put(span, "gen_ai.usage.output_tokens", 5)
        put(span, "gen_ai.input.messages", json.dumps(message))
    return request


def build_poison(spans: int = 1, service: str = "poison") -> bytes:
    """A request that the door takes and the engine refuses to read.

    `name` is field 5 and a text; here it is a number. upb takes that for an unknown field and lets
    it pass; the engine refuses the whole insert.
    """
    request = build_request(spans, service=service)
    span = only_spans(request)[0]
    span.ClearField("name")
    span.MergeFromString(b"\x28\x01")
    return request.SerializeToString()


def put(span: Any, key: str, value: str | int) -> None:
    """Add an attribute."""
    target = span.attributes.add(key=key).value
    if isinstance(value, int):
        target.int_value = value
    else:
        target.string_value = value


def only_spans(request: ExportTraceServiceRequest) -> Any:
    """The span list of a request made by `build_request`."""
    return request.resource_spans[0].scope_spans[0].spans


def break_utf8(body: bytes, text: bytes = b"hello") -> bytes:
    """The body with one byte of `text` replaced by one that is never UTF-8."""
    assert text in body
    return body.replace(text, text[:2] + b"\xff" + text[3:], 1)
