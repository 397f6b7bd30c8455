from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost.errors import ConfigError
from watchpost_collector.store.prices.own import MOST_BYTES, load_own_prices, read_own_prices
from watchpost_collector.store.prices.price import Price

FILE = """\
version: "2026-11"
models:
  - model: House-Model
    provider: azure
    aliases: [house-model-latest]
    input: 1.10
    output: 2
    above:
      - {tokens: 1000, input: 3}
    tiers:
      batch: {discount: 25%}
      flex: {input: 0.1}
  - model: House-Model
    provider: azure
    aliases: [house-model-latest]
    valid_from: 2026-06-01
    input: 9
  - match: "house-*"
    input: 5
  - match: ["*-gpu", "local/*"]
    gpu: {per_hour: 4, gpus: 2, concurrency: 4}
"""


def rates_of(price: Price, tier: str = "", band: int = 0) -> dict[str, Decimal]:
    return dict(price.tiers[tier][band].rates)


def test_entries_of_a_name_price_a_model_on_their_days() -> None:
    first, second = read_own_prices(FILE).resolve("azure.ai.openai", "HOUSE-MODEL-latest")

    assert (first.valid_from, second.valid_from) == (date(1970, 1, 1), date(2026, 6, 1))
    assert rates_of(first)["input"] == Decimal("1.10")
    assert rates_of(second)["input"] == Decimal(9)
    assert first.rule == "line 3"


def test_a_detail_without_a_rate_pays_that_of_the_whole() -> None:
    (price,) = read_own_prices("models: [{model: m, input: 2, cache_write: 3, output: 4}]").resolve(
        "any", "m"
    )

    rates = rates_of(price)
    assert (rates["cache_read"], rates["audio_input"]) == (2, 2)
    assert (rates["cache_write"], rates["cache_write_1h"]) == (3, 3)
    assert (rates["reasoning"], rates["image_output"]) == (4, 4)


def test_a_tier_is_a_discount_or_rates_of_its_own_at_every_size_of_context() -> None:
    first, _ = read_own_prices(FILE).resolve("azure", "house-model")

    assert [band.above for band in first.tiers["batch"]] == [0, 1000]
    assert rates_of(first, "batch")["input"] == Decimal("0.825")
    assert rates_of(first, "batch", 1)["input"] == Decimal("2.25")
    assert rates_of(first, "batch", 1)["output"] == Decimal("1.5")
    assert [rates_of(first, "flex", band)["input"] for band in (0, 1)] == [Decimal("0.1")] * 2
    assert rates_of(first, "flex")["output"] == Decimal(2)


def test_a_name_goes_before_a_pattern_and_a_provider_before_none() -> None:
    own = read_own_prices(FILE)

    # Another provider's model of that name is only meant by the pattern.
    assert [rates_of(p)["input"] for p in own.resolve("openai", "house-model")] == [5]
    assert own.resolve("openai", "house-model")[0].rule == "line 18, by pattern"
    assert own.resolve("openai", "elsewhere") == []


def test_a_gpu_hour_is_shared_by_the_calls_it_serves() -> None:
    (price,) = read_own_prices(FILE).resolve("", "local/llama")

    # Two dollars an hour each: a million milliseconds is 1/3.6 of an hour.
    assert rates_of(price) == {"gpu_ms": Decimal("0.555555556")}


def test_the_example_of_the_guide_prices_what_it_says() -> None:
    guide = (Path(__file__).parents[2] / "docs/guide.md").read_text()
    section = guide.partition("## Your own prices\n")[2]
    (example, *_) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)

    own = read_own_prices(example)

    first, later = own.resolve("openai", "gpt-4o-2024-08-06")
    assert rates_of(first, "batch", 1)["input"] == Decimal("2.25")
    assert rates_of(first, "priority")["cache_read"] == Decimal("1.125")
    assert (later.valid_from, rates_of(later)["reasoning"]) == (date(2027, 1, 1), Decimal(8))
    # 2.50 x 2 / 8 an hour, in millionths of a million milliseconds
    assert rates_of(*own.resolve("", "Qwen3-32B"))["gpu_ms"] == Decimal("0.173611111")
    assert rates_of(*own.resolve("perplexity", "sonar"))["request"] == Decimal(5000)


def test_a_files_version_is_its_own_word_and_its_digest() -> None:
    own, other = read_own_prices(FILE), read_own_prices(FILE.replace("1.10", "1.11"))

    assert own.version.startswith("2026-11 ")
    assert own.version != other.version


def test_the_sdks_file_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"acme/m-1": {"input": 1, "output": 2.5, "context_window": 128000}}')

    own = load_own_prices(file)

    (price,) = own.resolve("acme", "m-1")
    assert rates_of(price)["output"] == Decimal("2.5")
    assert own.resolve("anyone", "acme/m-1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models:\n  - model: m\n    inptu: 1\n", r"prices:3 'inptu'.*no such key here: use prov"),
        ("models:\n  - model: m\n    input: -1\n", r"prices:3 '-1'.*a number, 0 or more"),
        ("models:\n  - model: m\n    input: .nan\n", r"prices:3"),
        ("models:\n  - model: m\n    input: 1e400\n", r"prices:3"),
        ("models:\n  - model: m\n    input: one\n", r"prices:3 'one'"),
        ("models:\n  - model: m\n    input: 1\n    input: 2\n", r"prices:4.*twice"),
        ("models:\n  - input: 1\n", r"prices:2.*name a model"),
        ("models:\n  - model: m\n", r"prices:2.*give it a price"),
        (
            "models:\n  - model: m\n    tiers: {batch: {discount: 150%}}\n    input: 1\n",
            r"prices:3",
        ),
        ("models:\n  - {model: m, input: 1}\n  - {model: M, input: 2}\n", r"prices:3.*another day"),
        ("models:\n  - {model: m, input: 1, valid_from: soon}\n", r"prices:2 'soon'.*2026-01-31"),
        ("models:\n  - {model: m, gpu: {gpus: 2}}\n", r"prices:2.*per_hour"),
        ("models:\n  - {model: m, gpu: {per_hour: 1, concurrency: 0}}\n", r"prices:2 '0'"),
        ("models:\n  - {model: m, input: 1, above: [{input: 2}]}\n", r"prices:2.*tokens: 200000"),
        ("models:\n  - {match: '[ab]*', input: 1}\n", r"prices:2.*\* and \?"),
        ("models: 7\n", r"prices:1 '7'.*list"),
        ("models: []\ncurrency: EUR\n", r"prices:2 'EUR'.*use version, models"),
        ("m: &a {input: 1}\nn: *a\n", r"prices:2.*no aliases"),
        ("models: [unclosed\n", r"prices:2.*no YAML"),
        ("[" * 100_000, r"prices:1.*nested too deeply"),
        ("!!python/object/apply:os.system ['true']\n", r"prices:1"),
        ("", r"it is empty"),
        ("# " + "x" * MOST_BYTES, r"keep it below"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_own_prices(text)


def test_more_sizes_of_context_than_are_kept_are_refused() -> None:
    steps = ", ".join(f"{{tokens: {1000 * n}, input: 2}}" for n in range(1, 5))

    with pytest.raises(ConfigError, match="3 sizes of context at most"):
        read_own_prices(f"models: [{{model: m, input: 1, above: [{steps}]}}]")


@settings(max_examples=150, deadline=None)
@given(
    place=st.integers(0, len(FILE)),
    cut=st.integers(0, 12),
    put=st.one_of(st.text(max_size=12), st.sampled_from(["*", "&a ", "- ", "{", "!!int ", "\t"])),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(place: int, cut: int, put: str) -> None:
    try:
        own = read_own_prices(FILE[:place] + put + FILE[place + cut :])
    except ConfigError:
        return
    for price in own.resolve("azure", "house-model"):
        assert all(rate >= 0 for rate in rates_of(price).values())
