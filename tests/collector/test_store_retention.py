"""Retention: what is too old goes, by project and kind; the rest stays, and hours stay counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from known_calls import PlainSpan
from otlp_signals import Logs
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.access.projects import DEFAULT_DAYS, EVERY, Projects, Rules
from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.store.client import Store
from watchpost_collector.store.days import close_days
from watchpost_collector.store.retention import TABLES, apply_retention, read_frontier, write_ttl
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.scores import settle_new
from watchpost_collector.store.settle import settle

SPAN_TABLES = ("spans", "calls")
MESSAGE = {"gen_ai__input__messages": '[{"role":"user","content":"hello"}]'}
HOUR_MS = 3_600_000


def days(**rules: dict[str, int]) -> dict[str, dict[str, int]]:
    """Days by kind and project, as the rules of some projects make them."""
    projects = Projects({name: Rules(days=kept) for name, kept in rules.items()})
    return {kind: projects.days_of(kind) for kind in TABLES}


@pytest.fixture
def store(embedded_store: Store) -> Store:
    """One engine is enough here: what a server does otherwise has a test of its own below."""
    return embedded_store


@pytest.fixture
def land(store: Store) -> Callable[..., None]:
    def insert(
        project: str,
        *spans: PlainSpan,
        stored_days_ago: int = 0,
        tables: tuple[str, ...] = ("calls",),
    ) -> None:
        segment = name_segment("kept")
        store.insert_segment(pack_segment(segment, spans, project), segment)
        settle(store, segment)
        if stored_days_ago:
            for table in tables:
                store.command(
                    f"alter table watchpost.{table} update stored = today() - {stored_days_ago} "
                    "where spool_segment = {segment:String}",
                    {"segment": segment},
                    {"mutations_sync": 2},
                )

    return insert


@pytest.fixture
def kept(store: Store) -> Iterator[Callable[..., list[str]]]:
    """Applies rules, and has the engine merge `tables` at once; the defaults again after."""

    def apply(*tables: str, **rules: dict[str, int]) -> list[str]:
        changed = apply_retention(store, days(**rules))
        wait_for_mutations(store)
        for table in tables:
            store.command(f"optimize table watchpost.{table} final")
        return changed

    apply_retention(store, days())
    yield apply
    apply_retention(store, days())


def wait_for_mutations(store: Store) -> None:
    """Wait until every part knows its rows' new lives."""
    sql = "select count() from system.mutations where database = 'watchpost' and not is_done"
    give_up = time.monotonic() + 60
    while store.query(sql).rows != [(0,)]:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def count(store: Store, project: str, *tables: str) -> dict[str, int]:
    found = {}
    for table in tables:
        sql = f"select count() from watchpost.{table} where project = {{p:String}}"
        [(found[table],)] = store.query(sql, {"p": project})
    return found


def hourly(store: Store, project: str) -> tuple[int, int]:
    """Calls and input tokens of a project, by the hourly view and, alike, by the daily one."""
    close_days(store)
    found = [
        store.query(
            f"select sum(calls), sum(input_tokens) from watchpost.{view} "
            "where project = {p:String}",
            {"p": project},
        ).rows[0]
        for view in ("usage_hourly", "usage_daily")
    ]
    assert found[0] == found[1]
    return found[0][0], found[0][1]


def test_what_is_too_old_goes_by_project_and_kind_and_the_rest_stays(
    store: Store, land: Callable[..., None], kept: Callable[..., list[str]]
) -> None:
    short, other = name_segment("short"), name_segment("other")
    for project in (short, other):
        spans = (make_call(**MESSAGE), make_call(**MESSAGE))
        land(project, *spans, stored_days_ago=10, tables=("content", *SPAN_TABLES))
        land(project, make_call(**MESSAGE))

    assert set(kept("content", **{short: {"content": 7}})) == set(TABLES["content"])
    assert count(store, short, "content", "spans") == {"content": 1, "spans": 3}
    assert count(store, other, "content", "spans") == {"content": 3, "spans": 3}

    changed = kept(*SPAN_TABLES, **{short: {"content": 7, "spans": 9}})
    assert set(changed) == set(TABLES["spans"])
    assert count(store, short, *SPAN_TABLES) == dict.fromkeys(SPAN_TABLES, 1)
    assert count(store, other, *SPAN_TABLES) == dict.fromkeys(SPAN_TABLES, 3)

    kept("content", **{EVERY: {"content": 5}, short: {"content": 20}})
    assert count(store, other, "content", "spans") == {"content": 1, "spans": 3}


def test_applying_again_changes_nothing(store: Store, kept: Callable[..., list[str]]) -> None:
    rules = {name_segment("a"): {"content": 3}, name_segment("b"): {"spans": 4, "rollups": 5}}
    kept(**rules)
    assert kept(**rules) == []
    assert kept() != []
    assert kept() == []
    assert read_content_ttl(store) == f"stored + toIntervalDay({DEFAULT_DAYS['content']})"


def test_a_server_takes_the_same_rules(served_store: Store) -> None:
    project = name_segment("served")
    apply_retention(served_store, days())
    assert apply_retention(served_store, days(**{project: {"content": 3}})) == [
        "content",
        "score_comments",
    ]
    assert apply_retention(served_store, days(**{project: {"content": 3}})) == []
    assert f"['{project}'], [3], 30" in read_content_ttl(served_store)
    assert apply_retention(served_store, days()) == ["content", "score_comments"]


def read_content_ttl(store: Store) -> str:
    [(ttl,)] = store.query(
        "select extract(engine_full, 'TTL (.*) SETTINGS') from system.tables "
        "where database = 'watchpost' and name = 'content'"
    )
    return str(ttl)


def test_hours_stay_as_they_were_counted_when_their_calls_expire(
    store: Store, land: Callable[..., None], kept: Callable[..., list[str]]
) -> None:
    project = name_segment("hours")
    land(project, make_call(), make_call(), make_call(start_ms=HOUR_MS), stored_days_ago=10)
    close_hours(store)
    assert hourly(store, project) == (3, 300)

    kept("calls", **{project: {"spans": 9}})
    assert count(store, project, "calls") == {"calls": 0}
    assert hourly(store, project) == (3, 300)


def test_a_late_call_is_added_to_an_hour_whose_calls_expired_and_counted_once(
    store: Store, land: Callable[..., None], kept: Callable[..., list[str]]
) -> None:
    project, other = name_segment("late"), name_segment("neighbour")
    land(project, make_call(), make_call(), stored_days_ago=10)
    land(other, make_call())
    close_hours(store)
    kept("calls", **{project: {"spans": 9}})

    land(project, make_call())
    close_hours(store)
    assert hourly(store, project) == (3, 300)
    assert hourly(store, other) == (1, 100)

    land(project, make_call())
    land(other, make_call())
    close_hours(store)
    assert hourly(store, project) == (4, 400)
    assert hourly(store, other) == (2, 200)
    # Priced again, a call is not a new one.
    store.command(
        "insert into watchpost.to_price select * replace (toUInt64(9e18) as version) "
        "from watchpost.calls final where counted and project = {p:String}",
        {"p": project},
    )
    close_hours(store)
    assert hourly(store, project) == (4, 400)
    # Longer days do not bring back what is gone: the hour must not be counted anew.
    kept(**{project: {"spans": 100}})
    land(project, make_call())
    close_hours(store)
    assert hourly(store, project) == (5, 500)


def test_an_hour_whose_calls_are_all_there_is_counted_anew(
    store: Store, land: Callable[..., None], kept: Callable[..., list[str]]
) -> None:
    project = name_segment("whole")
    land(project, make_call("c1" * 8, parent="", start_ms=-1, lasts_ms=50), stored_days_ago=8)
    close_hours(store)
    assert hourly(store, project) == (1, 100)
    kept(**{project: {"spans": 9}})
    # The inner span of the same call: the outer one no longer counts.
    land(project, make_call(parent="c1" * 8))
    close_hours(store)
    assert hourly(store, project) == (1, 100)


def test_rollups_live_longer_than_spans_and_go_in_their_time(
    store: Store, land: Callable[..., None], kept: Callable[..., list[str]]
) -> None:
    project = name_segment("years")
    land(project, make_call(), stored_days_ago=10)
    close_hours(store)
    kept(**{project: {"spans": 5, "rollups": 50}})
    assert hourly(store, project) == (1, 100)
    store.command(
        "insert into watchpost.usage_closed select * replace "
        "(now64(6) - interval 60 day as closed) from watchpost.usage_closed "
        "where project = {p:String}",
        {"p": project},
    )
    store.command("optimize table watchpost.usage_closed final")
    # Its hour and its day.
    assert count(store, project, "usage_closed") == {"usage_closed": 2}
    assert hourly(store, project) == (1, 100)


def test_the_frontier_never_retreats(store: Store, kept: Callable[..., list[str]]) -> None:
    project = name_segment("frontier")
    kept(**{project: {"spans": 3}})
    short = read_frontier(store).named[project]
    kept(**{project: {"spans": 300, "rollups": 3000}})
    assert read_frontier(store).named[project] == short
    assert read_frontier(store).others < short


def test_a_ttl_names_only_projects_that_differ() -> None:
    assert write_ttl("stored", {"*": 30}) == "stored + toIntervalDay(30)"
    assert write_ttl("stored", {"*": 30, "a": 30}) == "stored + toIntervalDay(30)"
    assert write_ttl("stored", {"*": 30, "b": 7, "a": 90}) == (
        "stored + toIntervalDay(transform(project, ['a', 'b'], [90, 7], 30))"
    )


def test_comments_of_scores_live_as_content_does_and_their_numbers_as_spans(
    store: Store, kept: Callable[..., list[str]]
) -> None:
    project, segment = name_segment("scored"), f"{name_segment()}-logs"
    said = {
        "gen_ai__evaluation__name": "thumb",
        "gen_ai__evaluation__score__value": 1.0,
        "gen_ai__evaluation__explanation": "so so",
    }
    body = Logs().add("gen_ai.evaluation.result", trace_id=b"t" * 16, **said).encode()
    letter = Letter(body, project, time.time_ns(), 1)
    store.insert_segment(frame_head(letter, segment) + body, segment)
    settle_new(store, segment)
    for table in ("score_events", "settled_scores", "score_comments"):
        store.command(
            f"alter table watchpost.{table} update stored = today() - 10 "
            "where spool_segment = {segment:String}",
            {"segment": segment},
            {"mutations_sync": 2},
        )

    tables = ("score_events", "settled_scores", "score_comments")
    kept(*tables, **{project: {"content": 7}})
    assert count(store, project, *tables) == {
        "score_events": 1,
        "settled_scores": 1,
        "score_comments": 0,
    }

    kept(*tables, **{project: {"content": 7, "spans": 9}})
    assert count(store, project, *tables) == dict.fromkeys(tables, 0)
