"""The public price list, genai-prices: its prices as ours, and what its rules make of a new name.

The list comes with the package, or newer as JSON in the package's own format. What changes with the
hour of the day (DeepSeek's off-peak) has its noon rate here. This file does not know the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version as installed_version
from typing import Any

from watchpost.errors import ConfigError
from watchpost.pricing.batched import BATCH, find_batched
from watchpost.pricing.fine_tuned import find_base, find_fine_tuned
from watchpost.pricing.model_names import split_names
from watchpost_collector.store.prices.price import (
    EPOCH,
    LISTED_AS,
    MOST_BANDS,
    SPELLINGS,
    STANDARD,
    Band,
    Price,
    Tiers,
    fill_rates,
)

SOURCE = "genai-prices"
MOST_BYTES = 32 * 1024 * 1024
_DIGIT = Decimal("0.000000001")
_MS_AN_HOUR_TO_A_MILLION = Decimal("3.6")
# Ours, the list's name for it, and how many of ours in a million are one of what the list counts.
_RATES: tuple[tuple[str, tuple[str, ...], Decimal], ...] = (
    ("input", ("input_mtok",), Decimal(1)),
    ("output", ("output_mtok",), Decimal(1)),
    ("cache_read", ("cache_read_mtok",), Decimal(1)),
    ("cache_read_audio", ("cache_audio_read_mtok",), Decimal(1)),
    ("cache_read_image", ("cache_image_read_mtok",), Decimal(1)),
    ("cache_write", ("cache_write_5m_mtok", "cache_write_mtok"), Decimal(1)),
    ("cache_write_1h", ("cache_write_1h_mtok",), Decimal(1)),
    ("reasoning", ("output_reasoning_mtok",), Decimal(1)),
    ("audio_input", ("input_audio_mtok",), Decimal(1)),
    ("audio_output", ("output_audio_mtok",), Decimal(1)),
    ("image_input", ("input_image_mtok",), Decimal(1)),
    ("image_output", ("output_image_mtok",), Decimal(1)),
    ("request", ("requests_kcount",), Decimal("0.001")),
    ("media_ms", ("audio_hours", "input_audio_hours"), _MS_AN_HOUR_TO_A_MILLION),
    ("search", ("web_searches_kcount",), Decimal("0.001")),
    ("character", ("input_mchars",), Decimal(1)),
)
# A model that costs something only for searches has no price of its own.
_EXTRAS = frozenset({"search"})
# Under which words the list knows that a call was of another tier.
_CONTEXT = ("service_tier", "processing", "speed")
_NO_TIERS = frozenset({"default", "standard", "auto", ""})


@dataclass(frozen=True, slots=True)
class PublicList:
    """One version of the list; `snapshot` is the package's own object."""

    version: str
    snapshot: Any


@cache
def packaged_list() -> PublicList:
    """The list that is installed."""
    from genai_prices.data_snapshot import _bundled_snapshot

    return PublicList(installed_version(SOURCE), _bundled_snapshot())


def read_list(text: str, day: date) -> PublicList:
    """A list from JSON in the format of genai-prices; `day` goes into its version.

    Raises ConfigError for what is no such list.
    """
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw

    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    try:
        raw = json.loads(text)
        if not isinstance(raw, list) or not raw:
            raise ValueError("it is not a list of providers")
        # The way the package's own updater takes: what it would take, we take.
        providers = _providers_from_raw(raw)
    except (ValueError, TypeError, KeyError, AssertionError, RecursionError) as error:
        told = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        cure = f"give JSON in the format of genai-prices ({told})"
        raise ConfigError("prices", f"{len(text)} characters", cure) from error
    return PublicList(f"{day.isoformat()}.{digest}", DataSnapshot(providers, from_auto_update=True))


def list_prices(public: PublicList) -> Iterator[Price]:
    """Every model of the list under every exact name it has and every spelling of its provider."""
    for provider in public.snapshot.providers:
        # Two models may claim a name; the list's own rule is that the first one has it.
        known: set[str] = set()
        for model in provider.models:
            names = {name.lower() for name in (model.id, *_exact_names(model.match))} - known
            known |= names
            periods = _read_periods(model, provider.id)
            for spelling in (provider.id, *SPELLINGS.get(provider.id, ())):
                for name in sorted(names):
                    for day, tiers in periods:
                        yield Price(SOURCE, public.version, spelling, name, day, tiers, "by name")


def resolve_model(public: PublicList, provider: str, model: str) -> list[Price]:
    """The prices of a model by the list's rules (aliases, dated names); [] when it knows none.

    Names are taken apart as the SDK takes them apart, so that both come to the same price.
    """
    if not model:
        return []
    if base := find_base(model):
        return _resolve_fine_tuned(public, provider, model, base)
    name, spellings = split_names(provider, model)
    listed = LISTED_AS.get(name, name) or None
    for spelling in spellings:
        try:
            owner, found = public.snapshot.find_provider_model(spelling, None, listed, None)
        except LookupError:
            continue
        break
    else:
        return []
    # Another provider's model sold here has its standard price: that is the list's own rule.
    seller = owner.id if any(found is one for one in owner.models) else ""
    return [
        Price(SOURCE, public.version, provider, model, day, tiers, f"by rule, as {found.id}")
        for day, tiers in _read_periods(found, seller)
    ]


def _resolve_fine_tuned(public: PublicList, provider: str, model: str, base: str) -> list[Price]:
    """The prices of a fine-tuned model, never those of what it was tuned from, which are lower."""
    tiers: dict[str, tuple[Band, ...]] = {}
    for tier in (STANDARD, BATCH):
        prices = find_fine_tuned(model, tier)
        if prices is None:
            return []
        named = dict(zip(("input", "cache_read", "output"), prices, strict=True))
        rates = {name: rate for name, rate in named.items() if rate is not None}
        tiers[tier] = (Band(0, fill_rates(rates)),)
    rule = f"by rule, as fine-tuned {base}"
    return [Price(SOURCE, public.version, provider, model, EPOCH, tiers, rule)]


def read_standard(public: PublicList, day: date) -> dict[tuple[str, str], Mapping[str, Decimal]]:
    """What every model of the list costs on a day, first band of the standard tier."""
    found = {}
    for provider in public.snapshot.providers:
        for model in provider.models:
            tiers = _read_tiers(model, day)
            if tiers is not None:
                found[provider.id, model.id] = tiers[STANDARD][0].rates
    return found


def _read_periods(model: Any, seller: str) -> list[tuple[date, Tiers]]:
    """What a model costs by tier, once for every stretch of days on which it is the same.

    `seller` is the list's name of who offers the tiers, empty where only the standard one is known.
    """
    offered = sorted({tier for tier, _ in _read_variants(model)}) if seller else []
    batched = find_batched(seller, model.id)
    found: list[tuple[date, Tiers]] = []
    before: Tiers | None = None
    for day in _change_dates(model):
        # A tier that ends is said to cost the standard, or its last price would go on.
        tiers = _read_tiers(model, day, offered, frozenset(before or ()))
        if tiers is not None and batched is not None:
            tiers = {**tiers, BATCH: (Band(0, fill_rates({"input": batched})),)}
        if tiers is not None and tiers != before:
            found.append((day, tiers))
        before = tiers
    return found


def _read_tiers(
    model: Any, day: date, offered: Iterable[str] = (), known: Collection[str] = ()
) -> Tiers | None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    standard = _read_bands(model.get_prices(noon))
    if standard is None:
        return None
    tiers = {STANDARD: standard}
    for tier in offered:
        bands = _read_bands(model.get_prices(noon, dict.fromkeys(_CONTEXT, tier)))
        if bands is not None and (bands != standard or tier in known):
            tiers[tier] = bands
    return tiers


def _read_bands(price: Any) -> tuple[Band, ...] | None:
    """The bands of one of the package's prices; None when nothing in it is ours to count."""
    listed = {}
    for name, keys, scale in _RATES:
        value = next((v for key in keys if (v := getattr(price, key)) is not None), None)
        if value is not None:
            listed[name] = (value, scale)
    if not set(listed) - _EXTRAS:
        return None
    starts = {tier.start for value, _ in listed.values() for tier in getattr(value, "tiers", ())}
    bands = []
    for above in (0, *sorted(starts - {0})[: MOST_BANDS - 1]):
        rates = {
            name: (_rate_at(value, above) / scale).quantize(_DIGIT)
            for name, (value, scale) in listed.items()
        }
        bands.append(Band(above, fill_rates(rates)))
    return tuple(bands)


def _rate_at(value: Any, above: int) -> Decimal:
    if isinstance(value, Decimal):
        return value
    reached = [tier.price for tier in value.tiers if above >= tier.start]
    found: Decimal = reached[-1] if reached else value.base
    return found


def _read_variants(model: Any) -> Iterator[tuple[str, date | None]]:
    """The tiers that a model is also sold in, with the day each began where it is known."""
    for variant in model.price_variants or ():
        for key, tier in variant.when.items():
            if key in _CONTEXT and tier.lower() not in _NO_TIERS:
                yield tier, getattr(variant.constraint, "start_date", None)


def _exact_names(match: object) -> Iterator[str]:
    """The names a model's rule spells out; patterns are left to `resolve_model`."""
    exact = getattr(match, "equals", None)
    if isinstance(exact, str):
        yield exact
    for part in getattr(match, "or_", ()):
        yield from _exact_names(part)


def _change_dates(model: Any) -> list[date]:
    """The days on which a model's prices change, beginning with the first of all."""
    found = {EPOCH} | {day for _, day in _read_variants(model) if day is not None}
    for period in model.prices if isinstance(model.prices, list) else ():
        start = getattr(getattr(period, "constraint", None), "start_date", None)
        if isinstance(start, date):
            found.add(start)
    return sorted(found)
