from __future__ import annotations

import base64
import gzip
import json
import time
import zlib

import pytest
from backports import zstd
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from otlp_bodies import break_utf8, build_request, only_spans, put

from watchpost_collector.intake.admission import (
    Admission,
    Parcel,
    admit,
    encode_response,
    read_content_type,
)
from watchpost_collector.otlp.refusal import JSON_TYPE, PROTOBUF_TYPE, Refusal
from watchpost_collector.otlp.signals import METRICS

LIMIT = 1 << 20
PACKERS = pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)],
)


def take(body: bytes, content_type: str = PROTOBUF_TYPE, encoding: str = "") -> Admission:
    parcel = Parcel(body, content_type, encoding, "default", time.time_ns())
    return admit(parcel, LIMIT)


def read(admission: Admission) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(admission.letter.body)


def refuse(body: bytes, content_type: str = PROTOBUF_TYPE, encoding: str = "") -> Refusal:
    with pytest.raises(Refusal) as caught:
        take(body, content_type, encoding)
    return caught.value


def test_a_good_request_passes_through_byte_for_byte() -> None:
    body = build_request(3).SerializeToString()

    admission = take(body)

    assert admission.letter.body is body
    assert (admission.letter.spans, admission.rejected, admission.message) == (3, 0, "")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda b: zlib.compress(b, wbits=-15)),
        ("gzip", lambda b: gzip.compress(b[:50]) + gzip.compress(b[50:])),
        ("zstd", zstd.compress),
        ("zstd", lambda b: zstd.compress(b[:50]) + zstd.compress(b[50:])),
    ],
)
def test_every_encoding_unpacks_to_what_was_sent(encoding, pack) -> None:  # type: ignore[no-untyped-def]
    body = build_request(2).SerializeToString()

    assert take(pack(body), encoding=encoding).letter.body == body


@PACKERS
def test_a_truncated_body_is_refused_and_says_so(encoding, pack) -> None:  # type: ignore[no-untyped-def]
    packed = pack(build_request(5).SerializeToString())

    refusal = refuse(packed[:-12], encoding=encoding)

    assert refusal.status == 400
    assert "ends before" in str(refusal)


@PACKERS
def test_a_bomb_is_refused_before_it_is_unpacked(encoding, pack) -> None:  # type: ignore[no-untyped-def]
    bomb = pack(bytes(64 << 20))

    assert refuse(bomb, encoding=encoding).status == 413


@PACKERS
def test_bytes_in_another_encoding_than_they_say_are_refused(encoding, pack) -> None:  # type: ignore[no-untyped-def]
    refusal = refuse(b"neither of them" * 9, encoding=encoding)

    assert refusal.status == 400
    assert encoding in str(refusal)


def test_an_unknown_encoding_is_refused_with_what_is_known() -> None:
    refusal = refuse(b"", encoding="br")

    assert refusal.status == 415
    assert "gzip" in str(refusal)


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"not protobuf at all", b"\x0a\x05ab"])
def test_malformed_protobuf_is_refused_with_what_it_is_not(body: bytes) -> None:
    refusal = refuse(body)

    assert refusal.status == 400
    assert "ExportTraceServiceRequest" in str(refusal)


def test_a_span_without_a_usable_id_is_refused_alone_and_named() -> None:
    request = build_request(4)
    spans = only_spans(request)
    spans[1].trace_id = b"short"
    spans[3].span_id = bytes(8)
    kept = [spans[0].span_id, spans[2].span_id]

    admission = take(request.SerializeToString())

    assert (admission.letter.spans, admission.rejected) == (2, 2)
    assert "spans[1]: traceId has 5 bytes" in admission.message
    assert "spans[3]: spanId is all zeros" in admission.message
    assert [span.span_id for span in only_spans(read(admission))] == kept


def test_an_absurd_time_is_kept_and_told() -> None:
    request = build_request(2)
    only_spans(request)[0].start_time_unix_nano = 2**64 - 1

    admission = take(request.SerializeToString())

    assert (admission.letter.spans, admission.rejected) == (2, 0)
    assert "1 spans kept" in admission.message


def test_a_backfill_may_be_old() -> None:
    request = build_request(1)
    only_spans(request)[0].start_time_unix_nano = 1_500_000_000 * 10**9
    parcel = Parcel(
        request.SerializeToString(), PROTOBUF_TYPE, "", "default", time.time_ns(), backfill=True
    )

    admission = admit(parcel, LIMIT)

    assert admission.message == ""
    assert admission.letter.backfill


def test_one_broken_string_is_healed_and_its_request_kept() -> None:
    body = break_utf8(build_request(3, text="hello").SerializeToString())

    admission = take(body)

    assert admission.letter.spans == 3
    assert "he\N{REPLACEMENT CHARACTER}lo" in str(read(admission))


def test_a_broken_name_of_an_event_is_healed_too() -> None:
    request = build_request(1)
    only_spans(request)[0].events.add(name="hello")
    only_spans(request)[0].links.add(trace_state="hello")
    body = break_utf8(break_utf8(request.SerializeToString(), b"hello"), b"hello")

    healed = str(read(take(break_utf8(body, b"hello"))))

    assert healed.count("he\N{REPLACEMENT CHARACTER}lo") == 3


def test_deep_values_are_folded_to_json_and_shallow_ones_left_alone() -> None:
    request = build_request(1)
    span = only_spans(request)[0]
    deep = span.attributes.add(key="deep").value.array_value.values.add().kvlist_value
    deep.values.add(key="role").value.string_value = "user"
    deep.values.add(key="n").value.int_value = 2**53 + 1
    deep.values.add(key="raw").value.bytes_value = b"\x00\x01"
    flat = span.attributes.add(key="flat").value.array_value
    flat.values.add().string_value = "a"

    values = {
        a.key: a.value for a in only_spans(read(take(request.SerializeToString())))[0].attributes
    }

    assert json.loads(values["deep"].string_value) == [
        {"role": "user", "n": 2**53 + 1, "raw": base64.b64encode(b"\x00\x01").decode()}
    ]
    assert values["flat"].array_value.values[0].string_value == "a"


def test_json_becomes_the_protobuf_it_means() -> None:
    request = build_request(2)
    put(only_spans(request)[0], "big", 2**62)
    document = MessageToDict(request)
    for span, original in zip(
        document["resourceSpans"][0]["scopeSpans"][0]["spans"], only_spans(request), strict=True
    ):
        span["traceId"], span["spanId"] = original.trace_id.hex(), original.span_id.hex()

    admission = take(json.dumps(document).encode(), JSON_TYPE)

    assert read(admission) == request


def test_stray_bytes_and_lone_surrogates_in_json_cost_only_themselves() -> None:
    request = build_request(1, text="hello")
    document = MessageToDict(request)
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["traceId"], span["spanId"] = "ab" * 16, "cd" * 8
    span["name"] = "\ud83d chat"
    content = json.dumps(document).encode().replace(b"hello", b"he\xfflo")

    admission = take(content, JSON_TYPE)

    assert admission.letter.spans == 1
    assert "he\N{REPLACEMENT CHARACTER}lo" in str(read(admission))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"[]", "not an object"),
        (b'{"resourceSpans": 3}', "resourceSpans is not a list"),
        (b'{"resourceSpans": [{"scopeSpans": [7]}]}', "resourceSpans[0].scopeSpans[0]"),
        (b'{"resourceSpans": [', "line 1"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"x"}]}]}]}', "spans[0].kind"),
        (b"[" * 100_000, "not JSON"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"\\ud800"}]}]}]}', "kind"),
    ],
)
def test_wrong_json_is_refused_with_the_place(content: bytes, where: str) -> None:
    refusal = refuse(content, JSON_TYPE)

    assert refusal.status == 400
    assert where in str(refusal)


@pytest.mark.parametrize("item", ['"x"', "-1", "1e30", '"99999999999999999999"', "[]", "null"])
def test_a_wrong_item_of_a_list_of_numbers_is_refused_with_the_place(item: str) -> None:
    point = f'{{"bucketCounts":[1,{item}]}}'
    metric = f'{{"name":"m","histogram":{{"dataPoints":[{point}]}}}}'
    content = f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}'
    parcel = Parcel(content.encode(), JSON_TYPE, "", "default", time.time_ns(), signal=METRICS)

    with pytest.raises(Refusal, match=r"bucketCounts\[1\]"):
        admit(parcel, LIMIT)


def test_a_lone_surrogate_in_a_list_of_texts_costs_only_itself() -> None:
    ids = f'"traceId":"{"ab" * 16}","spanId":"{"cd" * 8}"'
    resource = '{"entityRefs":[{"idKeys":["\\ud800"]}]}'
    spans = f'[{{"spans":[{{{ids}}}]}}]'
    content = f'{{"resourceSpans":[{{"resource":{resource},"scopeSpans":{spans}}}]}}'

    assert take(content.encode(), JSON_TYPE).letter.spans == 1


def test_a_json_span_with_a_bad_id_is_refused_alone() -> None:
    spans = [{"traceId": "zz", "spanId": "cd" * 8}, {"traceId": "ab" * 16, "spanId": "cd" * 8}]
    content = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()

    admission = take(content, JSON_TYPE)

    assert (admission.letter.spans, admission.rejected) == (1, 1)


def test_the_response_tells_what_was_refused_in_the_type_of_the_request() -> None:
    request = build_request(2)
    only_spans(request)[0].trace_id = b""
    admission = take(request.SerializeToString())

    response = ExportTraceServiceResponse.FromString(encode_response(admission, PROTOBUF_TYPE))
    document = json.loads(encode_response(admission, JSON_TYPE))

    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == admission.message
    assert document["partialSuccess"] == {"rejectedSpans": "1", "errorMessage": admission.message}


@pytest.mark.parametrize("header", ["text/html", "", "application/grpc"])
def test_another_content_type_is_refused(header: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_content_type(header)

    assert caught.value.status == 415
