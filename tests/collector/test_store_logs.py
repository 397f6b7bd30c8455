from __future__ import annotations

import json
import os
import secrets
import time
from typing import Any

import pytest
from otlp_bodies import build_request, only_spans
from otlp_signals import Logs
from store_segments import name_segment

from watchpost_collector.intake.admission import Parcel, admit
from watchpost_collector.otlp.envelope import frame_head
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.otlp.signals import LOGS, TRACES, Signal
from watchpost_collector.store.client import Store

DETAILS = "gen_ai.client.inference.operation.details"
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "where is it?"}]}]
CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "find", "arguments": {"a": [1, {"b": 2}]}},
}


def insert(store: Store, body: bytes, project: str, signal: Signal = LOGS) -> str:
    """Store a request as the flusher does; the segment's name."""
    parcel = Parcel(body, PROTOBUF_TYPE, "", project, time.time_ns(), signal=signal)
    letter = admit(parcel, 1 << 24).letter
    segment = name_segment() + ("" if signal is TRACES else f"-{signal.name}")
    store.insert_segment(frame_head(letter, segment) + letter.body, segment)
    assert store.count_segment(segment).spans == letter.spans
    assert store.count_segment(segment).whole
    return segment


def read_messages(store: Store, project: str) -> list[tuple[Any, Any]]:
    """What was asked and answered, span by span."""
    rows = store.query(
        "select input_messages, output_messages from watchpost.messages "
        "where project = {project:String} order by span_id",
        {"project": project},
    )
    return [tuple(json.loads(text) if text else None for text in row) for row in rows]


@pytest.fixture
def project() -> str:
    return f"logs-{secrets.token_hex(4)}"


@pytest.fixture
def ids() -> dict[str, bytes]:
    return {"trace_id": os.urandom(16), "span_id": os.urandom(8)}


def test_the_messages_of_one_event_are_those_of_its_span(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    structured = {"gen_ai__input__messages": ASKED, "gen_ai__output__messages": '[{"role":"x"}]'}

    insert(store, Logs().add(DETAILS, **ids, **structured).encode(), project)

    assert read_messages(store, project) == [(ASKED, [{"role": "x"}])]


def test_an_event_may_be_named_by_attribute_and_carry_its_messages_in_the_body(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    body = {"gen_ai.input.messages": ASKED}

    insert(store, Logs().add("", body, **ids, event__name=DETAILS).encode(), project)

    assert read_messages(store, project) == [(ASKED, None)]


def test_messages_in_pieces_are_put_in_their_order_whatever_order_they_arrive_in(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    now = time.time_ns()
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [CALL]}}
    last = Logs().add("gen_ai.choice", choice, at_ns=now + 9, **ids)
    first = Logs().add("gen_ai.system.message", {"content": "be kind"}, at_ns=now, **ids)
    first.add("gen_ai.user.message", {"role": "user", "content": 'say "hi"'}, at_ns=now, **ids)
    first.add("gen_ai.tool.message", "plain words", at_ns=now, **ids)

    insert(store, last.encode(), project)
    request = build_request(1, trace_id=ids["trace_id"])
    [span] = only_spans(request)
    span.span_id = ids["span_id"]
    del span.attributes[-1]
    insert(store, request.SerializeToString(), project, TRACES)
    insert(store, first.encode(), project)

    assert read_messages(store, project) == [
        (
            [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": 'say "hi"'},
                {"role": "tool", "content": "plain words"},
            ],
            [{"role": "assistant", "tool_calls": [CALL], "finish_reason": "tool_calls"}],
        )
    ]


def test_messages_sent_whole_win_over_pieces_of_them(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    pieces = Logs().add("gen_ai.user.message", {"content": "where is it?"}, **ids)
    pieces.add("gen_ai.choice", {"message": {"content": "here"}}, **ids)

    insert(store, pieces.encode(), project)
    insert(store, Logs().add(DETAILS, **ids, gen_ai__input__messages=ASKED).encode(), project)

    assert read_messages(store, project) == [(ASKED, [{"role": "assistant", "content": "here"}])]


def test_words_that_moved_to_content_do_not_stay_in_logs(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    logs = Logs().add("gen_ai.user.message", {"content": "my secret"}, **ids, gen_ai__system="x")
    logs.add(DETAILS, **ids, gen_ai__input__messages=ASKED, gen_ai__request__model="m")

    insert(store, logs.encode(), project)

    rows = store.query(
        "select event_name, body, attributes, has_content from watchpost.logs "
        "where project = {project:String} order by event_name",
        {"project": project},
    )
    assert list(rows) == [
        (DETAILS, "", {"gen_ai.request.model": "m"}, True),
        ("gen_ai.user.message", "", {"gen_ai.system": "x"}, True),
    ]


def test_what_is_no_message_of_a_span_is_kept_as_it_came(store: Store, project: str) -> None:
    logs = Logs("shop").add("", {"deep": [{"a": [1]}]}, n=1).add("", "just words")
    logs.add("gen_ai.user.message", {"content": "of no span"}, trace_id=b"short", span_id=b"x")

    insert(store, logs.encode(), project)

    rows = store.query(
        "select body, trace_id, span_id, service, severity, severity_number from watchpost.logs "
        "where project = {project:String} order by body",
        {"project": project},
    )
    assert list(rows) == [
        (body, "", "", "shop", "INFO", 9)
        for body in ("just words", '{"content":"of no span"}', '{"deep":[{"a":[1]}]}')
    ]
    assert read_messages(store, project) == []


def test_a_segment_of_logs_inserted_again_changes_nothing_and_can_be_removed(
    store: Store, project: str, ids: dict[str, bytes]
) -> None:
    body = Logs().add("gen_ai.user.message", {"content": "once"}, **ids).encode()
    letter = admit(
        Parcel(body, PROTOBUF_TYPE, "", project, time.time_ns(), signal=LOGS), 999
    ).letter
    segment = f"{name_segment()}-logs"

    for _ in range(2):
        store.insert_segment(frame_head(letter, segment) + letter.body, segment)
    counted = store.count_segment(segment)
    store.remove_segment(segment)

    assert (counted.spans, counted.content, counted.whole) == (1, 1, True)
    assert store.count_segment(segment).spans == 0
    assert read_messages(store, project) == []
