"""Models as gateways write their names, and what calls of them come to, worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from watchpost.accounting import settle
from watchpost.pricing.cost import cost_of, find_rates, read_overrides
from watchpost.record import Generation, Request, Result, Usage

NOON = 1_795_000_000 * 10**9
ARN = "arn:aws:bedrock:us-east-1:123456789012"
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        # A region costs a tenth more: 1,000 x 3.30 + 100 x 16.50.
        ("aws.bedrock", f"us.{SONNET}", Usage(1000, 100), "0.00495"),
        ("aws.bedrock", f"eu.{SONNET}", Usage(1000, 100), "0.00495"),
        ("aws.bedrock", SONNET, Usage(1000, 100), "0.00495"),
        # Wherever there is room: 1,000 x 3 + 100 x 15.
        ("aws.bedrock", f"global.{SONNET}", Usage(1000, 100), "0.0045"),
        # 80 x 3 + 900 x 0.30 + 15 x 3.75 + 5 x 6 + 100 x 15: an hour's writes cost twice the input.
        (
            "aws.bedrock",
            f"global.{SONNET}",
            Usage(1000, 100, 900, 20, cache_write_1h_tokens=5),
            "0.00209625",
        ),
        ("aws.bedrock", f"{ARN}:inference-profile/us.{SONNET}", Usage(1000, 100), "0.00495"),
        ("aws.bedrock", f"{ARN}:inference-profile/global.{SONNET}", Usage(1000, 100), "0.0045"),
        (
            "aws.bedrock",
            f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{SONNET}",
            Usage(1000, 100),
            "0.00495",
        ),
        # 1,000 x 0.06 + 100 x 0.24.
        ("aws.bedrock", "us.amazon.nova-lite-v1:0", Usage(1000, 100), "0.000084"),
        # 1,000 x 0.25 + 100 x 1.25, whatever the length of its window is said to be.
        (
            "aws.bedrock",
            "anthropic.claude-3-haiku-20240307-v1:0:200k",
            Usage(1000, 100),
            "0.000375",
        ),
        # litellm's ways to say the same.
        ("aws.bedrock", f"bedrock/us.{SONNET}", Usage(1000, 100), "0.00495"),
        ("aws.bedrock", f"bedrock/converse/global.{SONNET}", Usage(1000, 100), "0.0045"),
        ("aws.bedrock", f"bedrock/eu-west-1/{SONNET}", Usage(1000, 100), "0.00495"),
        # 1,000 x 3 + 100 x 15.
        ("anthropic", "anthropic/claude-sonnet-4-5", Usage(1000, 100), "0.0045"),
        # 1,000 x 2.50 + 100 x 10.
        ("azure.ai.openai", "azure/gpt-4o", Usage(1000, 100), "0.0035"),
        # 1,000 x 1.25 + 100 x 10.
        ("gcp.gemini", "gemini/gemini-2.5-pro", Usage(1000, 100), "0.00225"),
        ("litellm", "gpt-4o", Usage(1000, 100), "0.0035"),
        # 1,000 x 0.59 + 100 x 0.79.
        ("groq", "llama-3.3-70b-versatile", Usage(1000, 100), "0.000669"),
        ("groq", "groq/llama-3.3-70b-versatile", Usage(1000, 100), "0.000669"),
        # Its own name has a slash too: 1,000 x 0.15 + 100 x 0.60.
        ("groq", "openai/gpt-oss-120b", Usage(1000, 100), "0.00021"),
        ("groq", "groq/openai/gpt-oss-120b", Usage(1000, 100), "0.00021"),
        # Whoever runs it for Hugging Face: Groq, at 1,000 x 0.59 + 100 x 0.79.
        (
            "huggingface",
            "meta-llama/Llama-3.3-70B-Instruct:groq",
            Usage(1000, 100),
            "0.000669",
        ),
        ("huggingface_groq", "meta-llama/Llama-3.3-70B-Instruct", Usage(1000, 100), "0.000669"),
    ],
)
def test_a_model_costs_the_same_however_it_is_spelled(
    provider: str, model: str, usage: Usage, dollars: str
) -> None:
    rates = find_rates(provider, model, time_ns=NOON)
    assert rates is not None
    assert cost_of(usage, rates) == Decimal(dollars)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        # What is behind it is known to its owner alone.
        ("aws.bedrock", f"{ARN}:application-inference-profile/a1b2c3d4e5f6"),
        # It has the name of what it was made from, and another price.
        ("aws.bedrock", f"{ARN}:custom-model/amazon.nova-lite-v1:0.a1b2c3/d4e5f6"),
        ("aws.bedrock", f"{ARN}:provisioned-model/a1b2c3d4e5f6"),
        ("groq", "anthropic/claude-sonnet-4-5"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:nobody"),
    ],
)
def test_a_name_that_hides_its_model_has_no_price(provider: str, model: str) -> None:
    assert find_rates(provider, model, time_ns=NOON) is None


def test_a_call_of_bedrock_costs_what_was_asked_for_and_not_what_answered() -> None:
    asked = Request(model=f"global.{SONNET}")
    answered = Result(model="claude-sonnet-4-5-20250929", usage=Usage(1000, 100))
    found = settle(Generation(provider="aws.bedrock", request=asked, result=answered), {}, NOON)
    assert found.cost_usd == Decimal("0.0045")


def test_a_profile_is_priced_by_what_answered_or_by_its_owner() -> None:
    profile = f"{ARN}:application-inference-profile/a1b2c3d4e5f6"
    answered = Result(model="claude-sonnet-4-5-20250929", usage=Usage(1000, 100))
    call = Generation(provider="aws.bedrock", request=Request(model=profile), result=answered)
    assert settle(call, {}, NOON).cost_usd == Decimal("0.00495")

    own = read_overrides({profile: {"input": 1, "output": 2}})
    assert settle(call, own, NOON).cost_usd == Decimal("0.0012")
