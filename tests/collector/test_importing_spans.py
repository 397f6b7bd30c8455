"""Rows become spans whose ids and times are the same at every reading."""

from __future__ import annotations

import json
import os
from dataclasses import replace

from watchpost_collector.importing.formats import read_line
from watchpost_collector.importing.otlp import read_spans
from watchpost_collector.importing.source import open_source
from watchpost_collector.importing.spans import build_span, identify

ROW = read_line({"prompt": "Hi", "reply": "Hello.", "model": "gpt-4.1", "label": 1, "deep": [1]})
OTLP = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "spanId": span_id,
                            "name": "chat",
                            "startTimeUnixNano": "1760000000000000000",
                            "endTimeUnixNano": "1760000001000000000",
                        }
                        for span_id in ("b7ad6b7169203331", "b7ad6b7169203332")
                    ]
                }
            ],
        }
    ]
}


def source_of(tmp_path, name="log.jsonl"):
    path = tmp_path / name
    path.write_text('{"prompt": "Hi"}\n' * 3)
    os.utime(path, ns=(10**18, 10**18))
    return open_source(path)


def attributes_of(span):
    return {item.key: item.value for item in span.attributes}


def test_the_same_line_of_the_same_file_is_the_same_span_and_no_other(tmp_path):
    first = build_span(ROW, source_of(tmp_path), 2)
    again = build_span(ROW, source_of(tmp_path, "copy.jsonl"), 2)
    assert (first.trace_id, first.span_id) == (again.trace_id, again.span_id)
    assert first.start_time_unix_nano == again.start_time_unix_nano
    named = {identify(digest, line) for digest in ("a", "b") for line in range(100)}
    assert len(named) == 200


def test_lines_without_a_time_keep_their_order_and_end_at_the_files_last_change(tmp_path):
    source = source_of(tmp_path)
    starts = [build_span(ROW, source, line).start_time_unix_nano for line in (1, 2, 3)]
    assert starts == sorted(set(starts))
    assert starts[-1] == 10**18


def test_a_span_carries_the_record_the_metadata_and_where_it_stood(tmp_path):
    span = build_span(replace(ROW, started_ns=5, duration_ns=7), source_of(tmp_path), 1)
    held = attributes_of(span)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (5, 12)
    assert held["gen_ai.request.model"].string_value == "gpt-4.1"
    assert held["watchpost.metadata.label"].int_value == 1
    assert held["watchpost.metadata.deep"].string_value == "[1]"
    assert held["watchpost.import.line"].int_value == 1
    said = json.loads(held["gen_ai.output.messages"].string_value)
    assert said[0]["parts"][0]["content"] == "Hello."


def test_without_content_no_text_is_in_the_span(tmp_path):
    span = build_span(ROW, source_of(tmp_path), 1, content=False)
    assert b"Hello." not in span.SerializeToString()


def test_a_lone_surrogate_does_not_stop_a_span(tmp_path):
    row = read_line({"prompt": "\ud800 x", "reply": "y"})
    assert b"? x" in build_span(row, source_of(tmp_path), 1).SerializeToString()


def test_otlp_spans_keep_their_own_ids_and_resource():
    frames = read_spans(OTLP, "digest", 4)
    spans = [framed.scope_spans[0].spans[0] for framed in frames]
    assert [span.span_id.hex() for span in spans] == ["b7ad6b7169203331", "b7ad6b7169203332"]
    assert frames[1].resource.attributes[0].value.string_value == "shop"
    assert attributes_of(spans[0])["watchpost.import.line"].int_value == 4
