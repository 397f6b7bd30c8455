from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost.pricing import Rates
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices import (
    Price,
    Resolver,
    add_prices,
    list_prices,
    list_source,
    load_price_list,
    override_price,
    resolve_model,
)


def price_of(store: Store, project: str) -> tuple[Decimal | None, str, str]:
    (row,) = store.query(
        "select cost, price_state, price_source from watchpost.generations "
        "where project = {p:String}",
        {"p": project},
    )
    return row[0], row[1], row[2]


def land_call(store: Store, **attributes: object) -> str:
    project = name_segment("price")
    body = pack_segment(project, [make_call(**attributes)], project)  # type: ignore[arg-type]
    store.insert_segment(body, project)
    return project


def fixed(value: str) -> tuple[Decimal, tuple[()]]:
    return Decimal(value), ()


@pytest.fixture(autouse=True)
def _priced(store: Store) -> None:
    load_price_list(store)


def test_the_public_list_is_loaded_once_a_version(store: Store) -> None:
    assert load_price_list(store) == 0


# Worked out by hand from the providers' price pages, USD per million tokens.
@pytest.mark.parametrize(
    ("attributes", "dollars"),
    [
        # 1,000,000 x 2.50 + 100,000 x 10
        (
            {"gen_ai__usage__input_tokens": 1_000_000, "gen_ai__usage__output_tokens": 100_000},
            "3.5",
        ),
        # 600 x 2.50 + 400 x 1.25 + 50 x 10
        (
            {
                "gen_ai__usage__input_tokens": 1000,
                "gen_ai__usage__cache_read__input_tokens": 400,
                "gen_ai__usage__output_tokens": 50,
            },
            "0.0025",
        ),
        # 100 x 3 + 500 x 0.30 + 300 x 3.75 (five minutes) + 100 x 6 (an hour) + 10 x 15
        (
            {
                "gen_ai__provider__name": "anthropic",
                "gen_ai__request__model": "claude-sonnet-4-5",
                "gen_ai__usage__input_tokens": 1000,
                "gen_ai__usage__cache_read__input_tokens": 500,
                "gen_ai__usage__cache_write__input_tokens": 400,
                "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": 100,
                "gen_ai__usage__output_tokens": 10,
            },
            "0.002325",
        ),
        # Over 200,000 tokens the long rates are paid for all of them: 300,000 x 6 + 1,000 x 22.50
        (
            {
                "gen_ai__provider__name": "anthropic",
                "gen_ai__request__model": "claude-sonnet-4-5",
                "gen_ai__usage__input_tokens": 300_000,
                "gen_ai__usage__output_tokens": 1000,
            },
            "1.8225",
        ),
    ],
)
def test_a_call_costs_what_the_price_page_says(
    store: Store, attributes: dict[str, object], dollars: str
) -> None:
    project = land_call(store, **attributes)

    Resolver().resolve(store, project)

    assert price_of(store, project)[0] == Decimal(dollars)


def test_a_model_nobody_knows_is_unpriced_and_never_free(store: Store) -> None:
    project = land_call(store, gen_ai__request__model="no-such-model")

    assert Resolver().resolve(store, project) == 0
    assert price_of(store, project) == (None, "unpriced", "")


def test_a_dated_alias_is_resolved_once_and_its_stored_calls_priced_again(store: Store) -> None:
    model = "claude-sonnet-4-5-20991231"
    attributes = {"gen_ai__provider__name": "anthropic", "gen_ai__request__model": model}
    project = land_call(store, **attributes)
    assert price_of(store, project) == (None, "unpriced", "")
    resolver = Resolver()

    assert (resolver.resolve(store, project), resolver.resolve(store, project)) == (1, 0)

    cost, state, source = price_of(store, project)
    # 100 x 3 + 10 x 15
    assert (cost, state) == (Decimal("0.00045"), "priced")
    assert source == f"{list_source()}, by rule"
    later = land_call(store, **attributes)
    assert price_of(store, later)[0] == Decimal("0.00045")


def test_a_persons_price_wins_from_its_day_on_also_for_stored_calls(store: Store) -> None:
    model = name_segment("model")
    listed = tuple(Decimal(1) for _ in range(5))
    add_prices(store, [Price("a list", "openai", model, date(1970, 1, 1), listed, 0, listed)])
    project = land_call(store, gen_ai__request__model=model)
    assert price_of(store, project) == (Decimal("0.00011"), "priced", "a list")

    own = Rates(input=fixed("7"), output=fixed("11"))
    override_price(store, "openai", model, date(2026, 1, 1), own)
    override_price(store, "openai", model, date(2099, 1, 1), Rates(input=fixed("99")))

    # 100 x 7 + 10 x 11
    assert price_of(store, project) == (Decimal("0.00081"), "overridden", "override")


def test_a_price_list_update_does_not_touch_a_persons_price(store: Store) -> None:
    model = name_segment("model")
    own = Rates(input=fixed("7"), output=fixed("11"))
    override_price(store, "openai", model, date(2026, 1, 1), own)
    new = tuple(Decimal(2) for _ in range(5))
    add_prices(store, [Price("a newer list", "openai", model, date(2026, 1, 1), new, 0, new)])

    project = land_call(store, gen_ai__request__model=model)

    assert price_of(store, project)[1] == "overridden"


def test_the_price_of_the_day_of_the_call_counts(store: Store) -> None:
    model = name_segment("model")
    old, new = (tuple(Decimal(value) for _ in range(5)) for value in (1, 100))
    add_prices(
        store,
        [
            Price("a list", "openai", model, date(1970, 1, 1), old, 0, old),
            Price("a list", "openai", model, date(2026, 9, 22), new, 0, new),
        ],
    )

    costs = [
        price_of(store, land_call(store, gen_ai__request__model=model, start_ms=day * 86_400_000))
        for day in (0, 1)
    ]

    assert [cost for cost, _, _ in costs] == [Decimal("0.00011"), Decimal("0.011")]


def test_a_call_without_usage_has_no_cost(store: Store) -> None:
    project = land_call(store, usage=False)

    assert price_of(store, project)[0] is None


def test_every_listed_price_is_a_number_of_dollars_and_every_name_is_listed_once() -> None:
    prices = list(list_prices())

    assert len(prices) > 2000
    assert all(min(price.plain) >= 0 and max(price.plain) < 10_000 for price in prices)
    keys = [(price.provider, price.model, price.valid_from) for price in prices]
    assert len(keys) == len(set(keys))


def test_a_changed_price_has_a_row_from_the_day_it_changed() -> None:
    rows = resolve_model("deepseek", "deepseek-v4-flash")

    assert [row.valid_from for row in rows][:2] == [date(1970, 1, 1), date(2026, 8, 17)]
    assert rows[0].plain[0] == Decimal("0.14")
