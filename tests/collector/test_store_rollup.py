from __future__ import annotations

from collections.abc import Callable

import pytest
from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store import rollup
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.rollup import close_hours
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
