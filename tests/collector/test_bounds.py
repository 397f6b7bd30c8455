from __future__ import annotations

import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_bodies import build_request, only_spans, put

from watchpost_collector.bounds import MOST_ATTRIBUTES, MOST_GROUPS, MOST_ITEMS, MOST_TEXT
from watchpost_collector.intake import Admission, Parcel, admit
from watchpost_collector.refusal import JSON_TYPE, PROTOBUF_TYPE, Refusal
from watchpost_collector.signals import LOGS, TRACES, Signal


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


def test_a_resource_that_would_be_repeated_too_often_is_cut() -> None:
    request = build_request(300)
    put(request.resource_spans[0].resource, "ballast", "b" * 50_000)

    kept = read(take(request.SerializeToString()))

    assert kept.resource_spans[0].resource.ByteSize() < 1000
    assert [span.span_id for span in only_spans(kept)] == [
        span.span_id for span in only_spans(request)
    ]


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
