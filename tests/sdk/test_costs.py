"""Dollars: what a call cost, against sums worked out by hand."""

from __future__ import annotations

import pytest
from cost_cases import ANTHROPIC, OPENAI, Cost
from family_costs import COHERE, GOOGLE, MISTRAL, OLLAMA

from watchpost.accounting import settle
from watchpost.pricing.cost import read_overrides
from watchpost.providers import find_by_chunk, find_by_result
from watchpost.record import Generation

# The list knows the prices of tiers since October 2026.
NOON = 1_795_000_000 * 1_000_000_000


def generate(case: Cost) -> Generation:
    """The generation a case comes to, read as the SDK reads it."""
    found = find_by_chunk(case.chunks[0]) if case.chunks else find_by_result(case.answer)
    assert found is not None
    result = found.read_stream(case.chunks) if case.chunks else found.read_result(case.answer)
    return Generation(
        provider=case.provider or found.name,
        request=found.read_request(case.asked),
        result=result,
    )


@pytest.mark.parametrize("case", OPENAI, ids=repr)
def test_openais_calls_cost_what_was_worked_out_by_hand(case: Cost) -> None:
    settled = settle(generate(case), read_overrides(case.prices), NOON)

    assert settled.cost_usd == case.usd
    assert settled.usage.source == case.source


@pytest.mark.parametrize("case", ANTHROPIC, ids=repr)
def test_anthropics_calls_cost_what_was_worked_out_by_hand(case: Cost) -> None:
    settled = settle(generate(case), read_overrides(case.prices), NOON)

    assert settled.cost_usd == case.usd
    assert settled.usage.source == case.source


@pytest.mark.parametrize("case", [*GOOGLE, *MISTRAL, *COHERE, *OLLAMA], ids=repr)
def test_other_families_calls_cost_what_was_worked_out_by_hand(case: Cost) -> None:
    settled = settle(generate(case), read_overrides(case.prices), NOON)

    assert settled.cost_usd == case.usd
    assert settled.usage.source == case.source
