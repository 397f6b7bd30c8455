"""What a guard says in a program, to the column: over OTLP into the store, the page and the API."""

from __future__ import annotations

import time

import pytest
from store_segments import name_segment

import watchpost
from watchpost.errors import Blocked
from watchpost.export.otlp import encode_spans
from watchpost.screening.guard import Verdict, abstain
from watchpost.testing import FakeGuard, capture
from watchpost_collector.api import queries as api
from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.page import queries as page
from watchpost_collector.query.reader import Reader
from watchpost_collector.store.client import Store

SAID = {
    "quiet": Verdict("quiet", "", 0.25, 0.5, revision="r1", duration_ms=1.5),
    "loud": Verdict("loud", "ALARM", 0.875, 0.5, tripped=True, revision="r2", duration_ms=2.5),
    "lost": abstain("lost", "no sources", threshold=0.5, revision="r3", duration_ms=0.5),
    "stern": Verdict("stern", "NO", 1.0, 0.75, tripped=True, revision="r4", duration_ms=3.5),
}
SEVEN = ("guard", "revision", "label", "probability", "threshold", "action", "duration_ms")


def test_all_seven_things_a_verdict_says_arrive_whatever_came_of_it(embedded_store: Store) -> None:
    guards = {name: FakeGuard(name, [verdict]) for name, verdict in SAID.items()}
    broken = FakeGuard("broken", [ValueError("of no use")])
    flagging = [guards["quiet"], guards["loud"], guards["lost"], broken]
    policy = watchpost.Policy(flag=flagging, block=[guards["stern"]])
    with capture() as seen, pytest.raises(Blocked):
        _ = watchpost.screen("some text", policy, stage="document").text
    (span,) = seen.spans
    assert span.context is not None
    project, body = name_segment("verdicts"), encode_spans(seen.spans).SerializeToString()
    letter = Letter(body, project, time.time_ns(), 1)
    embedded_store.insert_segment(frame_head(letter, project) + body, project)

    reader = Reader(embedded_store.dsn)
    bound = {"project": project, "trace": f"{span.context.trace_id:032x}", "limit": 100}
    now_ms = time.time_ns() // 1_000_000
    within = {"since": now_ms - 10_000_000, "until": now_ms + 10_000_000}
    told = reader.query(api.TRACE_VERDICTS, {**bound, **within}).records()
    shown = reader.query(page.TRACE_VERDICTS, {**bound, **within}).records()
    reader.close()

    rows = {row["guard"]: tuple(row[name] for name in SEVEN) for row in told}
    actions = {"quiet": "allow", "loud": "flag", "lost": "allow", "stern": "block"}
    assert {name: rows[name] for name in SAID} == {
        name: (name, v.revision, v.label, v.probability, v.threshold, actions[name], v.duration_ms)
        for name, v in SAID.items()
    }
    (failed,) = [row for row in told if row["failed"]]
    assert (failed["guard"], failed["label"], failed["action"]) == ("broken", "error", "allow")
    assert failed["duration_ms"] > 0
    assert {row["direction"] for row in told} == {"document"}
    assert not any(row["in_background"] for row in told)
    assert {row["guard"]: tuple(row[name] for name in SEVEN) for row in shown} == rows
