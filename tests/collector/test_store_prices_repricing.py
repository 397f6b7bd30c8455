from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from price_cases import DAY, make_price, price_of
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.repricing import Scope, backfill, next_day
from watchpost_collector.store.prices.table import add_prices
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.settle import settle

DAY_MS = 86_400_000
OUTER, INNER = "a2" * 8, "b2" * 8


@pytest.fixture
def model(store: Store) -> str:
    """A model at 1 dollar whose call (100 in, 10 out) is stored today and tomorrow; then at 3."""
    name = name_segment("corrected")
    add_prices(store, [make_price(name, "1")])
    spans = [
        make_call(gen_ai__request__model=name, trace_id=f"{day:032x}", start_ms=day * DAY_MS)
        for day in (1, 2)
    ]
    store.insert_segment(pack_segment(name, spans, name), name)
    add_prices(store, [make_price(name, "3", source="a corrected list")])
    return name


def sum_of(store: Store, model: str, relation: str) -> Decimal:
    rows = store.query(
        f"select sum(cost) from watchpost.{relation} where model = {{model:String}}",
        {"model": model},
    )
    return Decimal(rows.rows[0][0])


def test_a_trial_says_what_would_change_and_changes_nothing(store: Store, model: str) -> None:
    told = backfill(store, Scope(model=model), dry_run=True)

    assert (told.looked_at, told.changed) == (2, 2)
    assert (told.before, told.after) == (Decimal("0.00022"), Decimal("0.00066"))
    assert [(shift.provider, shift.model, shift.calls) for shift in told.shifts] == [
        ("openai", model, 2)
    ]
    assert sum_of(store, model, "generations") == Decimal("0.00022")


def test_history_is_priced_anew_once_and_closed_hours_follow(store: Store, model: str) -> None:
    close_hours(store)
    assert sum_of(store, model, "usage_hourly") == Decimal("0.00022")

    done = backfill(store, Scope(model=model), dry_run=False)

    assert (done.changed, done.after) == (2, Decimal("0.00066"))
    assert sum_of(store, model, "generations") == Decimal("0.00066")
    assert sum_of(store, model, "usage_hourly") == Decimal("0.00066")
    close_hours(store)
    assert sum_of(store, model, "usage_hourly") == Decimal("0.00066")
    assert backfill(store, Scope(model=model), dry_run=False).changed == 0


def test_only_the_days_and_the_project_that_were_named_are_touched(
    store: Store, model: str
) -> None:
    tomorrow = next_day(DAY)
    scope = Scope(since=tomorrow, until=next_day(tomorrow.date()), model=model.upper())

    assert backfill(store, scope, dry_run=False).changed == 1
    assert sum_of(store, model, "generations") == Decimal("0.00044")
    elsewhere = Scope(model=model, project="another")
    assert backfill(store, elsewhere, dry_run=False).looked_at == 0
    until_then = Scope(until=datetime(2026, 9, 21, tzinfo=UTC), model=model)
    assert backfill(store, until_then, dry_run=False).looked_at == 0


def test_a_buried_span_stays_buried_and_a_call_keeps_what_it_was_given(store: Store) -> None:
    model = name_segment("stacked")
    add_prices(store, [make_price(model, "1")])
    spans = [
        make_call(OUTER, gen_ai__request__model=model, session__id="s-1"),
        make_call(INNER, parent=OUTER, start_ms=1, gen_ai__request__model=model),
    ]
    store.insert_segment(pack_segment(model, spans, model), model)
    settle(store, model)
    add_prices(store, [make_price(model, "3", source="a corrected list")])

    assert backfill(store, Scope(model=model), dry_run=False).changed == 1

    assert price_of(store, model)[0] == Decimal("0.00033")
    rows = store.query(
        "select span_id, session_id from watchpost.generations where project = {p:String}",
        {"p": model},
    )
    assert rows.rows == [(INNER, "s-1")]


def test_a_sum_is_explained_to_the_last_digit_by_the_row_it_came_from(store: Store) -> None:
    book = PriceBook(store)
    model = name_segment("explained")
    book.load_own(
        f"models: [{{model: {model}, input: 0.123456789, output: 3.000000001, cache_read: 0.01, "
        "above: [{tokens: 90, input: 0.333333333}], tiers: {flex: {discount: 33%}}}]"
    )
    used = {"gen_ai__usage__cache_read__input_tokens": 7, "openai__response__service_tier": "flex"}
    trace = name_segment()[-12:] + "c" * 20
    span = make_call(trace_id=trace, gen_ai__request__model=model, **used)
    store.insert_segment(pack_segment(model, [span], model), model)
    book.resolve(model)

    (told,) = book.explain(trace.upper())

    assert told.agrees
    assert told.total == told.cost == price_of(store, model)[0]
    assert told.row is not None
    assert (told.row.tier, told.row.above, told.row.rule) == ("flex", 90, "line 1")
    assert [(line.told, line.quantity, line.rate) for line in told.lines] == [
        ("input tokens", 93, Decimal("0.223333333")),
        ("output tokens", 10, Decimal("2.010000001")),
        ("tokens read from a cache", 7, Decimal("0.0067")),
    ]
    # Prices that came later explain nothing that was stored before.
    book.load_own(f"models: [{{model: {model}, input: 50}}]")
    assert book.explain(trace)[0].total == told.total


def test_a_call_without_a_cost_is_explained_in_words(store: Store) -> None:
    trace = name_segment()[-12:] + "d" * 20
    spans = [
        make_call(OUTER, trace_id=trace, gen_ai__request__model="no-such-model"),
        make_call(INNER, trace_id=trace, start_ms=1, usage=False),
    ]
    book = PriceBook(store)
    book.load_packaged()
    project = name_segment("words")
    store.insert_segment(pack_segment(project, spans, project), project)

    unknown, uncounted = book.explain(trace, project=project)

    assert unknown.why == "nobody knows a price of openai/no-such-model"
    assert uncounted.why == "nobody knows its tokens, and the price asks for them"
    assert unknown.agrees
    assert uncounted.agrees
    assert [call.span_id for call in book.explain(trace, INNER)] == [INNER]
