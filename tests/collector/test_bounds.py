from __future__ import annotations

import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_bodies import build_request, only_spans, put

from watchpost_collector.intake.admission import Admission, Parcel, admit
from watchpost_collector.otlp.bounds import MOST_ATTRIBUTES, MOST_GROUPS, MOST_ITEMS, MOST_TEXT
from watchpost_collector.otlp.envelope import encode_varint
from watchpost_collector.otlp.fold import UNREADABLE
from watchpost_collector.otlp.refusal import JSON_TYPE, PROTOBUF_TYPE, Refusal
from watchpost_collector.otlp.signals import LOGS, TRACES, Signal


def take(body: bytes, content_type: str = PROTOBUF_TYPE, signal: Signal = TRACES) -> Admission:
    parcel = Parcel(body, content_type, "", "default", time.time_ns(), signal=signal)
    return admit(parcel, 64 << 20)


def read(admission: Admission) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(admission.letter.body)


def test_an_oversize_value_is_cut_with_a_mark_and_its_batch_is_kept() -> None:
    request = build_request(3)
    put(only_spans(request)[1], "essay", "x" * (MOST_TEXT * 3))

    admission = take(request.SerializeToString())

    assert (admission.letter.spans, admission.rejected) == (3, 0)
    assert "1 values or attributes were too long or too many" in admission.message
    kept = only_spans(read(admission))
    text = {a.key: a.value.string_value for a in kept[1].attributes}["essay"]
    assert text.startswith("x" * MOST_TEXT)
    assert text.endswith(f"[cut by watchpost: it had {MOST_TEXT * 3} characters]")
    assert kept[0] == only_spans(request)[0]
    assert kept[2] == only_spans(request)[2]


def test_too_many_attributes_of_one_span_cost_only_themselves() -> None:
    request = build_request(2)
    for number in range(MOST_ATTRIBUTES + 1000):
        put(only_spans(request)[0], f"attribute-{number}", number)
    had = len(only_spans(request)[0].attributes)

    kept = only_spans(read(take(request.SerializeToString())))

    assert len(kept[0].attributes) == MOST_ATTRIBUTES
    assert kept[0].dropped_attributes_count == had - MOST_ATTRIBUTES
    assert kept[1] == only_spans(request)[1]


def test_too_many_events_and_links_of_one_span_cost_only_themselves() -> None:
    request = build_request(2)
    span = only_spans(request)[0]
    for number in range(MOST_ATTRIBUTES + 10):
        span.events.add(name=f"event {number}")
        span.links.add(trace_id=bytes([1] * 16), span_id=bytes([2] * 8))

    kept = only_spans(read(take(request.SerializeToString())))

    assert len(kept[0].events) == len(kept[0].links) == MOST_ATTRIBUTES
    assert kept[0].dropped_events_count == kept[0].dropped_links_count == 10
    assert kept[0].events[-1].name == f"event {MOST_ATTRIBUTES - 1}"
    assert kept[1] == only_spans(request)[1]


def test_a_resource_that_would_be_repeated_too_often_is_cut() -> None:
    request = build_request(300)
    put(request.resource_spans[0].resource, "ballast", "b" * 50_000)

    kept = read(take(request.SerializeToString()))

    assert kept.resource_spans[0].resource.ByteSize() < 1000
    assert [span.span_id for span in only_spans(kept)] == [
        span.span_id for span in only_spans(request)
    ]


def nest(levels: int, end: bytes = b"end") -> AnyValue:
    value = AnyValue(string_value="end") if end == b"end" else AnyValue(string_value="hello")
    for _ in range(levels):
        deeper = AnyValue()
        deeper.kvlist_value.values.add(key="k").value.CopyFrom(value)
        value = deeper
    return value


def encode_with(value: bytes) -> bytes:
    """Two spans, of which the second has this encoded value as an attribute."""
    request = build_request(2)
    pair = b"\x0a\x04deep\x12" + encode_varint(len(value)) + value
    span = only_spans(request)[1].SerializeToString() + b"\x4a" + encode_varint(len(pair)) + pair
    scope = b"\x12" + encode_varint(len(span)) + span
    resource = b"\x12" + encode_varint(len(scope)) + scope
    del only_spans(request)[1]
    return request.SerializeToString() + b"\x0a" + encode_varint(len(resource)) + resource


def read_deep(admission: Admission) -> str:
    spans = read(admission).resource_spans[1].scope_spans[0].spans
    return {a.key: a.value.string_value for a in spans[0].attributes}["deep"]


@pytest.mark.parametrize("levels", [5, 30])
def test_a_value_nested_as_deep_as_can_be_read_is_kept_whole(levels: int) -> None:
    admission = take(encode_with(nest(levels).SerializeToString()))

    assert admission.letter.spans == 2
    assert read_deep(admission) == '{"k":' * levels + '"end"' + "}" * levels


@pytest.mark.parametrize("levels", [40, 1000])
def test_a_value_nested_deeper_is_cut_with_a_mark_and_its_batch_is_kept(levels: int) -> None:
    value = b"\x0a\x03end"
    for _ in range(levels):
        pair = b"\x0a\x01k\x12" + encode_varint(len(value)) + value
        inner = b"\x0a" + encode_varint(len(pair)) + pair
        value = b"\x32" + encode_varint(len(inner)) + inner

    admission = take(encode_with(value))

    assert admission.letter.spans == 2
    assert read_deep(admission) == UNREADABLE


def test_a_broken_text_inside_a_deep_value_is_healed() -> None:
    value = nest(3, b"hello").SerializeToString().replace(b"hello", b"he\xfflo")

    assert "he\N{REPLACEMENT CHARACTER}lo" in read_deep(take(encode_with(value)))


def test_json_nested_too_deep_costs_only_its_value() -> None:
    value = '{"kvlistValue":{"values":[{"key":"k","value":' * 50 + '{"intValue":1}' + "}]}}" * 50
    ids = f'"traceId":"{"ab" * 16}","spanId":"{"cd" * 8}"'
    span = f'{{{ids},"attributes":[{{"key":"deep","value":{value}}}]}}'
    content = f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}'

    admission = take(content.encode(), JSON_TYPE)

    assert admission.letter.spans == 1
    assert UNREADABLE in read(admission).SerializeToString().decode("utf-8", "replace")


def test_a_long_log_body_is_cut() -> None:
    request = LOGS.request()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = "y" * (MOST_TEXT * 3)

    admission = take(request.SerializeToString(), signal=LOGS)

    body = LOGS.request.FromString(admission.letter.body)
    text = body.resource_logs[0].scope_logs[0].log_records[0].body.string_value
    assert len(text) < MOST_TEXT + 100


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x00" * (MOST_GROUPS + 1),
        b"\x0a\x00" * (2 << 20),
        b"\x0a\x80\x80\x80\x02" + b"\x12\x00" * (2 << 20),
    ],
    ids=["groups", "parts", "scopes"],
)
def test_a_request_of_too_many_parts_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        take(body)

    assert caught.value.status == 413


def test_too_many_spans_are_refused_with_what_to_do() -> None:
    request = build_request(1)
    spans = only_spans(request)
    del spans[0].attributes[:]
    spans.extend([spans[0]] * MOST_ITEMS)

    with pytest.raises(Refusal, match="send fewer at once"):
        take(request.SerializeToString())


def test_json_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    body = b'{"resourceSpans":[' + b"{}," * 3_000_000 + b"{}]}"

    with pytest.raises(Refusal) as caught:
        take(body, JSON_TYPE)

    assert caught.value.status == 413
