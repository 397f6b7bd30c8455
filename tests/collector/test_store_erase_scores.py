"""A person's scores: those of their traces, and what they said of traces of others."""

from __future__ import annotations

import secrets
import time
from typing import Any

from otlp_signals import Logs
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.erasure.subject import hash_id
from watchpost_collector.intake.admission import Parcel, admit
from watchpost_collector.otlp.envelope import frame_head
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.otlp.signals import LOGS
from watchpost_collector.store import erase, personal
from watchpost_collector.store.client import Store
from watchpost_collector.store.scores import settle_new

SECRET = secrets.token_hex(32)
RESULT = "gen_ai.evaluation.result"
ANNS, BOBS = "a1" * 16, "b1" * 16


def add_scores(
    store: Store, project: str, *said: tuple[str, str, str], response_id: str = ""
) -> str:
    """Scores as trace, author and comment; without a trace they are of the response."""
    logs = Logs()
    for trace, author, comment in said:
        logs.add(
            RESULT,
            trace_id=bytes.fromhex(trace),
            gen_ai__response__id=response_id,
            gen_ai__evaluation__name="thumb",
            gen_ai__evaluation__score__value=1.0,
            gen_ai__evaluation__explanation=comment,
            watchpost__score__author=author,
        )
    parcel = Parcel(logs.encode(), PROTOBUF_TYPE, "", project, time.time_ns(), signal=LOGS)
    letter = admit(parcel, 1 << 24).letter
    segment = f"{name_segment()}-logs"
    store.insert_segment(frame_head(letter, segment) + letter.body, segment)
    settle_new(store, segment)
    return segment


def erase_user(store: Store, project: str, user: str, segment: str = "") -> None:
    erasure = secrets.token_hex(8)
    stone = erase.Tombstone("user", hash_id(SECRET, "user", user), project, erasure)
    if not segment:
        erase.remember(store, stone)
    tables = personal.list_tables(store)
    about = {"segment": segment} if segment else {"erasure": erasure}
    erase.choose_traces(store, SECRET, tables, **about)
    erase.strip_calls(store, SECRET, tables)
    erase.remember_traces(store, SECRET, erasure)
    erase.delete_rows(store, tables)
    assert sum(erase.count_rows(store, tables).values()) == 0
    erase.forget_choice(store)


def read(store: Store, project: str, columns: str, table: str) -> list[tuple[Any, ...]]:
    return store.query(
        f"select {columns} from watchpost.{table} where project = {{p:String}} order by all",
        {"p": project},
    ).rows


def test_scores_of_a_persons_traces_go_and_of_others_only_what_the_person_said(
    store: Store,
) -> None:
    project, segment = name_segment("erase"), name_segment()
    spans = [
        make_call(trace_id=ANNS, user__id="ann"),
        make_call("22" * 8, trace_id=BOBS, user__id="bob"),
        make_call("23" * 8, trace_id=BOBS),
    ]
    store.insert_segment(pack_segment(segment, spans, project), segment)
    add_scores(
        store, project,
        (ANNS, "", "ann's own"), (ANNS, "bob", "bob of ann"),
        (BOBS, "ann", "ann of bob"), (BOBS, "bob", "bob's own"),
    )  # fmt: skip

    erase_user(store, project, "ann")

    assert read(store, project, "author, comment", "score_comments") == [("bob", "bob's own")]
    assert read(store, project, "trace_id, author", "score_events") == [(BOBS, "bob")]
    assert read(store, project, "author, comment", "scores") == [("bob", "bob's own")]
    assert read(store, project, "count()", "settled_scores") == [(1,)]
    assert read(store, project, "trace_id", "spans") == [(BOBS,), (BOBS,)]
    assert read(store, project, "trace_id", "logs") == [(BOBS,), (BOBS,)]


def test_a_score_of_a_response_goes_with_the_person_its_segments_name(store: Store) -> None:
    project, segment = name_segment("erase"), name_segment()
    spans = [
        make_call(
            trace_id=secrets.token_hex(16),
            response_id=f"{whose}-{project}",
            watchpost__segment__customer_id=whose,
        )
        for whose in ("ann", "bob")
    ]
    store.insert_segment(pack_segment(segment, spans, project), segment)
    for whose in ("ann", "bob"):
        add_scores(store, project, ("", "judge", ""), response_id=f"{whose}-{project}")
    named = [({"customer_id": "ann"},), ({"customer_id": "bob"},)]
    assert read(store, project, "segments", "scores") == named

    erase_user(store, project, "ann")

    assert read(store, project, "segments", "settled_scores") == named[1:]
    assert read(store, project, "response_id", "score_events") == [(f"bob-{project}",)]


def test_what_an_erased_person_said_is_erased_when_it_arrives_late(store: Store) -> None:
    project = name_segment("erase")
    erase_user(store, project, "ann")
    tables = personal.list_tables(store)

    quiet = add_scores(store, project, (BOBS, "bob", "said by bob"))
    store.command(  # an erasure that holds for what begins before tomorrow
        "insert into watchpost.erased select * replace (now64(9) + toIntervalDay(1) as since) "
        "from watchpost.erased where project = {p:String}",
        {"p": project},
    )
    late = add_scores(store, project, (BOBS, "ann", "said by ann"))

    assert not erase.holds_erased(store, SECRET, tables, quiet)
    assert erase.holds_erased(store, SECRET, tables, late)
    erase_user(store, project, "ann", late)
    assert read(store, project, "comment", "score_comments") == [("said by bob",)]
