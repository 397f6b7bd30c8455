"""Erasing in the engine, embedded and served: whose rows go, whose stay, and what the sums say."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.erasure.subject import hash_id
from watchpost_collector.store import erase, personal
from watchpost_collector.store.client import Store
from watchpost_collector.store.days import close_days
from watchpost_collector.store.rollup import close_hours, declare_segments
from watchpost_collector.store.settle import settle

MESSAGES = {"gen_ai__input__messages": '[{"role":"user","content":"a canary"}]'}
DAY_MS = 86_400_000
SECRET = secrets.token_hex(32)


@dataclass
class Place:
    """A project of one test, and what is asked of it."""

    store: Store
    project: str = field(default_factory=lambda: name_segment("erase"))
    erasure: str = field(default_factory=lambda: secrets.token_hex(8))

    def add(self, spans: Sequence[PlainSpan]) -> str:
        segment = name_segment()
        self.store.insert_segment(pack_segment(segment, spans, self.project), segment)
        settle(self.store, segment)
        return segment

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.store.query(sql, {"p": self.project}).rows

    def remember(self, kind: str, value: str, *, keep_calls: bool = True) -> None:
        key = hash_id(SECRET, kind, value)
        erase.remember(
            self.store,
            erase.Tombstone(kind, key, self.project, self.erasure, keep_calls),
        )

    def carry_out(self, segment: str = "") -> dict[str, int]:
        tables = personal.list_tables(self.store)
        about = {"segment": segment} if segment else {"erasure": self.erasure}
        erase.choose_traces(self.store, SECRET, tables, **about)
        found = erase.count_rows(self.store, tables)
        erase.strip_calls(self.store, SECRET, tables)
        erase.strip_verdicts(self.store, SECRET, tables)
        erase.remember_traces(self.store, SECRET, self.erasure)
        erase.delete_rows(self.store, tables)
        assert sum(erase.count_rows(self.store, tables).values()) == 0
        erase.forget_choice(self.store)
        return found

    def sums(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "select count(), sum(input_tokens), sum(ifNull(cost, 0)) from watchpost.generations "
            "where project = {p:String}"
        )

    def traces(self, table: str) -> set[str]:
        rows = self.ask(
            f"select distinct left(trace_id, 2) from watchpost.{table} where project = {{p:String}}"
        )
        return {str(trace) for (trace,) in rows}


def test_a_person_goes_with_their_traces_and_the_sums_stay(store: Store) -> None:
    place = Place(store)
    place.add(
        [
            make_call(trace_id="a1" * 16, user__id="ann", session__id="s", **MESSAGES),
            make_call(trace_id="a1" * 16, gen_ai__operation__name="execute_tool"),
            make_call(trace_id="b1" * 16, app__customer_id="ann", **MESSAGES),
            make_call(trace_id="c1" * 16, user__id="bob", **MESSAGES),
            make_call(trace_id="d1" * 16, plan="ann", **MESSAGES),
        ]
    )
    sums = place.sums()
    place.remember("user", "ann")

    found = place.carry_out()

    assert found["spans"] == 3
    assert place.traces("spans") == place.traces("content") == {"c1", "d1"}
    assert place.sums() == sums
    rows = place.ask(
        "select distinct user_id, session_id, response_id from watchpost.generations "
        "where project = {p:String} order by user_id"
    )
    assert rows == [("", "", ""), ("bob", "", "")]


def test_the_size_of_a_variable_names_nobody(store: Store) -> None:
    place = Place(store)
    sized = {"watchpost__prompt__variable__customer__size": 42}
    place.add(
        [
            make_call(trace_id="a4" * 16, **sized),
            make_call(trace_id="b4" * 16, watchpost__prompt__variable__customer="42"),
        ]
    )
    place.remember("user", "42")

    place.carry_out()

    assert place.traces("spans") == {"a4"}


def test_spans_of_the_same_trace_that_name_somebody_else_are_spared(store: Store) -> None:
    place = Place(store)
    spans = [
        make_call(trace_id="a2" * 16, user__id="ann", **MESSAGES),
        make_call(trace_id="a2" * 16, user__id="bob", **MESSAGES),
    ]
    place.add(spans)
    place.remember("user", "ann")

    place.carry_out()
    # Once more, as after a process that died in the middle.
    place.carry_out()

    users = "select user_id from watchpost.{} where project = {{p:String}}"
    assert place.ask(users.format("spans")) == [("bob",)]
    assert place.sums()[0][0] == 2


def test_calls_are_removed_when_that_is_asked_for(store: Store) -> None:
    place = Place(store)
    place.add([make_call(trace_id="a3" * 16, session__id="s3", **MESSAGES), make_call()])
    place.remember("session", "s3", keep_calls=False)

    place.carry_out()

    assert place.sums()[0][0] == 1


def test_late_spans_of_an_erased_person_are_recognised_and_later_ones_are_not(
    store: Store,
) -> None:
    place = Place(store)
    place.add([make_call(trace_id="a4" * 16, user__id="ann", **MESSAGES)])
    place.remember("user", "ann")
    place.carry_out()
    tables = personal.list_tables(store)
    ahead_ms = 400 * DAY_MS
    late = [
        make_call(trace_id="b4" * 16, user__id="ann", start_ms=-DAY_MS, **MESSAGES),
        make_call(trace_id="a4" * 16, gen_ai__operation__name="execute_tool"),
    ]
    quiet = place.add([make_call(trace_id="c4" * 16, user__id="bob")])
    back = place.add([make_call(trace_id="d4" * 16, user__id="ann", start_ms=ahead_ms)])
    segment = place.add(late)

    assert not erase.holds_erased(store, SECRET, tables, quiet)
    assert not erase.holds_erased(store, SECRET, tables, back)
    assert erase.holds_erased(store, SECRET, tables, segment)
    place.carry_out(segment)

    assert place.traces("spans") == {"c4", "d4"}
    assert place.sums()[0][0] == 4


def test_a_trial_changes_nothing_and_recognises_nobody(store: Store) -> None:
    place = Place(store)
    segment = place.add([make_call(trace_id="a5" * 16, user__id="ann")])
    tables = personal.list_tables(store)
    stone = erase.Tombstone("user", hash_id(SECRET, "user", "ann"), place.project, place.erasure)

    erase.remember(store, stone, trial=True)

    assert erase.choose_traces(store, SECRET, tables, erasure=place.erasure) == 1
    assert not erase.holds_erased(store, SECRET, tables, segment)
    erase.forget_choice(store)
    erase.forget(store, place.erasure)
    assert erase.choose_traces(store, SECRET, tables, erasure=place.erasure) == 0


def test_another_project_is_left_alone(store: Store) -> None:
    place, other = Place(store), Place(store)
    for one in (place, other):
        one.add([make_call(trace_id="a6" * 16, user__id="ann", **MESSAGES)])
    place.remember("user", "ann")

    place.carry_out()

    assert place.traces("spans") == set()
    assert other.traces("spans") == other.traces("content") == {"a6"}


def test_a_dimension_that_names_somebody_goes_from_hours_and_days_and_the_sums_stay(
    store: Store,
) -> None:
    place = Place(store)
    declare_segments(store, ["user_id", "plan"])
    segments = {"watchpost__segment__user_id": "ann", "watchpost__segment__plan": "pro"}
    start_ms = -20 * DAY_MS
    place.add([make_call(trace_id="b7" * 16, user__id="ann", start_ms=start_ms, **segments)])
    close_hours(store)
    close_days(store)
    place.remember("user", "ann")

    # Before anything is counted again the rows that were counted name nobody.
    assert place.carry_out()["usage_closed"] == 2
    kept = "select toString(segments) from watchpost.usage_closed where project = {p:String}"
    assert {plan for (plan,) in place.ask(kept)} == {"{'plan':'pro'}"}
    for _ in range(2):
        for view in ("usage_hourly", "usage_daily"):
            sums = f"sum(calls) from watchpost.{view} where project = {{p:String}} group by 1"
            assert place.ask(f"select toString(segments), {sums}") == [("{'plan':'pro'}", 1)]
        close_hours(store)
        close_days(store)
    declare_segments(store, [])


def test_no_mutation_and_no_table_keeps_the_id(store: Store) -> None:
    place = Place(store)
    place.add([make_call(trace_id="a7" * 16, user__id="canary-of-mutations")])
    place.remember("user", "canary-of-mutations")
    place.carry_out()

    for sql in (
        "select count() from system.mutations where command like '%canary-of-mutations%'",
        f"select count() from system.mutations where command like '%{SECRET}%'",
        "select count() from watchpost.erased where toString(tuple(*)) like '%of-mutations%'",
    ):
        assert store.query(sql).rows == [(0,)], sql


def test_every_stored_table_with_text_is_erased_or_known_to_hold_nobody(store: Store) -> None:
    """A new table fails here until somebody decided which of the two it is."""
    nobody = {
        *("migrations", "prices", "price_lists", "erased", "erasing", "hours", "hour_arrivals"),
        *("retention", "segment_keys", "sampled_out", "sampling_rules"),
        *("prompt_versions", "prompt_labels"),
        "scored",  # hashes of traces' and responses' ids
    }
    rows = store.query(
        "select name from system.tables where database = 'watchpost' and engine like '%MergeTree'"
    )
    reached = {table.name for table in personal.list_tables(store)}

    assert {str(name) for (name,) in rows} - reached - nobody == set()
