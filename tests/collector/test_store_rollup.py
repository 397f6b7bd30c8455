from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost.errors import ConfigError
from watchpost_collector.store import rollup
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.rollup import close_hours, declare_segments
from watchpost_collector.store.settle import settle

HOUR_MS = 3_600_000
SUMS = (
    "sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), "
    "sum(cache_write_tokens), sum(reasoning_tokens)"
)


def read_hourly(store: Store, project: str) -> list[tuple[object, ...]]:
    return store.query(
        "select hour, model, prompt_name, sum(calls), sum(errors), sum(blocked_calls), "
        f"sum(unpriced_calls), {SUMS}, sum(cost), round(sum(duration_ms_sum), 6) "
        "from watchpost.usage_hourly where project = {p:String} group by all order by all",
        {"p": project},
    ).rows


def read_raw(store: Store, project: str) -> list[tuple[object, ...]]:
    return store.query(
        "select toStartOfHour(start) as hour, model, prompt_name, count(), "
        "countIf(status = 'error'), countIf(blocked), "
        f"countIf(price_state = 'unpriced'), {SUMS}, "
        "sum(toDecimal128(ifNull(cost, 0), 9)), round(sum(duration_ms), 6) "
        "from watchpost.generations where project = {p:String} group by all order by all",
        {"p": project},
    ).rows


@pytest.fixture
def land(store: Store) -> Callable[..., None]:
    PriceBook(store).load_packaged()

    def insert(project: str, *spans: PlainSpan) -> None:
        segment = name_segment()
        store.insert_segment(pack_segment(segment, spans, project), segment)
        settle(store, segment)

    return insert


def test_the_hourly_view_equals_the_calls_before_and_after_closing_and_late_calls(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("hours")
    outer, inner = "a1" * 8, "b1" * 8

    def assert_equal() -> None:
        assert read_hourly(store, project) == read_raw(store, project)

    land(project, make_call(), make_call(usage=False), make_call(start_ms=HOUR_MS))
    land(project, make_call(outer, start_ms=-1, lasts_ms=50, gen_ai__prompt__name="greet"))
    assert_equal()
    close_hours(store)
    assert_equal()
    assert sum(row[3] for row in read_hourly(store, project)) == 4
    # A late call into a closed hour, whose parent was counted in the hour before.
    land(project, make_call(inner, parent=outer, start_ms=1))
    assert_equal()
    assert sum(row[3] for row in read_hourly(store, project)) == 4
    close_hours(store)
    assert_equal()
    store.command("optimize table watchpost.calls final")
    assert_equal()


def test_a_closed_hour_is_read_from_the_rollup_and_closed_only_once(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("closed")
    land(project, make_call(start_ms=-5 * HOUR_MS))

    assert close_hours(store) != []
    assert close_hours(store) == []
    # The proof that it is the rollup that is read: it alone is made to differ.
    store.command(
        "alter table watchpost.usage_closed update calls = calls + 41 where project = {p:String}",
        {"p": project},
        {"mutations_sync": 2},
    )
    assert [row[3] for row in read_hourly(store, project)] == [42]


def test_the_running_hour_stays_open(store: Store, land: Callable[..., None]) -> None:
    project = name_segment("running")
    segment = name_segment()
    call = make_call()
    # An insane time is replaced by the time of arrival, which is now.
    body = pack_segment(segment, [call], project, backfill=False)
    store.insert_segment(body, segment)
    close_hours(store)

    rows = store.query(
        "select count() from watchpost.usage_closed where project = {p:String}", {"p": project}
    )

    assert rows.rows == [(0,)]
    assert read_hourly(store, project) == read_raw(store, project)


def test_values_beyond_the_cap_are_counted_as_other_and_none_is_lost(
    store: Store, land: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "MOST_VALUES", 2)
    project = name_segment("wide")
    spans = [
        make_call(start_ms=-20 * HOUR_MS, gen_ai__prompt__name=f"p{number % 6}")
        for number in range(9)
    ]
    land(project, *spans)
    close_hours(store)

    rows = read_hourly(store, project)

    assert len({row[2] for row in rows}) == 3
    assert "other" in {row[2] for row in rows}
    assert sum(row[3] for row in rows) == 9


VERDICT = {
    "watchpost.guard.name": "pii",
    "watchpost.guard.direction": "input",
    "watchpost.guard.label": "EMAIL_ADDRESS",
    "watchpost.guard.action": "redact",
    "watchpost.guard.tripped": True,
    "watchpost.guard.duration_ms": 2.5,
}


def judge(span: PlainSpan, **changes: object) -> PlainSpan:
    """A call with a verdict on it."""
    verdict = {**VERDICT, **{f"watchpost.guard.{name}": value for name, value in changes.items()}}
    event = {"name": "watchpost.guard.verdict", "attributes": verdict}
    return replace(span, events=[*span.events, event])


@pytest.fixture
def declared(store: Store) -> Iterator[Callable[..., list[str]]]:
    yield lambda *keys: declare_segments(store, keys)
    declare_segments(store, [])


def read_guards(store: Store, project: str) -> tuple[list[object], list[object]]:
    """Verdicts by hour and dimension: from the rollup, and from the rows."""
    keys = "guard, direction, action, model, prompt_name, segments['plan']"
    rollup = (
        f"select hour, {keys}, sum(checks), sum(u.tripped), sum(u.failed), sumMap(u.labels), "
        "sum(u.duration_ms_sum) from watchpost.guards_hourly as u"
    )
    rows = (
        f"select toStartOfHour(start) as hour, {keys}, count(), countIf(v.tripped), "
        "countIf(v.failed), "
        "sumMapIf(map(toString(v.label), toUInt64(1)), v.tripped and v.label != ''), "
        "sum(v.duration_ms) from watchpost.verdicts as v"
    )
    tail = " where project = {p:String} group by all order by all"
    found = [store.query(sql + tail, {"p": project}).rows for sql in (rollup, rows)]
    return list(found[0]), list(found[1])


def test_verdicts_by_the_hour_equal_the_verdicts_before_and_after_closing(
    store: Store, land: Callable[..., None], declared: Callable[..., list[str]]
) -> None:
    project = name_segment("guards")
    declared("plan")
    pro = {"watchpost__segment__plan": "pro"}
    land(project, judge(make_call(**pro)), judge(judge(make_call()), tripped=False, failed=True))
    for _ in range(2):
        rollup, rows = read_guards(store, project)
        assert rollup == rows
        assert len(rows) == 2
        close_hours(store)
    # A late verdict opens its hour again.
    land(project, judge(make_call(**pro), name="injection"))
    for _ in range(2):
        rollup, rows = read_guards(store, project)
        assert rollup == rows
        assert len(rows) == 3
        close_hours(store)


def read_plans(store: Store, project: str) -> dict[object, int]:
    rows = store.query(
        "select segments, sum(u.calls) from watchpost.usage_hourly as u "
        "where project = {p:String} group by all",
        {"p": project},
    )
    return {tuple(sorted(segments.items())): int(calls) for segments, calls in rows}


def test_declared_segments_are_dimensions_and_others_are_not(
    store: Store,
    land: Callable[..., None],
    declared: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = name_segment("plans")
    assert declared("plan") == ["plan"]
    assert declared("plan") == []
    plans = ["pro", "pro", "pro", "free", "free", "trial"]
    region = {"watchpost__segment__region": "eu"}
    calls = [
        make_call(start_ms=-30 * HOUR_MS, watchpost__segment__plan=plan, **region) for plan in plans
    ]
    land(project, *calls)
    counted = {(("plan", "pro"),): 3, (("plan", "free"),): 2, (("plan", "trial"),): 1}
    assert read_plans(store, project) == counted

    monkeypatch.setattr(rollup, "MOST_VALUES", 2)
    close_hours(store)

    capped = {(("plan", "pro"),): 3, (("plan", "free"),): 2, (("plan", "other"),): 1}
    assert read_plans(store, project) == capped


def test_more_than_eight_segments_are_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="at most 8"):
        declare_segments(store, [f"key{number}" for number in range(9)])


def test_an_hour_that_is_being_written_stays_open(store: Store, land: Callable[..., None]) -> None:
    project = name_segment("busy")
    land(project, make_call(start_ms=-40 * HOUR_MS))

    close_hours(store, quiet_s=3600)

    closed = "select count() from watchpost.usage_closed where project = {p:String}"
    assert store.query(closed, {"p": project}).rows == [(0,)]
    close_hours(store)
    assert store.query(closed, {"p": project}).rows == [(1,)]


def test_quantiles_of_the_rollup_are_those_of_the_calls_within_a_percent(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("quantiles")
    calls = [make_call(start_ms=-50 * HOUR_MS, lasts_ms=40 * number**2) for number in range(1, 40)]
    land(project, *calls)
    close_hours(store)

    [(rolled,)] = store.query(
        "select arrayMap(v -> exp(v / 1500) - 1, "
        "quantilesTimingMerge(0.5, 0.9, 0.95)(duration_state)) "
        "from watchpost.usage_hourly where project = {p:String}",
        {"p": project},
    )
    [(exact,)] = store.query(
        "select quantilesExact(0.5, 0.9, 0.95)(duration_ms) "
        "from watchpost.generations where project = {p:String}",
        {"p": project},
    )

    assert rolled == pytest.approx(exact, rel=0.01)
