"""Prices of OpenAI's fine-tuned models, which cost more than what they were tuned from.

The public list knows few of them, and none by a name without a date. A fine-tuned model is called
`ft:BASE:ORGANISATION:SUFFIX:ID`. This file knows names and prices, no usage.
"""

from __future__ import annotations

from decimal import Decimal

from watchpost.pricing.batched import BATCH
from watchpost.pricing.model_names import strip_date

# USD per million tokens, as OpenAI publishes them: input, cached input, output.
_PRICES = {
    "gpt-4.1": ("3", "0.75", "12"),
    "gpt-4.1-mini": ("0.8", "0.2", "3.2"),
    "gpt-4.1-nano": ("0.2", "0.05", "0.8"),
    "gpt-4o": ("3.75", "1.875", "15"),
    "gpt-4o-mini": ("0.3", "0.15", "1.2"),
    "o4-mini": ("4", "1", "16"),
    "gpt-3.5-turbo": ("3", "", "6"),
    "davinci-002": ("12", "", "12"),
    "babbage-002": ("1.6", "", "1.6"),
}
# A batch costs half, and what it reads from a cache no less than otherwise.
_HALF = Decimal("0.5")


def find_base(model: str) -> str:
    """What a model was tuned from, empty for one that is not fine-tuned."""
    kind, _, rest = model.partition(":")
    return rest.partition(":")[0] if kind == "ft" else ""


def find_fine_tuned(model: str, tier: str) -> tuple[Decimal, Decimal | None, Decimal] | None:
    """The prices of input, cached input and output; None for a base nobody knows."""
    found = _PRICES.get(strip_date(find_base(model)))
    if found is None:
        return None
    share = _HALF if tier == BATCH else Decimal(1)
    cached = min(Decimal(found[1]), Decimal(found[0]) * share) if found[1] else None
    return Decimal(found[0]) * share, cached, Decimal(found[2]) * share
