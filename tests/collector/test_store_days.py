"""A day put together from its hours says what they say, whatever happens to them meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from known_calls import PlainSpan
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector import fault
from watchpost_collector.store.client import Store
from watchpost_collector.store.days import close_days
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.settle import settle

HOUR_MS = 3_600_000
# A week before the other tests' calls: these are read by project, but days are closed for all.
LONG_AGO_MS = -7 * 24 * HOUR_MS
MEASURES = (
    "sum(u.calls), sum(u.errors), sum(u.blocked_calls), sum(u.unpriced_calls), "
    "sum(u.no_usage_calls), sum(u.estimated_calls), sum(u.input_tokens), sum(u.output_tokens), "
    "sum(u.cache_read_tokens), sum(u.cache_write_tokens), sum(u.reasoning_tokens), sum(u.cost), "
    "round(sum(u.duration_ms_sum), 6), sumMap(u.error_types), "
    "quantilesTimingMerge(0.5, 0.95)(u.duration_state)[2], countIf(u.calls = 0)"
)
BY = "project, service, model, prompt_name, segments"
CHECKED = (
    "sum(u.checks), sum(u.tripped), sum(u.failed), sumMap(u.labels), "
    "round(sum(u.duration_ms_sum), 6), quantilesTimingMerge(0.5, 0.95)(u.duration_state)[2], "
    "countIf(u.checks = 0)"
)
VERDICT = {
    "name": "watchpost.guard.verdict",
    "attributes": {
        "watchpost.guard.name": "pii",
        "watchpost.guard.label": "EMAIL_ADDRESS",
        "watchpost.guard.tripped": True,
        "watchpost.guard.duration_ms": 2.5,
    },
}
CHECKED_BY = f"{BY}, environment, prompt_version, guard, direction, action"


@pytest.fixture
def land(store: Store) -> Callable[..., None]:
    def insert(project: str, *spans: PlainSpan) -> None:
        segment = name_segment()
        checked = [replace(span, events=[VERDICT]) for span in spans]
        store.insert_segment(pack_segment(segment, checked, project), segment)
        settle(store, segment)

    return insert


def read_days(store: Store, project: str) -> list[tuple[object, ...]]:
    """The project by day and dimension, after seeing that days and hours say the same."""
    read_daily(store, project, "guards", CHECKED_BY, CHECKED)
    return read_daily(store, project, "usage", BY, MEASURES)


def read_daily(
    store: Store, project: str, rollup: str, by: str, measures: str
) -> list[tuple[object, ...]]:
    found = [
        store.query(
            f"select {day} as by_day, {by}, {measures} from watchpost.{rollup}_{relation} as u "
            "where project = {p:String} group by all order by all",
            {"p": project},
        ).rows
        for day, relation in (("toStartOfDay(hour)", "hourly"), ("day", "daily"))
    ]
    assert found[0] == found[1]
    return found[1]


def count_calls(store: Store, project: str) -> int:
    return sum(int(str(row[6])) for row in read_days(store, project))


def mark_days(store: Store, project: str) -> None:
    """Make the rows of whole days, and no others, differ."""
    for table, count in (("usage_closed", "calls"), ("guards_closed", "checks")):
        store.command(
            f"alter table watchpost.{table} update {count} = {count} + 100 "
            "where whole_day and project = {p:String}",
            {"p": project},
            {"mutations_sync": 2},
        )


def test_days_say_what_hours_say_before_and_after_closing_and_late_calls(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("days")
    spans = [make_call(start_ms=LONG_AGO_MS + hour * HOUR_MS) for hour in (0, 1, 1, 40)]
    land(project, *spans, make_call(usage=False, start_ms=LONG_AGO_MS))
    assert count_calls(store, project) == 5
    close_hours(store)
    assert count_calls(store, project) == 5
    close_days(store)
    assert count_calls(store, project) == 5
    # A late call into one of a day's hours, and one into an hour that was empty.
    for late in (make_call(start_ms=LONG_AGO_MS), make_call(start_ms=LONG_AGO_MS + 2 * HOUR_MS)):
        before = count_calls(store, project)
        land(project, late)
        assert count_calls(store, project) == before + 1
        close_hours(store)
        assert count_calls(store, project) == before + 1
        assert close_days(store) != []
        assert count_calls(store, project) == before + 1
    store.command("optimize table watchpost.hours final")
    assert count_calls(store, project) == 7


def test_a_closed_day_is_read_from_its_own_rows_and_put_together_once(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("whole")
    land(project, make_call(start_ms=LONG_AGO_MS), make_call(start_ms=LONG_AGO_MS + HOUR_MS))
    close_hours(store)
    close_days(store)
    assert close_days(store) == []
    mark_days(store, project)

    sums = [
        store.query(
            f"select sum(u.{count}) from watchpost.{rollup}_{by} as u where project = {{p:String}}",
            {"p": project},
        ).rows
        for rollup, count in (("usage", "calls"), ("guards", "checks"))
        for by in ("daily", "hourly")
    ]

    assert sums == [[(102,)], [(2,)], [(102,)], [(2,)]]


def test_a_day_with_an_open_hour_is_read_from_its_hours(
    store: Store, land: Callable[..., None]
) -> None:
    project = name_segment("open")
    land(project, make_call(start_ms=LONG_AGO_MS))
    close_hours(store)
    close_days(store)
    mark_days(store, project)
    land(project, make_call(start_ms=LONG_AGO_MS + 3 * HOUR_MS))

    assert count_calls(store, project) == 2
    assert close_days(store) == []
    close_hours(store)
    assert count_calls(store, project) == 2


def test_a_day_cut_short_is_not_read_and_put_together_again(
    store: Store, land: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = name_segment("cut")
    land(project, make_call(start_ms=LONG_AGO_MS))
    close_hours(store)

    def stop(point: str) -> None:
        raise KeyboardInterrupt(point)

    with monkeypatch.context() as cut:
        cut.setattr(fault, "reach", stop)
        with pytest.raises(KeyboardInterrupt):
            close_days(store)
    mark_days(store, project)

    assert count_calls(store, project) == 1
    assert close_days(store) != []
    assert count_calls(store, project) == 1
    for table, count in (("usage_closed", "calls"), ("guards_closed", "checks")):
        rows = store.query(
            f"select {count} from watchpost.{table} where whole_day and project = {{p:String}}",
            {"p": project},
        )
        assert rows.rows == [(1,)]


def test_an_hour_closed_again_while_its_day_is_put_together_takes_the_day_out(
    store: Store, land: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = name_segment("race")
    land(project, make_call(start_ms=LONG_AGO_MS))
    close_hours(store)

    def come_late(_point: str) -> None:
        land(project, make_call(start_ms=LONG_AGO_MS))
        close_hours(store)

    with monkeypatch.context() as race:
        race.setattr("watchpost_collector.store.days.fault", Late(come_late))
        close_days(store)

    assert count_calls(store, project) == 2
    close_days(store)
    assert count_calls(store, project) == 2


class Late:
    """Stands for the fault points: does something once, at the first."""

    def __init__(self, act: Callable[[str], None]) -> None:
        self._act: Callable[[str], None] | None = act

    def reach(self, point: str) -> None:
        act, self._act = self._act, None
        if act is not None:
            act(point)
