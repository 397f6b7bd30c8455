"""Prices of OpenAI's embeddings in a batch, which the public list does not have.

They cost half of what they cost one by one. This file knows names and prices, no usage.
"""

from __future__ import annotations

from decimal import Decimal

BATCH = "batch"
# USD per million tokens, as OpenAI publishes them.
_EMBEDDINGS = {
    "text-embedding-3-small": Decimal("0.01"),
    "text-embedding-3-large": Decimal("0.065"),
    "text-embedding-ada-002": Decimal("0.05"),
}


def find_batched(provider: str, model: str) -> Decimal | None:
    """The price of input in a batch, by the list's own names; None where it needs none of ours."""
    return _EMBEDDINGS.get(model) if provider == "openai" else None
