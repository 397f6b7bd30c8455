from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from store_segments import NOON_NS, make_call, name_segment, pack_segment

from watchpost.pricing.cost import find_rates
from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.price import Price
from watchpost_collector.store.prices.public_list import list_prices, packaged_list, resolve_model

USAGES = Path(__file__).parents[1] / "fixtures/prices/usages.json"
ATTRIBUTES = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "output_reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "output_image_tokens": "gen_ai.usage.image.output_tokens",
    "web_searches": "gen_ai.usage.web_search_requests",
}
# What the list may price apart and a span has no place for: it pays the plain rate here.
UNPLACED = {"cache_audio_read_tokens", "cache_image_read_tokens", "cache_video_read_tokens"}


def test_every_listed_price_is_a_number_of_dollars_and_every_name_is_listed_once() -> None:
    prices = list(list_prices(packaged_list()))

    assert len(prices) > 2000
    rates = [
        rate for price in prices for tier in price.tiers.values() for rate in tier[0].rates.values()
    ]
    assert min(rates) >= 0
    assert max(rates) < 1_000_000
    keys = [(price.provider, price.model, price.valid_from) for price in prices]
    assert len(keys) == len(set(keys))


def test_a_changed_price_has_a_row_from_the_day_it_changed() -> None:
    rows = resolve_model(packaged_list(), "deepseek", "deepseek-v4-flash")

    assert [row.valid_from for row in rows][:2] == [date(1970, 1, 1), date(2026, 8, 17)]
    assert rows[0].tiers[""][0].rates["input"] == Decimal("0.14")


@pytest.mark.parametrize(
    ("provider", "model", "tier", "dollars"),
    [
        ("openai", "ft:gpt-4o:acme::abc", "", "3.75"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme:support:abc", "", "0.8"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::abc", "batch", "1.5"),
        ("openai", "gpt-4o-mini-2026-01-31", "", "0.15"),
        ("azure.ai.openai", "gpt-4o-2024-08-06", "", "2.5"),
        ("anthropic", "anthropic/claude-opus-4-6", "", "5"),
    ],
)
def test_a_name_costs_here_what_it_costs_where_it_was_called(
    provider: str, model: str, tier: str, dollars: str
) -> None:
    last = resolve_model(packaged_list(), provider, model)[-1]
    there = find_rates(provider, model, tier=tier, time_ns=1_795_000_000 * 10**9)

    assert rate_of(last, tier) == Decimal(dollars)
    assert there is not None
    assert there.input is not None
    assert there.input[0] == Decimal(dollars)


def test_a_model_fine_tuned_from_what_nobody_knows_has_no_price() -> None:
    assert resolve_model(packaged_list(), "openai", "ft:no-such:acme::abc") == []


def test_a_tier_begins_on_its_day_and_costs_what_the_page_says() -> None:
    found = {row.valid_from: row for row in resolve_model(packaged_list(), "openai", "gpt-4o")}

    assert list(found[date(1970, 1, 1)].tiers) == [""]
    assert rate_of(found[date(2026, 10, 12)], "priority") == Decimal("4.25")
    # The batch begins two days later; what it does not name costs the standard.
    assert "batch" not in found[date(2026, 10, 12)].tiers
    batch = found[date(2026, 10, 14)].tiers["batch"][0].rates
    assert (batch["input"], batch["cache_read"]) == (Decimal("1.25"), Decimal("1.25"))


def test_a_large_context_has_a_band_of_its_own_in_every_tier() -> None:
    (*_, last) = resolve_model(packaged_list(), "anthropic", "claude-sonnet-4-5")

    assert {tier: [band.above for band in bands] for tier, bands in last.tiers.items()} == {
        "": [0, 200_000],
        "batch": [0, 200_000],
    }


def rate_of(price: Price, tier: str) -> Decimal:
    return price.tiers[tier][0].rates["input"]


def test_real_usages_cost_what_genai_prices_itself_says(store: Store) -> None:
    usages: list[dict[str, Any]] = json.loads(USAGES.read_text())
    project = name_segment("usages")
    spans = [
        make_call(
            f"{number:016x}",
            usage=False,
            **{
                "gen_ai.provider.name": usage["provider"],
                "gen_ai.request.model": usage["model"],
                **{ATTRIBUTES[k]: v for k, v in usage["usage"].items() if k in ATTRIBUTES},
            },
        )
        for number, usage in enumerate(usages)
    ]
    book = PriceBook(store)
    book.load_packaged()
    store.insert_segment(pack_segment(project, spans, project), project)
    book.resolve(project)
    costs = dict(
        store.query(
            "select span_id, cost from watchpost.generations where project = {p:String}",
            {"p": project},
        ).rows
    )

    differing = [
        (usage, costs[f"{number:016x}"], expected)
        for number, usage in enumerate(usages)
        if costs[f"{number:016x}"] != (expected := price_by_the_list(usage))
    ]

    assert len(usages) > 150
    assert [entry for entry in differing if not UNPLACED & set(entry[0]["usage"])] == []
    assert len(differing) < 5


def price_by_the_list(usage: dict[str, Any]) -> Decimal:
    found = calc_price(
        Usage(**usage["usage"]),
        model_ref=usage["model"],
        provider_id=usage["provider"],
        genai_request_timestamp=datetime.fromtimestamp(NOON_NS / 1e9, UTC),
    )
    return found.total_price.quantize(Decimal("0.000000001"), ROUND_HALF_UP)
