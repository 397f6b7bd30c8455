"""Sampling: what is stored is a share by trace, what matters always is, and no total changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
from known_calls import PlainSpan
from store_segments import NOON_NS, make_call, name_segment, pack_segment

from watchpost_collector.access.projects import DEFAULT_SAMPLING, EVERY
from watchpost_collector.page import queries
from watchpost_collector.page.filters import Filters, Window, bind
from watchpost_collector.store.client import SEGMENT_TABLES, Store
from watchpost_collector.store.estimates import Estimates
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.sampling import apply_sampling
from watchpost_collector.store.settle import settle

HOUR_MS = 3_600_000
TRACES = [f"{number:032x}" for number in range(1, 2001)]
MESSAGES = {
    "gen_ai__input__messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
    "gen_ai__output__messages": '[{"role":"assistant","parts":[{"type":"text","content":"hi"}]}]',
}
Sample = Callable[..., None]


def tripped(span: PlainSpan) -> PlainSpan:
    told = {"watchpost.guard.name": "pii", "watchpost.guard.tripped": True}
    return replace(span, events=[{"name": "watchpost.guard.verdict", "attributes": told}])


def land(store: Store, project: str, *spans: PlainSpan) -> str:
    segment = name_segment("sampled")
    store.insert_segment(pack_segment(segment, spans, project), segment)
    settle(store, segment)
    return segment


def ask(store: Store, sql: str, project: str) -> list[tuple[Any, ...]]:
    return store.query(sql, {"p": project}).rows


def assert_share(found: int, of: int, share: float) -> None:
    """Within five standard deviations of what a fair draw gives."""
    assert abs(found - of * share) <= 5 * sqrt(of * share * (1 - share)), (found, of, share)


@pytest.fixture
def sample(store: Store) -> Iterator[Sample]:
    """Give one project rules of its own; afterwards everything is kept again."""
    every = {EVERY: DEFAULT_SAMPLING}
    yield lambda project, **rules: apply_sampling(
        store, {**every, project: {**DEFAULT_SAMPLING, **rules}}
    )
    apply_sampling(store, every)


def test_a_share_of_traces_is_kept_whole_over_segments_and_a_share_of_these_with_content(
    store: Store, sample: Sample
) -> None:
    project = "shares"  # not a random one: with these traces it always draws the same lots
    sample(project, keep=0.25, content=0.5)
    calls = [make_call(trace_id=trace, **MESSAGES) for trace in TRACES]
    tools = [
        make_call(trace_id=trace, gen_ai__operation__name="execute_tool", gen_ai__tool__name="find")
        for trace in TRACES
    ]
    segments = [land(store, project, *calls), land(store, project, *tools)]

    kept = ask(
        store,
        "select trace_id, count(), sum(weight), min(weight), max(weight) from watchpost.spans "
        "where project = {p:String} group by trace_id",
        project,
    )
    assert_share(len(kept), len(TRACES), 0.25)
    assert {row[1:] for row in kept} == {(2, 8, 4, 4)}
    [(told, of_kept)] = ask(
        store,
        "select count(), countIf(trace_id in (select trace_id from watchpost.spans "
        "where project = {p:String})) from watchpost.content where project = {p:String}",
        project,
    )
    assert_share(told, len(kept), 0.5)
    assert of_kept == told
    # Every call is there, and knows whether its messages are.
    assert ask(
        store,
        "select count(), sum(weight), countIf(has_content) from watchpost.calls final "
        "where project = {p:String}",
        project,
    ) == [(len(TRACES), len(TRACES), told)]
    for segment in segments:
        counted = store.count_segment(segment)
        assert counted.whole
        assert (counted.spans, counted.sampled_spans) == (len(TRACES), len(TRACES) - len(kept))


def test_what_failed_was_blocked_judged_or_slow_is_always_kept(
    store: Store, sample: Sample
) -> None:
    project = name_segment("always")
    sample(project, keep=1e-6, content=1, slow_ms=1000)
    matters = [
        replace(make_call("a1" * 8, **MESSAGES), status="ERROR"),
        make_call("a2" * 8, watchpost__blocked=True, **MESSAGES),
        make_call("a3" * 8, watchpost__guard__action="flag", **MESSAGES),
        tripped(make_call("a4" * 8, **MESSAGES)),
        make_call("a5" * 8, lasts_ms=1001, **MESSAGES),
        replace(make_call("a6" * 8, gen_ai__operation__name="invoke_agent"), status="ERROR"),
    ]
    ordinary = [
        make_call("b1" * 8, lasts_ms=1000, **MESSAGES),
        make_call("b2" * 8, watchpost__guard__action="allow", **MESSAGES),
        make_call("b3" * 8, lasts_ms=5000, gen_ai__operation__name="invoke_agent"),
    ]
    segment = land(store, project, *matters, *ordinary)

    stored = "select span_id, weight from watchpost.spans where project = {p:String} order by 1"
    assert ask(store, stored, project) == [(span.span_id, 1) for span in matters]
    told = "select span_id from watchpost.content where project = {p:String} order by 1"
    assert ask(store, told, project) == [(span.span_id,) for span in matters[:5]]
    assert store.count_segment(segment).whole

    sample(project, content=0)
    land(store, project, *(replace(span, trace_id="cd" * 16) for span in matters))
    assert len(ask(store, stored, project)) == 2 * len(matters)
    assert len(ask(store, told, project)) == 5, "a share of zero is no content at all"


def test_totals_are_the_same_with_and_without_sampling(store: Store, sample: Sample) -> None:
    PriceBook(store).load_packaged()
    whole, sampled = name_segment("whole"), name_segment("sampled")
    sample(sampled, keep=0.1, content=0.1)
    spans = [
        tripped(make_call(trace_id=trace, start_ms=-30 * HOUR_MS, **MESSAGES))
        if number % 3
        else make_call(trace_id=trace, start_ms=-30 * HOUR_MS, usage=bool(number % 2), **MESSAGES)
        for number, trace in enumerate(TRACES[:90])
    ]
    spans += [
        replace(span, status="ERROR", span_id=f"{number:016x}")
        for number, span in enumerate(spans[:7], 1)
    ]

    def read(project: str) -> list[tuple[Any, ...]]:
        usage = (
            "select hour, sum(calls), sum(errors), sum(unpriced_calls), sum(no_usage_calls), "
            "sum(input_tokens), sum(output_tokens), sum(cost), sum(duration_ms_sum), "
            "sumMap(error_types) from watchpost.usage_hourly where project = {p:String} group by 1"
        )
        checks = (
            "select hour, guard, sum(checks), sum(u.tripped) from watchpost.guards_hourly as u "
            "where project = {p:String} group by 1, 2"
        )
        return ask(store, usage, project) + ask(store, checks, project)

    for project in (whole, sampled):
        land(store, project, *spans)
    assert read(sampled) == read(whole)
    close_hours(store)
    assert read(sampled) == read(whole)
    assert read(whole)[0][1] == len(spans)
    [(stored,)] = ask(
        store, "select count() from watchpost.spans where project = {p:String}", sampled
    )
    assert stored < len(spans)


# Of the table of thresholds in OpenTelemetry's "TraceState: Probability Sampling", and around it.
THRESHOLDS: list[tuple[str, set[int]]] = [
    ("", {1}),
    ("ot=th:0", {1}),
    ("ot=th:8", {2}),
    ("ot=th:c", {4}),
    ("ot=th:e", {8}),
    ("ot=th:c;rv:d29d6a7215ced0", {4}),
    ("ot=rv:6e6d1a75832a2f;th:c", {4}),
    ("vendor=th:8, ot=th:c,other=1", {4}),
    ("ot=th:fd70a3d70a3d71", {100}),
    ("ot=th:fd70a", {99, 100}),
    ("ot=th:aaaaaaaaaaaaab", {3}),
    ("ot=th:6666666666666", {1, 2}),
    ("ot=th:ffffffffffffff", {1_000_000}),
    ("ot=rv:6e6d1a75832a2f", {1}),
    ("ot=th:", {1}),
    ("ot=th:zz", {1}),
    ("ot=th:123456789abcdef", {1}),
    ("vendor=th:c", {1}),
    ("robot=th:c", {1}),
]


@pytest.mark.parametrize(("trace_state", "weights"), THRESHOLDS)
def test_a_threshold_in_the_trace_state_says_how_many_calls_one_stands_for(
    weighed: Callable[[str], set[int]], trace_state: str, weights: set[int]
) -> None:
    assert weighed(trace_state) <= weights


@pytest.fixture(scope="module")
def weighed(store: Store) -> Callable[[str], set[int]]:
    """The weight of a call that came with a trace state; all of the cases are sent at once."""
    states = [state for state, _ in THRESHOLDS]
    calls = [
        replace(make_call(f"{number + 1:016x}"), trace_state=state)
        for number, state in enumerate(states)
    ]
    project = name_segment("states")
    land(store, project, *calls)
    rows = ask(
        store,
        "select span_id, weight from watchpost.generations where project = {p:String} "
        "union all select span_id, weight from watchpost.spans where project = {p:String}",
        project,
    )
    assert len(rows) == 2 * len(states)
    return lambda state: {
        weight for span, weight in rows if span == f"{states.index(state) + 1:016x}"
    }


def test_a_weight_is_whole_right_on_average_and_multiplies_with_the_share_that_is_kept(
    store: Store, sample: Sample
) -> None:
    project = "weights"
    sample(project, keep=0.5)
    said = {"watchpost__sampling__weight": "2.5"}
    land(store, project, *(make_call(trace_id=trace, **said) for trace in TRACES))
    [(calls, weight, spans)] = ask(
        store,
        "select groupUniqArray(weight) as weights, sum(weight), (select sum(weight) "
        "from watchpost.spans where project = {p:String}) from watchpost.generations "
        "where project = {p:String}",
        project,
    )
    assert sorted(calls) == [2, 3]
    assert_share(weight - 2 * len(TRACES), len(TRACES), 0.5)
    assert spans % 5 == 0
    assert_share(spans // 5, len(TRACES), 0.5)

    odd = {"nan": 1, "-3": 1, "many": 1, "1e300": 1_000_000}
    land(
        store,
        f"{project}-odd",
        *(
            make_call(f"{number:016x}", watchpost__sampling__weight=text)
            for number, text in enumerate(odd, 1)
        ),
    )
    rows = ask(
        store,
        "select weight from watchpost.generations where project = {p:String} order by span_id",
        f"{project}-odd",
    )
    assert [weight for (weight,) in rows] == list(odd.values())


def test_rollups_and_the_page_count_a_call_for_as_many_as_it_stands_for(store: Store) -> None:
    PriceBook(store).load_packaged()
    project = name_segment("weighed")
    said = {"watchpost__sampling__weight": "7", "start_ms": -60 * HOUR_MS, **MESSAGES}
    failed = make_call("a3" * 8, start_ms=-60 * HOUR_MS)
    spans = [
        tripped(make_call("a1" * 8, **said)),
        make_call("a2" * 8, start_ms=-60 * HOUR_MS),
        replace(failed, status="ERROR", trace_state="ot=th:8"),
    ]
    land(store, project, *spans)
    [(rows,)] = ask(
        store,
        "select (sum(weight), sumIf(weight, status = 'error'), sum(input_tokens * weight), "
        "sum(cost * weight)) from watchpost.generations where project = {p:String}",
        project,
    )
    assert rows[:3] == (10, 2, 1000)
    start = NOON_NS // 10**6 - 60 * HOUR_MS
    window = Window(start, start + HOUR_MS, 60)
    bound = bind(Filters(project=project), window)

    def show(name: str) -> dict[str, Any]:
        sql = re.sub(r"\bfrom (\w+) as u", r"from watchpost.\1 as u", queries.ALL[name])
        [shown] = store.query(sql, bound).as_dicts()
        return shown

    def assert_equal() -> None:
        [(hours,)] = ask(
            store,
            "select (sum(calls), sum(u.errors), sum(u.input_tokens), sum(u.cost)) "
            "from watchpost.usage_hourly as u where project = {p:String}",
            project,
        )
        assert hours == rows
        for which in ("TILES", "TILES_HOURLY"):
            tiles = show(which)
            told = tuple(tiles[name] for name in ("calls", "errors", "input_tokens", "cost"))
            assert told == rows, which
        for which in ("GUARD_TILE", "GUARD_TILE_HOURLY"):
            assert (show(which)["checked"], show(which)["tripped"]) == (7, 7), which

    assert_equal()
    close_hours(store)
    assert_equal()


def test_a_segment_sent_again_changes_nothing_and_what_got_lost_of_it_is_missed(
    store: Store, sample: Sample
) -> None:
    project = name_segment("again")
    sample(project, keep=1e-6)
    spans = [make_call(f"{number:016x}", usage=number > 1, **MESSAGES) for number in range(1, 5)]
    spans = [tripped(spans[0]), *spans[1:]]
    segment = name_segment("again")
    body = pack_segment(segment, spans, project)
    store.insert_segment(body, segment)
    first = store.count_segment(segment)
    store.insert_segment(body, segment)
    sample(project, keep=1)
    store.insert_segment(body, segment)
    assert store.count_segment(segment) == first
    assert (first.spans, first.sampled_spans, first.sampled_content) == (4, 3, 3)
    assert (first.content, first.verdicts, first.calls, first.whole) == (1, 1, 4, True)

    def lose(table: str, where: str) -> None:
        store.command(
            f"alter table watchpost.{table} delete where {where} and spool_segment = {{s:String}}",
            {"s": segment},
            {"mutations_sync": 2},
        )

    lose("calls", f"span_id = '{spans[3].span_id}'")
    assert store.count_segment(segment).missing_calls == 1
    lose("sampled_out", "1")
    assert store.count_segment(segment).spans == 1
    store.remove_segment(segment)
    for table in SEGMENT_TABLES:
        rows = f"select count() from watchpost.{table} where spool_segment = {{p:String}}"
        assert ask(store, rows, segment) == [(0,)], table


def test_tokens_nobody_reported_are_counted_from_calls_that_are_sampled_out(
    store: Store, sample: Sample
) -> None:
    estimates = Estimates(store)
    while estimates.work():
        pass
    project = name_segment("uncounted")
    sample(project, keep=1e-6, content=0.5)
    segment = land(store, project, make_call(usage=False, **MESSAGES))
    counted = store.count_segment(segment)
    assert (counted.sampled_spans, counted.content, counted.whole) == (1, 1, True)

    estimates.add(segment)
    while estimates.work():
        pass

    [(source, tokens)] = ask(
        store,
        "select usage_source, output_tokens from watchpost.generations where project = {p:String}",
        project,
    )
    assert source == "estimated"
    assert tokens > 0
