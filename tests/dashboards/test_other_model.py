"""What the same traffic would cost on another model: worked out by hand from what was sent."""

from __future__ import annotations

import pytest
from dashboard_traffic import SHOP, Ask

from watchpost_dashboards.other_model import COMPARED

HOURS = 60.0
# What the shop sends of each version every hour: tokens in and out of a call to OpenAI's model.
SENT = {"1": (940, 80), "2": (980, 160)}
LONGER = (1165 / 940, 1205 / 980)


def read_costs(ask: Ask, models: list[str]) -> dict[str, dict[str, float]]:
    frame = ask(COMPARED, HOURS, service=["dashboard-shop"], model=models)
    names = list(frame.types)
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in frame.rows}


def read_rates(ask: Ask, provider: str, model: str) -> tuple[float, float]:
    [row] = ask(
        "SELECT argMax((toFloat64(input), toFloat64(output)), (own, valid_from)) AS rates"
        " FROM watchpost.prices_in_force WHERE tier = '' AND above = 0 AND valid_from <= today()"
        f" AND provider = '{provider}' AND model = '{model}'"
    ).rows
    return float(row[0][0]), float(row[0][1])


def test_within_a_family_tokens_stay_and_prices_change(ask: Ask) -> None:
    costs = read_costs(ask, ["gpt-4o-mini"])
    now = costs["openai gpt-4o-mini"]
    assert now["ratio"] == now["known"] == 1
    assert now["cost_then"] == pytest.approx(now["cost_now"])
    assert now["change"] == pytest.approx(0, abs=1e-9)
    calls = 6
    read, said = (calls * sum(sent[part] for sent in SENT.values()) for part in (0, 1))
    input_rate, output_rate = read_rates(ask, "openai", "gpt-4o")
    then = costs["openai gpt-4o"]["cost_then"]
    assert then == pytest.approx((read * input_rate + said * output_rate) / 1e6)


def test_another_familys_tokens_are_those_it_read_of_the_same_prompts(ask: Ask) -> None:
    other = read_costs(ask, ["gpt-4o-mini"])["anthropic claude-haiku-4-5"]
    assert other["known"] == 1
    assert LONGER[1] <= other["ratio"] <= LONGER[0]
    read, said = (6 * sum(sent[part] for sent in SENT.values()) for part in (0, 1))
    input_rate, output_rate = read_rates(ask, "anthropic", "claude-haiku-4-5")
    plain = (read * input_rate + said * output_rate) / 1e6
    assert other["cost_then"] == pytest.approx(plain * other["ratio"])


def test_a_family_nobody_called_here_counts_as_it_is_and_says_so(ask: Ask) -> None:
    frame = ask(COMPARED, HOURS, **{**SHOP, "other": ["mistral_ai mistral-large-latest"]})
    [row] = [row for row in frame.rows if row[0] == "mistral_ai mistral-large-latest"]
    told = dict(zip(frame.types, row, strict=True))
    assert told["ratio"] == 1
    assert told["known"] == 0
