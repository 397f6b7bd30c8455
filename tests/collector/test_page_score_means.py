"""What the overview says of scores: means by name, prompt and version."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from known_calls import PlainSpan
from otlp_signals import Logs
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.page.filters import Filters, Window
from watchpost_collector.page.score_means import read_means, write_mean
from watchpost_collector.query.reader import Reader
from watchpost_collector.store.client import Store
from watchpost_collector.store.scores import settle_new

SAID: dict[str, list[dict[str, Any]]] = {
    "9": [{"helpful": True}, {"helpful": True}, {"helpful": False}, {"stars": 4.0}],
    "10": [{"helpful": True}, {"topic": "refund"}, {"topic": "refund"}, {"topic": "tone"}],
}


def open_hour() -> Window:
    """Of when a test runs: a suite may take longer than the hour it was collected in."""
    now_ms = time.time_ns() // 1_000_000
    return Window(now_ms - 1_800_000, now_ms + 1_800_000, 60)


@pytest.fixture(scope="module")
def reader(store: Store) -> Iterator[Reader]:
    opened = Reader(store.dsn)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def project(store: Store) -> str:
    """Two versions of a prompt with scores of three kinds."""
    project, segment = name_segment("means"), name_segment()
    spans: list[PlainSpan] = []
    logs = Logs("shop")
    for version, said in SAID.items():
        for one in said:
            trace = secrets.token_hex(16)
            named = {"gen_ai__prompt__name": "reply", "gen_ai__prompt__version": version}
            spans.append(make_call(trace_id=trace, **named))
            [(name, value)] = one.items()
            kind = {bool: "boolean", float: "number", str: "category"}[type(value)]
            told = {"label": value} if kind == "category" else {"value": float(value)}
            logs.add(
                "gen_ai.evaluation.result",
                trace_id=bytes.fromhex(trace),
                gen_ai__evaluation__name=name,
                watchpost__score__kind=kind,
                **{f"gen_ai__evaluation__score__{key}": told[key] for key in told},
            )
    store.insert_segment(pack_segment(segment, spans, project), segment)
    body, scored = logs.encode(), f"{segment}-logs"
    letter = Letter(body, project, time.time_ns(), 1)
    store.insert_segment(frame_head(letter, scored) + body, scored)
    settle_new(store, scored)
    return project


def test_means_are_by_version_with_the_newest_first(reader: Reader, project: str) -> None:
    rows = read_means(reader, Filters(project=project), open_hour())

    assert [
        (row["name"], row["prompt_name"], row["prompt_version"], row["given"], write_mean(row))
        for row in rows
    ] == [
        ("helpful", "reply", "10", 1, "100.0% up"),
        ("helpful", "reply", "9", 3, "66.7% up"),
        ("stars", "reply", "9", 1, "4"),
        ("topic", "reply", "10", 3, "refund 2, tone 1"),
    ]


def test_the_pages_filters_and_its_window_hold_for_scores(reader: Reader, project: str) -> None:
    here, hour = Filters(project=project), open_hour()
    assert len(read_means(reader, replace(here, model="gpt-4o", prompt="reply"), hour)) == 4
    assert read_means(reader, replace(here, model="another"), hour) == []
    assert read_means(reader, replace(here, service="another"), hour) == []
    past = replace(hour, since_ms=hour.since_ms - 3_600_000, until_ms=hour.since_ms)
    assert read_means(reader, here, past) == []
