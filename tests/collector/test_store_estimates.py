from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost.pricing.tokens import count_tokens
from watchpost_collector.store.client import Store
from watchpost_collector.store.estimates import Estimates, estimate_call
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.settle import settle

OUTER, INNER = "a1" * 8, "b1" * 8
ASKED, SAID = "Where is my parcel, please?", "It is at the depot."


def say(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


SPOKEN = {"gen_ai__input__messages": say("user", ASKED), "gen_ai__output__messages": say("a", SAID)}


def count(text: str) -> int:
    counted = count_tokens(text, "gpt-4o")
    assert counted is not None
    return counted


def land(store: Store, *spans: Any, project: str = "") -> str:
    segment = name_segment("estimate")
    store.insert_segment(pack_segment(segment, spans, project or segment), segment)
    settle(store, segment)
    return project or segment


def read(store: Store, project: str) -> list[tuple[Any, ...]]:
    return store.query(
        "select span_id, usage_source, input_tokens, output_tokens, cost "
        "from watchpost.generations where project = {p:String} order by span_id",
        {"p": project},
    ).rows


@pytest.fixture(autouse=True)
def _priced(store: Store) -> None:
    PriceBook(store).load_packaged()


@pytest.fixture
def estimates(store: Store) -> Estimates:
    """With what other tests left in the store worked off."""
    found = Estimates(store)
    while found.work():
        pass
    return found


def test_messages_without_usage_are_counted_marked_and_priced(
    store: Store, estimates: Estimates
) -> None:
    project = land(store, make_call(OUTER, usage=False, **SPOKEN))
    assert read(store, project) == [(OUTER, "none", 0, 0, None)]

    estimates.add(project)
    assert estimates.work() == 1

    tokens = (count(ASKED) + 3 + 3, count(SAID))
    cost = (tokens[0] * Decimal("2.5") + tokens[1] * 10) / 1_000_000
    assert read(store, project) == [(OUTER, "estimated", *tokens, cost)]
    # Again changes nothing, and neither does a process that starts with nothing in memory.
    estimates.add(project)
    assert (estimates.work(), Estimates(store).work()) == (0, 0)


def test_a_call_without_an_answer_is_not_known_to_have_been_charged(
    store: Store, estimates: Estimates
) -> None:
    asked = {"gen_ai__input__messages": say("user", ASKED)}
    project = land(store, make_call(OUTER, usage=False, **asked), make_call(INNER, usage=False))

    estimates.add(project)

    assert estimates.work() == 0
    assert [row[1:] for row in read(store, project)] == [("none", 0, 0, None)] * 2


def test_what_an_emitter_reports_later_goes_before_an_estimate(
    store: Store, estimates: Estimates
) -> None:
    project = land(store, make_call(INNER, parent=OUTER, usage=False, start_ms=1, **SPOKEN))
    estimates.add(project)
    segments = estimates.work()
    assert segments == 1

    land(store, make_call(OUTER), project=project)

    assert [row[:4] for row in read(store, project)] == [(OUTER, "provider", 100, 10)]


def test_a_stack_without_usage_is_counted_once_from_whoever_has_the_messages(
    store: Store, estimates: Estimates
) -> None:
    outer = make_call(OUTER, usage=False, **SPOKEN)
    inner = make_call(INNER, parent=OUTER, usage=False, start_ms=1, **SPOKEN)
    project = land(store, outer, inner)

    estimates.add(project)
    estimates.work()

    assert [row[:2] for row in read(store, project)] == [(INNER, "estimated")]


def test_messages_that_come_later_as_events_of_the_logs_are_counted_too(
    store: Store, estimates: Estimates
) -> None:
    trace = name_segment()[-12:] + "e" * 20
    project = land(store, make_call(OUTER, trace_id=trace, usage=False))
    estimates.add(project)
    assert estimates.work() == 0

    logs = name_segment("logs")
    pieces = [(1, say("user", ASKED), ""), (2, "", say("assistant", SAID))]
    store.insert_rows(
        "content",
        [
            *("project", "trace_id", "span_id", "start", "spool_segment"),
            *("piece", "input_messages", "output_messages"),
        ],
        [[project, trace, OUTER, datetime(2026, 9, 21), logs, *piece] for piece in pieces],
    )
    estimates.add(logs, logs=True)
    estimates.work()

    assert [row[:4] for row in read(store, project)] == [
        (OUTER, "estimated", count(ASKED) + 6, count(SAID))
    ]


def test_calls_a_process_left_behind_are_found_when_it_starts_again(store: Store) -> None:
    project = land(store, make_call(OUTER, usage=False, **SPOKEN))

    started = Estimates(store)
    while not (done := started.work()) and started.state.waiting:
        pass

    assert done >= 1
    assert read(store, project)[0][1] == "estimated"


@pytest.mark.parametrize(
    ("dialect", "stored"),
    [
        ("OpenAI", [{"role": "user", "content": ASKED}]),
        ("parts", [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]),
        ("indexed", [{"role": "user", "contents.0.message_content.text": ASKED}]),
        ("wrapped", {"messages": [{"role": "user", "content": ASKED}]}),
    ],
)
def test_every_dialects_messages_weigh_the_same(dialect: str, stored: Any) -> None:
    row = {
        "input_messages": json.dumps(stored),
        "output_messages": SAID,
        "system_instructions": "",
        "tool_definitions": "",
    }

    assert estimate_call(row, "gpt-4o") == (count(ASKED) + 6, count(SAID)), dialect


def test_identifiers_and_pictures_are_not_words() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    row = {
        "input_messages": json.dumps([{"role": "user", "content": [picture], "id": "m" * 500}]),
        "output_messages": say("assistant", SAID),
        "system_instructions": say("system", ASKED),
        "tool_definitions": "",
    }

    assert estimate_call(row, "gpt-4o") == (count(ASKED) + 9, count(SAID))
