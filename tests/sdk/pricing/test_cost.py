"""Prices: what a call costs, for every kind of token, and what an unknown model does not cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import genai_prices
import pytest

from watchpost.errors import ConfigError
from watchpost.pricing.cost import Rates, cost_of, find_rates, read_overrides
from watchpost.record import Usage

NOON = 1_790_000_000 * 1_000_000_000


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "gpt-4o", Usage(2006, 300, cache_read_tokens=1920)),
        ("openai", "gpt-5", Usage(2006, 300, cache_read_tokens=1920, reasoning_tokens=128)),
        ("anthropic", "claude-sonnet-4-5", Usage(2006, 300, 1920, 81)),
        ("anthropic", "claude-sonnet-4-5", Usage(300_000, 300, 1920, 81)),
        ("anthropic", "claude-opus-4-5", Usage(1000, 10, 0, 500)),
    ],
)
def test_a_cost_is_what_the_public_table_says(provider: str, model: str, usage: Usage) -> None:
    rates = find_rates(provider, model, time_ns=NOON)
    assert rates is not None
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        model,
        provider_id=provider,
    )
    assert cost_of(usage, rates) == theirs.total_price


def test_cached_tokens_cost_what_cached_tokens_cost() -> None:
    rates = Rates(input=(Decimal(10), ()), output=(Decimal(20), ()), cache_read=(Decimal(1), ()))
    assert cost_of(Usage(1_000_000, 0, cache_read_tokens=900_000), rates) == Decimal("1.9")
    assert cost_of(Usage(1_000_000, 0, cache_write_tokens=500_000), rates) == Decimal(10)


def test_writes_kept_for_an_hour_cost_their_own_rate() -> None:
    rates = Rates(
        input=(Decimal(1), ()), cache_write=(Decimal(2), ()), cache_write_1h=(Decimal(4), ())
    )
    usage = Usage(1_000_000, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=250_000)
    assert cost_of(usage, rates) == Decimal("2.5")


def test_a_long_input_costs_the_rate_of_its_tier() -> None:
    rates = Rates(input=(Decimal(1), ((200_000, Decimal(2)),)))
    assert cost_of(Usage(200_000), rates) == Decimal("0.2")
    assert cost_of(Usage(200_001), rates) == Decimal("0.400002")


def test_details_that_contradict_the_total_make_no_cost_negative() -> None:
    rates = Rates(input=(Decimal(1), ()), output=(Decimal(1), ()))
    cost = cost_of(Usage(10, 10, cache_read_tokens=20, reasoning_tokens=30), rates)
    assert cost is not None
    assert cost > 0


def test_an_unknown_model_has_no_price_and_not_a_price_of_zero() -> None:
    assert find_rates("openai", "no-such-model", time_ns=NOON) is None
    assert find_rates("no-such-provider", "gpt-4o", time_ns=NOON) is None
    assert cost_of(Usage(10, 10), Rates(context_window=5)) is None


def test_a_tier_has_its_own_price() -> None:
    plain = find_rates("openai", "gpt-5", time_ns=NOON * 1)
    flex = find_rates("openai", "gpt-5", tier="flex", time_ns=1_795_000_000 * 10**9)
    assert plain is not None
    assert flex is not None
    assert flex.input is not None
    assert plain.input is not None
    assert flex.input[0] < plain.input[0]
    assert plain.context_window == 400_000


def test_overrides_are_read_from_a_mapping_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"m": {"input": 0.5, "context_window": 10}}')
    assert read_overrides(file) == read_overrides({"m": {"input": "0.5", "context_window": 10}})
    assert read_overrides(None) == {}


@pytest.mark.parametrize(
    "prices", [{"m": {"in": 1}}, {"m": {"input": "x"}}, {"m": {"input": -1}}, {"m": 3}, "/nowhere"]
)
def test_overrides_that_cannot_be_used_are_refused(prices: object) -> None:
    with pytest.raises(ConfigError, match="prices"):
        read_overrides(prices)  # type: ignore[arg-type]
