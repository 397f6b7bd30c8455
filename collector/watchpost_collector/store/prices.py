"""Prices in the store: the public list, what a newly seen model resolves to, a person's own prices.

The SDK's `watchpost.pricing` knows what a model costs on a day; this file turns that into rows a
dictionary can match exactly, and has calls priced again when a row comes after them. It does not
compute a cost: the SQL of `0006_calls.sql` does, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version

from watchpost.pricing import Rate, Rates, find_rates, read_rates
from watchpost_collector.store.client import Store

EPOCH = date(1970, 1, 1)
OVERRIDE = "override"

_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_COLUMNS = (
    *("source", "provider", "model", "valid_from"),
    *_RATES,
    "long_from",
    *(f"long_{rate}" for rate in _RATES),
)
# How spans spell the providers of the public list, beside the list's own names.
_SPELLINGS = {
    "aws": ("aws.bedrock",),
    "azure": ("azure.ai.openai", "azure.ai.inference"),
    "google": ("gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai"),
    "mistral": ("mistral_ai",),
    "moonshotai": ("moonshot_ai",),
    "x-ai": ("x_ai",),
}


@dataclass(frozen=True, slots=True)
class Price:
    """One row: what a model costs from a day on, in USD per million tokens.

    A call with more than `long_from` input tokens pays the `long` rates for all of its tokens.
    Both tuples hold input, output, cache read, cache write and one-hour cache write.
    """

    source: str
    provider: str
    model: str
    valid_from: date
    plain: tuple[Decimal, ...]
    long_from: int
    long: tuple[Decimal, ...]

    def row(self) -> list[object]:
        """The values in the order of the table's columns."""
        return [
            *(self.source, self.provider, self.model.lower(), self.valid_from),
            *self.plain,
            self.long_from,
            *self.long,
        ]


@cache
def list_source() -> str:
    """The public list's name and version, as rows carry it."""
    return f"genai-prices {version('genai-prices')}"


def list_prices() -> Iterator[Price]:
    """Every model of the public list under every exact name it has and every provider spelling."""
    from genai_prices.data_snapshot import get_snapshot

    for provider in get_snapshot().providers:
        # Two models may claim a name; the list's own rule is that the first one has it.
        known: set[str] = set()
        for model in provider.models:
            names = {name.lower() for name in (model.id, *_exact_names(model.match))} - known
            known |= names
            periods = [(day, read_rates(model, _noon(day))) for day in _change_dates([model])]
            for spelling in (provider.id, *_SPELLINGS.get(provider.id, ())):
                for name in sorted(names):
                    yield from _changes(list_source(), spelling, name, periods)


def resolve_model(provider: str, model: str) -> list[Price]:
    """The prices of a model by the public list's rules (aliases, dated names); [] when unknown."""
    from genai_prices.data_snapshot import get_snapshot

    every = [listed for provider in get_snapshot().providers for listed in provider.models]
    periods = [
        (day, find_rates(provider, model, time_ns=int(_noon(day).timestamp()) * 10**9))
        for day in _change_dates(every)
    ]
    return list(_changes(f"{list_source()}, by rule", provider, model, periods))


def load_price_list(store: Store) -> int:
    """Put the public list into the store, once a version. Returns the number of rows added."""
    known = store.query(
        "select count() from watchpost.prices where source = {source:String}",
        {"source": list_source()},
    )
    if known.rows[0][0] > 0:
        return 0
    return add_prices(store, list_prices())


def add_prices(store: Store, prices: Iterable[Price]) -> int:
    """Add rows and make the engine's dictionaries see them."""
    rows = [price.row() for price in prices]
    if rows:
        store.insert_rows("prices", _COLUMNS, rows)
        store.command("system reload dictionary watchpost.price_list")
        store.command("system reload dictionary watchpost.price_overrides")
    return len(rows)


def override_price(store: Store, provider: str, model: str, valid_from: date, rates: Rates) -> None:
    """Set a person's own price from a day on; it wins over every list, also for stored calls."""
    add_prices(store, [_price(OVERRIDE, provider, model, valid_from, rates)])
    reprice(store, [(provider, model)])


def reprice(store: Store, models: Iterable[tuple[str, str]]) -> None:
    """Price the stored calls of these (provider, model) pairs again, at today's rows.

    A call comes by `to_price` once more under a later version; its other values do not change.
    """
    pairs = [(provider, model.lower()) for provider, model in models]
    if not pairs:
        return
    store.command(
        "insert into watchpost.to_price "
        "select * replace (toUInt64(toUnixTimestamp64Nano(now64(9))) as version) "
        "from watchpost.calls final where counted "
        "and (toString(provider), lower(model)) in {pairs:Array(Tuple(String, String))}",
        {"pairs": pairs},
    )


class Resolver:
    """Remembers which unpriced models were looked up, so that each is resolved once."""

    def __init__(self) -> None:
        self._tried: set[tuple[str, str]] = set()

    def resolve(self, store: Store, segment: str = "") -> int:
        """Resolve the unpriced models of a segment ('' for all) and price their calls.

        Returns how many models got a price. One that stays unknown stays visibly unpriced.
        """
        where = "spool_segment = {segment:String}" if segment else "{segment:String} = ''"
        seen = store.query(
            "select distinct provider, model from watchpost.calls "  # noqa: S608
            f"where {where} and counted and price_state = 'unpriced' "
            "and usage_source != 'none' and model != ''",
            {"segment": segment},
        )
        found: list[Price] = []
        late: list[tuple[str, str]] = []
        for provider, model in seen:
            if (provider, model) in self._tried:
                continue
            self._tried.add((provider, model))
            prices = resolve_model(provider, model)
            found.extend(prices)
            if prices:
                late.append((provider, model))
        add_prices(store, found)
        reprice(store, late)
        return len(late)


def _noon(day: date) -> datetime:
    """When a day is priced: what changes with the hour (DeepSeek's off-peak) has its noon rate."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _changes(
    source: str, provider: str, model: str, periods: Iterable[tuple[date, Rates | None]]
) -> Iterator[Price]:
    """One price for each stretch of days on which the rates are the same."""
    before: Rates | None = None
    for day, rates in periods:
        if rates is not None and rates.priced and rates != before:
            yield _price(source, provider, model, day, rates)
        before = rates


def _price(source: str, provider: str, model: str, valid_from: date, rates: Rates) -> Price:
    ordered = [
        rates.input,
        rates.output,
        # What has no rate of its own is charged as plain input.
        rates.cache_read or rates.input,
        rates.cache_write or rates.input,
        rates.cache_write_1h or rates.cache_write or rates.input,
    ]
    # The first tier is the one kept; the few models with a second one pay the first above it.
    starts = [rate[1][0][0] for rate in ordered if rate and rate[1]]
    long_from = min(starts) if starts else 0
    plain = tuple(_rate_at(rate, 0) for rate in ordered)
    long = tuple(_rate_at(rate, long_from + 1) for rate in ordered) if long_from else plain
    return Price(source, provider, model, valid_from, plain, long_from, long)


def _rate_at(rate: Rate | None, input_tokens: int) -> Decimal:
    if rate is None:
        return Decimal(0)
    base, tiers = rate
    return next((price for start, price in reversed(tiers) if input_tokens > start), base)


def _exact_names(match: object) -> Iterator[str]:
    """The names a model's rule spells out; patterns are left to the resolver."""
    exact = getattr(match, "equals", None)
    if isinstance(exact, str):
        yield exact
    for part in getattr(match, "or_", ()):
        yield from _exact_names(part)


def _change_dates(models: Iterable[object]) -> list[date]:
    """The days on which any of these models' prices change, beginning with the first of all."""
    found = {EPOCH}
    for model in models:
        prices = getattr(model, "prices", ())
        for period in prices if isinstance(prices, list) else ():
            start = getattr(getattr(period, "constraint", None), "start_date", None)
            if isinstance(start, date):
                found.add(start)
    return sorted(found)
