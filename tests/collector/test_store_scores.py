from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from known_calls import PlainSpan
from otlp_signals import Logs
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.intake.admission import Parcel, admit
from watchpost_collector.otlp.envelope import frame_head
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.otlp.signals import LOGS
from watchpost_collector.store.client import Store
from watchpost_collector.store.scores import settle_again, settle_new
from watchpost_collector.store.settle import settle

RESULT = "gen_ai.evaluation.result"
NOW_NS = time.time_ns()


def insert(store: Store, logs: Logs, project: str) -> str:
    """Store log records as the flusher does; the segment's name."""
    segment = f"{name_segment()}-logs"
    insert_alone(store, logs, project, segment)
    assert store.count_segment(segment).whole
    settle_new(store, segment)
    return segment


def insert_alone(store: Store, logs: Logs, project: str, segment: str) -> None:
    parcel = Parcel(logs.encode(), PROTOBUF_TYPE, "", project, time.time_ns(), signal=LOGS)
    letter = admit(parcel, 1 << 24).letter
    store.insert_segment(frame_head(letter, segment) + letter.body, segment)


def insert_spans(store: Store, project: str, *spans: PlainSpan) -> int:
    """Store spans as the flusher does; of how many traces and responses scores were settled."""
    segment = name_segment()
    store.insert_segment(pack_segment(segment, spans, project), segment)
    settle(store, segment)
    return settle_again(store, segment)


def score(name: str, value: float | None = None, **more: Any) -> dict[str, Any]:
    """The attributes of a score."""
    told = {} if value is None else {"gen_ai__evaluation__score__value": value}
    return {"gen_ai__evaluation__name": name, **told, **more}


def say(comment: str, author: str = "") -> dict[str, Any]:
    whose = {"watchpost__score__author": author} if author else {}
    return {"gen_ai__evaluation__explanation": comment, **whose}


@pytest.fixture
def project() -> str:
    return f"scores-{secrets.token_hex(4)}"


@pytest.fixture
def trace() -> bytes:
    return os.urandom(16)


def read(store: Store, project: str, columns: str) -> list[tuple[Any, ...]]:
    return store.query(
        f"select {columns} from watchpost.scores where project = {{project:String}} order by all",
        {"project": project},
    ).rows


def test_the_score_of_any_emitter_is_kept_with_its_comment(
    store: Store, project: str, trace: bytes
) -> None:
    span = os.urandom(8)
    logs = Logs("judge").add(RESULT, trace_id=trace, span_id=span, **score("relevance", 0.5))
    logs.add("", event__name=RESULT, trace_id=trace, **score("tone", **say("too stiff")),
             gen_ai__evaluation__score__label="cold")  # fmt: skip

    insert(store, logs, project)

    assert read(store, project, "name, kind, value, label, comment, source, span_id, service") == [
        ("relevance", "number", 0.5, "", "", "event", span.hex(), "judge"),
        ("tone", "category", None, "cold", "too stiff", "event", "", "judge"),
    ]


def test_what_is_no_score_stays_a_log_record(store: Store, project: str, trace: bytes) -> None:
    logs = Logs().add(RESULT, trace_id=trace, **score("no value"))
    logs.add(RESULT, trace_id=trace, **score("no number", float("nan")))
    logs.add(RESULT, trace_id=trace, **score("", 1.0)).add(RESULT, **score("of nothing", 1.0))
    logs.add("another.event", trace_id=trace, **score("other", 1.0))

    insert(store, logs, project)

    assert read(store, project, "name") == []
    [(kept,)] = store.query(
        "select count() from watchpost.logs where project = {p:String} and not has_score",
        {"p": project},
    )
    assert kept == 5


def test_a_later_score_of_the_same_author_replaces_the_earlier_in_any_order(
    store: Store, project: str, trace: bytes
) -> None:
    later = Logs().add(RESULT, trace_id=trace, at_ns=NOW_NS + 1000, **score("thumb", 0.0))
    insert(store, later, project)
    earlier = Logs().add(RESULT, trace_id=trace, at_ns=NOW_NS, **score("thumb", 1.0, **say("ah")))
    earlier.add(RESULT, trace_id=trace, at_ns=NOW_NS, **score("thumb", 1.0, **say("oh", "ann")))
    earlier.add(RESULT, trace_id=trace, span_id=os.urandom(8), **score("thumb", 1.0))
    insert(store, earlier, project)

    assert read(store, project, "author, span_id != '', value, comment") == [
        ("", False, 0.0, ""),
        ("", True, 1.0, ""),
        ("ann", False, 1.0, "oh"),
    ]


def test_a_score_is_of_its_spans_prompt_and_deployment_though_the_span_comes_after_it(
    store: Store, project: str, trace: bytes
) -> None:
    span, outer = os.urandom(8), os.urandom(8)
    logs = Logs("judge").add(RESULT, trace_id=trace, span_id=span, **score("exact", 1.0))
    logs.add(RESULT, trace_id=trace, span_id=outer, **score("outer", 1.0))
    logs.add(RESULT, trace_id=trace, **score("whole", 1.0))
    logs.add(RESULT, trace_id=os.urandom(16), **score("unknown", 1.0))
    logs.add(RESULT, **score("answer", 1.0), gen_ai__response__id=f"resp-{project}")
    insert(store, logs, project)

    spans = [
        make_call(outer.hex(), trace_id=trace.hex(), gen_ai__operation__name="invoke_agent"),
        make_call(
            span.hex(),
            trace_id=trace.hex(),
            parent=outer.hex(),
            start_ms=5,
            response_id=f"resp-{project}",
            gen_ai__prompt__name="reply",
            gen_ai__prompt__version="7",
            watchpost__segment__plan="pro",
        ),
    ]
    assert insert_spans(store, project, *spans) == 2

    assert read(store, project, "name, prompt_name, prompt_version, model, segments") == [
        ("answer", "reply", "7", "gpt-4o", {"plan": "pro"}),
        ("exact", "reply", "7", "gpt-4o", {"plan": "pro"}),
        ("outer", "reply", "7", "gpt-4o", {}),
        ("unknown", "", "", "", {}),
        ("whole", "reply", "7", "gpt-4o", {}),
    ]
    assert store.query(
        "select name from watchpost.scores where trace_id = {t:String} and model = 'gpt-4o' "
        "and project = {p:String} order by name",
        {"t": trace.hex(), "p": project},
    ).rows == [("exact",), ("outer",), ("whole",)]


def test_the_order_in_which_scores_and_spans_arrive_does_not_matter(store: Store) -> None:
    found = set()
    for order in itertools.permutations(range(3)):
        project, trace, span = f"order-{secrets.token_hex(4)}", os.urandom(16), os.urandom(8)
        about = {"trace_id": trace, "span_id": span}
        earlier = Logs().add(RESULT, at_ns=NOW_NS, **about, **score("t", 1.0))
        later = Logs().add(RESULT, at_ns=NOW_NS + 1, **about, **score("t", 0.0))
        call = make_call(span.hex(), trace_id=trace.hex(), gen_ai__prompt__name="reply")
        steps: list[Callable[[], object]] = [
            partial(insert, store, earlier, project),
            partial(insert, store, later, project),
            partial(insert_spans, store, project, call),
        ]
        for place in order:
            steps[place]()
        found.add(tuple(read(store, project, "value, prompt_name, model")))

    assert found == {((0.0, "reply", "gpt-4o"),)}


def test_what_another_trace_tells_of_a_call_is_told_of_its_scores(
    store: Store, project: str, trace: bytes
) -> None:
    inner, outer, response = os.urandom(8), os.urandom(8), f"resp-{project}"
    logs = Logs().add(RESULT, trace_id=trace, span_id=inner, **score("exact", 1.0))
    insert(store, logs, project)
    seen = make_call(
        inner.hex(), trace_id=trace.hex(), scope="theirs", response_id=response, start_ms=5
    )
    insert_spans(store, project, seen)
    assert read(store, project, "prompt_name, model") == [("", "gpt-4o")]

    around = make_call(
        outer.hex(), trace_id=secrets.token_hex(16), scope="ours", response_id=response,
        lasts_ms=300, gen_ai__prompt__name="reply",
    )  # fmt: skip
    insert_spans(store, project, around)

    assert read(store, project, "prompt_name, model") == [("reply", "gpt-4o")]


def test_spans_of_traces_without_a_score_settle_none(
    store: Store, project: str, trace: bytes
) -> None:
    insert(store, Logs().add(RESULT, trace_id=trace, **score("t", 1.0)), project)

    assert insert_spans(store, project, make_call(trace_id=secrets.token_hex(16))) == 0
    assert insert_spans(store, f"{project}-other", make_call(trace_id=trace.hex())) == 0
    assert insert_spans(store, project, make_call(trace_id=trace.hex())) == 1


def test_what_a_score_is_about_stays_known_when_its_spans_are_gone(
    store: Store, project: str, trace: bytes
) -> None:
    call = make_call(
        trace_id=trace.hex(), gen_ai__prompt__name="reply", watchpost__segment__plan="pro"
    )
    insert_spans(store, project, call)
    insert(store, Logs().add(RESULT, trace_id=trace, **score("early", 1.0)), project)
    for table in ("spans", "calls"):
        store.command(
            f"alter table watchpost.{table} delete where project = {{p:String}}",
            {"p": project},
            {"mutations_sync": 2},
        )
    insert(store, Logs().add(RESULT, trace_id=trace, **score("late", 1.0)), project)

    assert read(store, project, "name, prompt_name, segments") == [
        ("early", "reply", {"plan": "pro"}),
        ("late", "reply", {"plan": "pro"}),
    ]


def test_what_a_process_that_died_left_unsettled_is_settled_by_the_next(
    store: Store, project: str, trace: bytes
) -> None:
    for about in ({"trace_id": trace}, {"gen_ai__response__id": f"resp-{project}"}):
        logs, segment = Logs().add(RESULT, **about, **score("t", 1.0)), f"{name_segment()}-logs"
        insert_alone(store, logs, project, segment)
    assert read(store, project, "name") == []

    settle_new(store)
    assert read(store, project, "name, prompt_name") == [("t", ""), ("t", "")]
    segment = name_segment()
    call = make_call(
        trace_id=trace.hex(), response_id=f"resp-{project}", gen_ai__prompt__name="reply"
    )
    store.insert_segment(pack_segment(segment, [call], project), segment)

    settle_again(store)
    assert read(store, project, "name, prompt_name") == [("t", "reply"), ("t", "reply")]


def test_a_comment_and_its_author_do_not_stay_in_logs(
    store: Store, project: str, trace: bytes
) -> None:
    insert(
        store, Logs().add(RESULT, trace_id=trace, **score("t", 1.0, **say("hm", "ann"))), project
    )

    [(attributes,)] = store.query(
        "select attributes from watchpost.logs where project = {p:String}", {"p": project}
    )
    assert attributes == {
        "gen_ai.evaluation.name": "t",
        "gen_ai.evaluation.score.value": "1",
    }


def test_scores_of_a_segment_are_counted_and_removed_with_it(
    store: Store, project: str, trace: bytes
) -> None:
    segment = insert(
        store, Logs().add(RESULT, trace_id=trace, **score("t", 1.0, **say("hm"))), project
    )
    for table in ("score_comments", "score_events"):
        store.command(
            f"alter table watchpost.{table} delete where spool_segment = {{s:String}}",
            {"s": segment},
            {"mutations_sync": 2},
        )
        assert not store.count_segment(segment).whole

    store.remove_segment(segment)

    assert store.count_segment(segment).spans == 0


def test_a_removed_segment_leaves_no_score(store: Store, project: str, trace: bytes) -> None:
    segment = insert(
        store, Logs().add(RESULT, trace_id=trace, **score("t", 1.0, **say("hm"))), project
    )

    store.remove_segment(segment)

    for table in ("score_events", "score_comments", "settled_scores", "logs"):
        assert store.query(
            f"select count() from watchpost.{table} where project = {{p:String}}", {"p": project}
        ).rows == [(0,)]
