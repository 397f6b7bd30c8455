"""A price as a value: what a model costs from a day on, by tier and by size of the context.

It becomes rows of the table `prices`. It does not know whose price it is or where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from watchpost_collector.store.prices.units import NAMES

EPOCH = date(1970, 1, 1)
OVERRIDE = "override"
STANDARD = ""
# The SQL goes three steps up from the first size of context.
MOST_BANDS = 4
COLUMNS = (
    *("source", "version", "provider", "model", "tier", "valid_from", "above"),
    *NAMES,
    "rule",
)

# How spans spell the providers of the public list, beside the list's own names.
SPELLINGS = {
    "aws": ("aws.bedrock",),
    "azure": ("azure.ai.openai", "azure.ai.inference"),
    "google": ("gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai"),
    "mistral": ("mistral_ai",),
    "moonshotai": ("moonshot_ai",),
    "x-ai": ("x_ai",),
}
LISTED_AS = {told: listed for listed, spellings in SPELLINGS.items() for told in spellings}


@dataclass(frozen=True, slots=True)
class Band:
    """Rates in USD per million units, for calls with more input tokens than `above`.

    A unit that is not named costs nothing by itself: what falls back on another rate (a cached
    token on the plain one) has that rate here.
    """

    above: int
    rates: Mapping[str, Decimal]


Tiers = Mapping[str, tuple[Band, ...]]


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs from a day on; `tiers` has at least the standard one, smallest band first.

    `rule` says how the list came to mean this model.
    """

    source: str
    version: str
    provider: str
    model: str
    valid_from: date = EPOCH
    tiers: Tiers = field(default_factory=dict)
    rule: str = ""

    @property
    def name(self) -> str:
        """Source and version, as the calls carry it."""
        return f"{self.source} {self.version}"

    def rows(self) -> Iterator[list[object]]:
        """The rows of the table, values in the order of `COLUMNS`."""
        for tier, bands in self.tiers.items():
            for band in bands:
                yield [
                    *(self.source, self.version, self.provider, self.model.lower()),
                    *(tier.lower(), self.valid_from, band.above),
                    *(band.rates.get(name, Decimal(0)) for name in NAMES),
                    self.rule,
                ]


def fill_rates(given: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The rates with every detail that has none of its own charged as the whole it is part of."""
    found = dict(given)
    for detail, whole in _WHOLES:
        if detail not in found and whole in found:
            found[detail] = found[whole]
    return found


# In this order: an hour's cache write falls back on five minutes', and that on plain input.
_WHOLES = (
    *((name, "input") for name in ("cache_read", "cache_write")),
    ("cache_write_1h", "cache_write"),
    *((name, "cache_read") for name in ("cache_read_audio", "cache_read_image")),
    *((name, "input") for name in ("audio_input", "image_input")),
    *((name, "output") for name in ("reasoning", "audio_output", "image_output")),
)


def spell(provider: str) -> tuple[str, ...]:
    """Every way spans may spell a provider, in lower case."""
    listed = LISTED_AS.get(provider.lower(), provider.lower())
    return tuple(dict.fromkeys((provider.lower(), listed, *SPELLINGS.get(listed, ()))))
