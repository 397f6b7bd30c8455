"""A person's own prices: a YAML file, read strictly, and which of its entries a model is priced by.

Every number stays the decimal that was written. Unknown keys, aliases of YAML, negative prices and
oversize files are refused with the line they stand in. The SDK's JSON file of prices is read too.
It does not know the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from watchpost.errors import ConfigError
from watchpost.yaml_page import Fields, YamlPage, read_text_file
from watchpost_collector.store.prices.price import (
    EPOCH,
    MOST_BANDS,
    OVERRIDE,
    STANDARD,
    Band,
    Price,
    Tiers,
    fill_rates,
    spell,
)
from watchpost_collector.store.prices.units import NAMES, TOKENS

SETTING = "prices"
MOST_BYTES = 1024 * 1024
MOST_ENTRIES = 10_000
_MOST_RATE = Decimal(999_999_999)
_DIGIT = Decimal("0.000000001")
_MILLION = Decimal(1_000_000)
_HOUR_MS = Decimal(3_600_000)

_TOKEN_RATES = tuple(unit.name for unit in TOKENS)
# What a person writes in plain USD, and how many of the unit kept are one of it.
_PLAIN = {
    "per_request": ("request", Decimal(1)),
    "per_image": ("image", Decimal(1)),
    "per_second": ("media_ms", Decimal(1000)),
    "per_search": ("search", Decimal(1)),
    "per_character": ("character", Decimal(1)),
}
_RATES = (*_TOKEN_RATES, *_PLAIN)
_NAMES = ("provider", "model", "aliases", "match")
_ENTRY = (*_NAMES, "valid_from", *_RATES, "gpu", "above", "tiers", "context_window")
_GPU = ("per_hour", "gpus", "concurrency")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the file: whom it prices (names and patterns in lower case) and for how much."""

    provider: str
    names: tuple[str, ...]
    patterns: tuple[str, ...]
    valid_from: date
    tiers: Tiers
    line: int

    @property
    def identity(self) -> tuple[object, ...]:
        """What entries of the same model on other days have in common."""
        return self.provider, self.names, self.patterns

    def fit(self, provider: str, model: str) -> int:
        """How well the entry fits a call's provider and model; 0 when it does not.

        A name says more than a pattern, and a provider more than none.
        """
        if self.provider and provider.lower() not in spell(self.provider):
            return 0
        known = 1 if self.provider else 0
        if model.lower() in self.names:
            return 3 + known
        return 1 + known if any(fnmatchcase(model.lower(), one) for one in self.patterns) else 0


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """One file: its version and its entries, in order."""

    version: str
    entries: tuple[Entry, ...]

    def named(self) -> Iterator[tuple[str, str]]:
        """The pairs of provider and model that the file spells out."""
        for entry in self.entries:
            for provider in spell(entry.provider) if entry.provider else ():
                for name in entry.names:
                    yield provider, name

    def resolve(self, provider: str, model: str) -> list[Price]:
        """The prices of a model by the entries that fit it best; [] when none does."""
        fits = [(entry.fit(provider, model), entry) for entry in self.entries]
        best = max((fit for fit, _ in fits), default=0)
        if not best:
            return []
        first = next(entry for fit, entry in fits if fit == best)
        rule = f"line {first.line}" if best > 2 else f"line {first.line}, by pattern"
        return [
            Price(OVERRIDE, self.version, provider, model, entry.valid_from, entry.tiers, rule)
            for _, entry in fits
            if entry.identity == first.identity
        ]


def read_prices_file(path: Path) -> str:
    """The file's text; ConfigError when it cannot be read."""
    return read_text_file(SETTING, path, MOST_BYTES)


def load_own_prices(path: Path) -> OwnPrices:
    """The prices of a file; ConfigError names the line that is wrong."""
    return read_own_prices(read_prices_file(path), str(path))


def read_own_prices(text: str, name: str = "prices") -> OwnPrices:
    """The prices of a file's text; `name` is the file's, for errors. Raises ConfigError."""
    page = _Page(name)
    top = page.read_fields(page.compose(text, MOST_BYTES, "write a list of models"), None)
    version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    if "models" in top:
        page.check_keys(top, ("version", "models"))
        nodes = page.read_list(top["models"])
        if "version" in top:
            # The digest stays: two files of the same name are two versions.
            version = f"{page.read_text(top['version'])[:40]} {version}"
        entries = [_read_entry(page, page.read_fields(node, _ENTRY), node) for node in nodes]
    else:
        entries = list(_read_short(page, top))
    if len(entries) > MOST_ENTRIES:
        raise ConfigError(SETTING, name, f"write {MOST_ENTRIES:,} entries at most")
    seen: dict[tuple[object, ...], int] = {}
    for entry in entries:
        key = (*entry.identity, entry.valid_from)
        if key in seen:
            what = f"the entry of line {seen[key]} prices the same from the same day"
            raise ConfigError(SETTING, f"{name}:{entry.line}", f"give it another day: {what}")
        seen[key] = entry.line
    return OwnPrices(version, tuple(entries))


def _read_short(page: _Page, top: Fields) -> Iterator[Entry]:
    """The SDK's form: `model` or `provider/model`, and its rates."""
    for name, node in top.items():
        fields = page.read_fields(node, (*_RATES, "context_window"))
        line = node.start_mark.line + 1
        tiers = _read_tiers(page, fields, node)
        yield Entry("", (name.lower(),), (), EPOCH, tiers, line)
        provider, slash, rest = name.partition("/")
        if slash and provider and rest:
            yield Entry(provider.lower(), (rest.lower(),), (), EPOCH, tiers, line)


def _read_entry(page: _Page, fields: Fields, node: yaml.Node) -> Entry:
    names = [page.read_text(fields["model"])] if "model" in fields else []
    names += page.read_texts(fields["aliases"]) if "aliases" in fields else []
    patterns = page.read_texts(fields["match"]) if "match" in fields else []
    if not names and not patterns:
        raise page.refuse(node, "name a model, or a pattern in match")
    if any("[" in pattern for pattern in patterns):
        raise page.refuse(fields["match"], "a pattern has * and ?, and nothing else")
    return Entry(
        provider=page.read_text(fields["provider"]).lower() if "provider" in fields else "",
        names=tuple(name.lower() for name in names),
        patterns=tuple(pattern.lower() for pattern in patterns),
        valid_from=page.read_day(fields["valid_from"]) if "valid_from" in fields else EPOCH,
        tiers=_read_tiers(page, fields, node),
        line=node.start_mark.line + 1,
    )


def _read_tiers(page: _Page, fields: Fields, node: yaml.Node) -> Tiers:
    if "context_window" in fields:  # the SDK's to use
        page.read_number(fields["context_window"])
    standard = _read_steps(page, fields, {})
    if not standard[0]:
        raise page.refuse(node, f"give it a price: {', '.join(_RATES)} or gpu")
    tiers = {STANDARD: standard}
    if "tiers" in fields:
        for tier, told in page.read_fields(fields["tiers"], None).items():
            tiers[tier.lower()] = _read_tier(page, told, standard)
    return {tier: _make_bands(steps) for tier, steps in tiers.items()}


Steps = Mapping[int, Mapping[str, Decimal]]


def _read_tier(page: _Page, node: yaml.Node, standard: Steps) -> Steps:
    """A tier: the standard rates less a discount, then the rates it names itself."""
    fields = page.read_fields(node, ("discount", *_RATES, "above"))
    kept = Decimal(1)
    if "discount" in fields:
        kept -= page.read_share(fields["discount"])
    base = {
        above: {rate: (value * kept).quantize(_DIGIT) for rate, value in rates.items()}
        for above, rates in standard.items()
    }
    return _read_steps(page, fields, base)


def _read_steps(page: _Page, fields: Fields, base: Steps) -> Steps:
    """Rates by size of context: what is named here over what `base` has."""
    named = _read_rates(page, fields)
    steps = {above: {**rates, **named} for above, rates in (base or {0: {}}).items()}
    for node in page.read_list(fields["above"]) if "above" in fields else ():
        step = page.read_fields(node, ("tokens", *_RATES))
        if "tokens" not in step:
            raise page.refuse(node, "say above how many input tokens: tokens: 200000")
        above = int(page.read_number(step["tokens"]))
        below = max(known for known in steps if known <= above)
        steps[above] = {**steps[below], **_read_rates(page, step)}
    if len(steps) > MOST_BANDS:
        raise page.refuse(fields["above"], f"write {MOST_BANDS - 1} sizes of context at most")
    return dict(sorted(steps.items()))


def _read_rates(page: _Page, fields: Fields) -> dict[str, Decimal]:
    rates = {name: page.read_number(fields[name]) for name in _TOKEN_RATES if name in fields}
    for name, (unit, parts) in _PLAIN.items():
        if name in fields:
            rates[unit] = page.read_number(fields[name]) * _MILLION / parts
    if "gpu" in fields:
        told = page.read_fields(fields["gpu"], _GPU)
        if "per_hour" not in told:
            raise page.refuse(fields["gpu"], "say what a GPU costs: per_hour: 2.50")
        gpus = page.read_number(told["gpus"]) if "gpus" in told else Decimal(1)
        together = page.read_number(told["concurrency"]) if "concurrency" in told else Decimal(1)
        if together <= 0:
            raise page.refuse(told["concurrency"], "say how many calls share the GPUs: 1 or more")
        hourly = page.read_number(told["per_hour"]) * gpus / together
        rates["gpu_ms"] = hourly * _MILLION / _HOUR_MS
    for name, rate in rates.items():
        if rate > _MOST_RATE:
            raise page.refuse(next(iter(fields.values())), f"{name} is more than anything costs")
    return {name: rate.quantize(_DIGIT) for name, rate in rates.items()}


def _make_bands(steps: Steps) -> tuple[Band, ...]:
    bands = []
    for above, rates in steps.items():
        filled = fill_rates(rates)
        bands.append(Band(above, {name: filled[name] for name in NAMES if name in filled}))
    return tuple(bands)


class _Page(YamlPage):
    """A page of prices: numbers, shares and days."""

    def __init__(self, name: str) -> None:
        super().__init__(SETTING, name)

    def check_keys(self, fields: Fields, allowed: tuple[str, ...]) -> None:
        """Refuse keys that are not allowed beside those that decided what the file is."""
        for key, node in fields.items():
            if key not in allowed:
                raise self.refuse(node, f"no key {key!r} here: use {', '.join(allowed)}")

    def read_number(self, node: yaml.Node) -> Decimal:
        """A plain number, 0 or more."""
        return self._read_decimal(node, lambda found: found >= 0, "write a number, 0 or more")

    def read_share(self, node: yaml.Node) -> Decimal:
        """A share of the whole: 0.5 or 50%."""
        text = self.read_text(node)
        scale = Decimal(100) if text.endswith("%") else Decimal(1)
        bare = yaml.ScalarNode("", text.rstrip("% "), node.start_mark, node.end_mark)
        cure = "write a share of the price: 0.5 or 50%"
        return self._read_decimal(bare, lambda found: 0 <= found <= scale, cure) / scale

    def read_day(self, node: yaml.Node) -> date:
        """A day as 2026-01-31."""
        try:
            day = date.fromisoformat(self.read_text(node))
        except ValueError as error:
            raise self.refuse(node, "write a day like 2026-01-31") from error
        if not EPOCH <= day < date(2149, 1, 1):
            raise self.refuse(node, "write a day between 1970 and 2148")
        return day

    def _read_decimal(self, node: yaml.Node, fits: Callable[[Decimal], bool], cure: str) -> Decimal:
        try:
            found = Decimal(self.read_text(node))
        except InvalidOperation as error:
            raise self.refuse(node, cure) from error
        if not found.is_finite() or not fits(found) or found > _MOST_RATE:
            raise self.refuse(node, cure)
        return found
