"""The frozen layers' output for every training text, computed once and kept on disk.

Half-precision floats, one run of tokens a window, beside the windows' places. Long texts give a
few of their windows only, which the caller is told. It does not know labels.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from torch import Tensor

from watchpost_guards.models.windows import Window, see
from watchpost_guards.train.encoder import Encoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Windows of one text that are learned from: its beginning, its end, and some between.
MOST_WINDOWS = 3
_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class States:
    """Tokens of all windows in a row: window `i` is `tokens[starts[i]:starts[i + 1]]`.

    `owners[i]` is the number of the text that window `i` is a part of.
    """

    tokens: Tensor
    starts: Tensor
    owners: Tensor

    def length(self, window: int) -> int:
        """Tokens of a window."""
        return int(self.starts[window + 1] - self.starts[window])


def compute_states(
    encoder: Encoder,
    tokenizer: "Tokenizer",
    sets: Mapping[str, Sequence[str]],
    layers: int,
    cache: Path,
    width: int,
) -> States:
    """The states above the first `layers` layers of every set's texts, numbered through in order.

    Each set has a file of its own in the cache: one that is as it was is not computed again.
    """
    encoder.eval()
    cache.mkdir(parents=True, exist_ok=True)
    tokens, lengths, owners = [], [], []
    count = 0
    for texts in sets.values():
        of_set = _compute_set(encoder, tokenizer, texts, layers, cache, width)
        tokens.append(of_set.tokens)
        lengths.append(of_set.starts.diff())
        owners.append(of_set.owners + count)
        count += len(texts)
    starts = torch.cat([torch.zeros(1, dtype=torch.long), torch.cat(lengths).cumsum(0)])
    return States(torch.cat(tokens), starts, torch.cat(owners))


def _compute_set(
    encoder: Encoder,
    tokenizer: "Tokenizer",
    texts: Sequence[str],
    layers: int,
    cache: Path,
    width: int,
) -> States:
    digest = hashlib.blake2b(digest_size=12)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    kept = cache / f"states-{layers}-{width}-{digest.hexdigest()}.pt"
    if kept.exists():
        return States(*torch.load(kept, weights_only=True))
    windows, owners = _choose_windows(tokenizer, texts, width)
    lengths = torch.tensor([len(window.ids) for window in windows])
    starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    size = encoder.words.embedding_dim
    tokens = torch.empty(int(starts[-1]), size, dtype=torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for batch in batch_by_length(lengths.tolist(), _BATCH_TOKENS):
            ids, mask = pad([windows[number] for number in batch])
            above = encoder.climb(encoder.embed(ids), mask, 0, layers).to(torch.bfloat16)
            for row, number in enumerate(batch):
                tokens[starts[number] : starts[number + 1]] = above[row, : lengths[number]]
    torch.save((tokens, starts, torch.tensor(owners)), kept)
    return States(tokens, starts, torch.tensor(owners))


def batch_by_length(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Numbers of windows of like length, so that little is padded."""
    batches: list[list[int]] = [[]]
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batches[-1] and (len(batches[-1]) + 1) * lengths[number] > most_tokens:
            batches.append([])
        batches[-1].append(number)
    return batches


def pad(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Ids of the windows side by side, and where a token stands."""
    longest = max(len(window.ids) for window in windows)
    ids = numpy.zeros((len(windows), longest), dtype=numpy.int64)
    mask = numpy.zeros((len(windows), longest), dtype=bool)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = True
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _choose_windows(
    tokenizer: "Tokenizer", texts: Sequence[str], width: int
) -> tuple[list[Window], list[int]]:
    windows: list[Window] = []
    owners: list[int] = []
    rng = random.Random(0)  # noqa: S311 - the same windows for the same texts
    for number, text in enumerate(texts):
        seen = list(see(tokenizer, text, width))
        if len(seen) > MOST_WINDOWS:
            between = sorted(rng.sample(range(1, len(seen) - 1), MOST_WINDOWS - 2))
            seen = [seen[0], *(seen[place] for place in between), seen[-1]]
        windows += seen
        owners += [number] * len(seen)
    return windows, owners
