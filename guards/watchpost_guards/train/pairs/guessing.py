"""A baseline that sees the answer alone: which words unsupported answers have.

Whoever cannot beat it has learned how such data is made, not what supports a claim. It does not
know the comparer.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy
import torch
from numpy.typing import NDArray
from torch.nn import functional

from watchpost_guards.train.pairs.records import Example

_WORD = re.compile(r"\w+")
_SLOTS = 1 << 15
_PASSES, _BATCH, _RATE = 4, 128, 0.02


def guess_by_words(learned: Sequence[Example], asked: Sequence[Example]) -> NDArray[numpy.float64]:
    """Logistic regression over words and pairs of words of the answers alone."""
    torch.manual_seed(0)
    weights = torch.nn.EmbeddingBag(_SLOTS, 1, mode="mean")
    torch.nn.init.zeros_(weights.weight)
    optimiser = torch.optim.Adam(weights.parameters(), lr=_RATE)
    rows = [_hash(example.answer) for example in learned]
    wrong = torch.tensor([float(not example.supported) for example in learned])
    for _ in range(_PASSES):
        for batch in torch.randperm(len(rows)).split(_BATCH):
            said = _say(weights, [rows[n] for n in batch.tolist()])
            loss = functional.binary_cross_entropy_with_logits(said, wrong[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.inference_mode():
        told = _say(weights, [_hash(example.answer) for example in asked])
    return told.double().numpy()


def _say(weights: torch.nn.EmbeddingBag, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    starts = numpy.cumsum([0, *(len(row) for row in rows)])[:-1]
    flat = torch.tensor([slot for row in rows for slot in row])
    said: torch.Tensor = weights(flat, torch.from_numpy(starts))
    return said[:, 0]


def _hash(answer: str) -> list[int]:
    words = [word.lower() for word in _WORD.findall(answer)]
    pairs = (f"{one} {two}" for one, two in pairwise(words))
    said = [*words, *pairs] or [answer]
    return [crc32(held.encode("utf-8", "surrogatepass")) % _SLOTS for held in said]
