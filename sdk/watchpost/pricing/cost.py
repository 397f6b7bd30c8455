"""What a call cost in USD, from genai-prices' table or from the user's own.

Rates are looked up once for each provider, model, tier and day, because a lookup takes a tenth of
a millisecond and a calculation a few microseconds. This file does not know spans or requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from watchpost import attributes as names
from watchpost.errors import ConfigError
from watchpost.pricing.batched import BATCH, find_batched
from watchpost.pricing.fine_tuned import find_base, find_fine_tuned
from watchpost.pricing.model_names import split_names
from watchpost.record import Usage

_MILLION = Decimal(1_000_000)
_DAY_NS = 86_400 * 1_000_000_000
# Under which words the list knows that a call was of another tier.
_CONTEXT = ("service_tier", "processing", "speed")
_THOUSAND = Decimal(1000)
_SECONDS_AN_HOUR = Decimal(3600)
# What a person may write: USD per million tokens, then USD for one.
_TOKEN_KEYS = (
    *("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"),
    *("audio_input", "audio_output", "image_input", "image_output"),
    *("cache_read_audio", "cache_read_image"),
)
_SINGLE_KEYS = {
    "per_request": "call",
    "per_image": "image",
    "per_second": "second",
    "per_search": "search",
    "per_character": "character",
}
_KEYS = (*_TOKEN_KEYS, *_SINGLE_KEYS, "context_window")

Rate = tuple[Decimal, tuple[tuple[int, Decimal], ...]]
"""USD per million tokens, and what it becomes for inputs longer than so many tokens."""


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's prices. What has no rate of its own is charged as plain input or output.

    Tokens and characters cost so much a million; `image`, `second`, `search` and `call` one each.
    `context_window` is in tokens. `source` says whose prices these are.
    """

    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_read_audio: Rate | None = None
    cache_read_image: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    image_input: Rate | None = None
    image_output: Rate | None = None
    character: Rate | None = None
    image: Decimal = Decimal(0)
    second: Decimal = Decimal(0)
    search: Decimal = Decimal(0)
    call: Decimal = Decimal(0)
    context_window: int | None = None
    source: str = ""

    @property
    def priced(self) -> bool:
        """Whether there is any price here: a model can be known by its context window alone."""
        singles = (self.image, self.second, self.search, self.call)
        return bool(self.needs_tokens or self.character or any(singles))

    @property
    def needs_tokens(self) -> bool:
        """Whether nobody can say what a call cost without counting its tokens."""
        return self.input is not None or self.output is not None


def find_rates(provider: str, model: str, *, tier: str = "", time_ns: int = 0) -> Rates | None:
    """The public prices of a model on the day of `time_ns`; None for a model nobody knows."""
    return _find_rates(provider, model, tier, time_ns // _DAY_NS)


def read_rates(model: Any, when: datetime, tier: str = "") -> Rates:
    """The rates that an entry of genai-prices' table has at a time."""
    context = dict.fromkeys(_CONTEXT, tier) if tier else None
    price = model.get_prices(when, context)
    return Rates(
        input=_read_rate(price.input_mtok),
        output=_read_rate(price.output_mtok),
        cache_read=_read_rate(price.cache_read_mtok),
        cache_read_audio=_read_rate(price.cache_audio_read_mtok),
        cache_read_image=_read_rate(price.cache_image_read_mtok),
        cache_write=_read_rate(price.cache_write_mtok),
        cache_write_1h=_read_rate(price.cache_write_1h_mtok),
        reasoning=_read_rate(price.output_reasoning_mtok),
        audio_input=_read_rate(price.input_audio_mtok),
        audio_output=_read_rate(price.output_audio_mtok),
        image_input=_read_rate(price.input_image_mtok),
        image_output=_read_rate(price.output_image_mtok),
        character=_read_rate(price.input_mchars),
        second=_read_single(price, "input_audio_hours", "audio_hours") / _SECONDS_AN_HOUR,
        search=_read_single(price, "web_searches_kcount") / _THOUSAND,
        call=_read_single(price, "requests_kcount") / _THOUSAND,
        context_window=model.context_window,
        source="genai-prices",
    )


def cost_of(usage: Usage, rates: Rates) -> Decimal | None:
    """USD for a call; None when there is no price, or tokens that nobody counted have one.

    Never a silent zero.
    """
    is_counted = usage.source != names.UNKNOWN
    if not rates.priced or (rates.needs_tokens and not is_counted):
        return None
    total = usage.input_tokens
    # Details that contradict the total (a provider's slip) must not make a cost negative.
    lines = (*_input_lines(usage, rates), *_output_lines(usage, rates))
    charged = (tokens * _at(rate, total) for tokens, rate in lines if tokens > 0)
    others = (
        usage.images * rates.image
        + Decimal(str(usage.seconds)) * rates.second
        + usage.searches * rates.search
        + rates.call
    )
    total_usd = sum(charged, Decimal(0)) / _MILLION + others
    # Where tokens cost nothing and nobody told the seconds, the price is not known.
    return total_usd if total_usd or rates.needs_tokens else None


def _input_lines(usage: Usage, rates: Rates) -> tuple[tuple[int, Rate | None], ...]:
    long_writes = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    # What of a kind came out of a cache is among the cached tokens: it is taken off once.
    heard = min(usage.cache_read_audio_tokens, usage.audio_input_tokens, usage.cache_read_tokens)
    seen = min(
        usage.cache_read_image_tokens, usage.image_input_tokens, usage.cache_read_tokens - heard
    )
    audio, image = usage.audio_input_tokens - heard, usage.image_input_tokens - seen
    read = rates.cache_read or rates.input
    return (
        (usage.input_tokens - cached - audio - image, rates.input),
        (usage.cache_read_tokens - heard - seen, read),
        (heard, rates.cache_read_audio or read),
        (seen, rates.cache_read_image or read),
        (usage.cache_write_tokens - long_writes, rates.cache_write or rates.input),
        (long_writes, rates.cache_write_1h or rates.cache_write or rates.input),
        (audio, rates.audio_input or rates.input),
        (image, rates.image_input or rates.input),
        (usage.characters, rates.character),
    )


def _output_lines(usage: Usage, rates: Rates) -> tuple[tuple[int, Rate | None], ...]:
    media = usage.audio_output_tokens + usage.image_output_tokens
    return (
        (usage.output_tokens - usage.reasoning_tokens - media, rates.output),
        (usage.reasoning_tokens, rates.reasoning or rates.output),
        (usage.audio_output_tokens, rates.audio_output or rates.output),
        (usage.image_output_tokens, rates.image_output or rates.output),
    )


def read_overrides(prices: Mapping[str, Any] | str | Path | None) -> dict[str, Rates]:
    """A user's own prices, keyed by model or `provider/model`, in USD per million tokens.

    Given as a mapping or as the path of a JSON file, like
    `{"my-model": {"input": 1, "output": 2, "context_window": 128000}}`. What is not counted in
    tokens is in USD for one: `per_request`, `per_image`, `per_second`, `per_search`,
    `per_character`.
    Raises ConfigError.
    """
    if prices is None:
        return {}
    if isinstance(prices, str | Path):
        prices = _read_file(Path(prices))
    return {model: _read_override(model, rates) for model, rates in prices.items()}


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError("prices", str(path), f"give a readable JSON file ({error})") from error
    if not isinstance(found, dict):
        raise ConfigError("prices", str(path), 'write {"model": {"input": 1, "output": 2}}')
    return found


def _read_override(model: str, rates: Any) -> Rates:
    if not isinstance(rates, Mapping) or not set(rates) <= set(_KEYS):
        raise ConfigError(f"prices[{model!r}]", rates, f"use the keys {', '.join(_KEYS)}")
    try:
        found = {key: Decimal(str(rates[key])) for key in _KEYS[:-1] if key in rates}
        window = int(rates["context_window"]) if "context_window" in rates else None
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(f"prices[{model!r}]", rates, "give plain numbers") from error
    if any(not value.is_finite() or value < 0 for value in found.values()):
        raise ConfigError(f"prices[{model!r}]", rates, "give prices of 0 or more")
    fixed: dict[str, Any] = {key: (found[key], ()) for key in _TOKEN_KEYS if key in found}
    fixed.update({name: found[key] for key, name in _SINGLE_KEYS.items() if key in found})
    if "character" in fixed:
        fixed["character"] = (fixed["character"] * _MILLION, ())
    return Rates(**fixed, context_window=window, source="override")


@lru_cache(maxsize=4096)
def _find_rates(provider: str, model: str, tier: str, day: int) -> Rates | None:
    from genai_prices.data_snapshot import get_snapshot

    if not model:
        return None
    if base := find_base(model):
        # Never as what it was tuned from, which costs less.
        known = _find_rates(provider, base, "", day)
        return _rate_fine_tuned(model, tier, known.context_window if known else None)
    name, spellings = split_names(provider, model)
    when = datetime.fromtimestamp(day * 86_400 + 43_200, UTC)
    for spelling in spellings:
        try:
            owner, found = get_snapshot().find_provider_model(spelling, None, name or None, None)
        except LookupError:
            continue
        rates = read_rates(found, when, tier)
        batched = find_batched(owner.id, found.id) if tier == BATCH else None
        return rates if batched is None else replace(rates, input=(batched, ()))
    return None


def _rate_fine_tuned(model: str, tier: str, window: int | None) -> Rates | None:
    prices = find_fine_tuned(model, tier)
    if prices is None:
        return None
    asked, cached, said = prices
    return Rates(
        input=(asked, ()),
        output=(said, ()),
        cache_read=None if cached is None else (cached, ()),
        context_window=window,
        source="fine-tuned",
    )


def _read_rate(price: Any) -> Rate | None:
    if price is None:
        return None
    if isinstance(price, Decimal):
        return price, ()
    return price.base, tuple((tier.start, tier.price) for tier in price.tiers)


def _read_single(price: Any, *keys: str) -> Decimal:
    """The first of several rates for one of something, 0 where the list has none."""
    found = (_read_rate(getattr(price, key)) for key in keys)
    return next((rate[0] for rate in found if rate is not None), Decimal(0))


def _at(rate: Rate | None, input_tokens: int) -> Decimal:
    if rate is None:
        return Decimal(0)
    base, tiers = rate
    for start, price in reversed(tiers):
        if input_tokens > start:
            return price
    return base
