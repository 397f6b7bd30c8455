"""The tagger as torch sees it: the frozen layers' states and shapes in, a score for each tag out.

Narrow on purpose, because it runs for every text beside the encoder: each token with its
neighbours, then the window by attention. It does not know what the tags mean.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Near(nn.Module):
    """Each token with the one before and the one behind."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.wide = nn.Linear(3 * size, 2 * size)
        self.narrow = nn.Linear(2 * size, size)

    def forward(self, states: Tensor) -> Tensor:
        """States of the same shape."""
        around = functional.pad(self.norm(states), (0, 0, 1, 1))
        three = torch.cat([around[:, :-2], around[:, 1:-1], around[:, 2:]], 2)
        return states + self.narrow(functional.gelu(self.wide(three)))


class Far(nn.Module):
    """Each token with all of its window."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(size)
        self.mixed = nn.Linear(size, 3 * size)
        self.joined = nn.Linear(size, size)

    def forward(self, states: Tensor, absent: Tensor) -> Tensor:
        """States of the same shape; `absent` is added to keys' scores, low where no token is."""
        batch, length, size = states.shape
        parts = self.mixed(self.norm(states))
        parts = parts.reshape(batch, length, 3, self.heads, size // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(2, 3) * (size // self.heads) ** -0.5
        seen = (scores + absent[:, None, None, :]).softmax(3) @ value
        return states + self.joined(seen.transpose(1, 2).reshape(batch, length, size))


class Network(nn.Module):
    """Projection, embeddings of shapes, neighbours, window, neighbours, tags."""

    def __init__(
        self, tags: int, shapes: tuple[int, ...], *, width: int = 384, size: int = 128
    ) -> None:
        super().__init__()
        self.drawn = nn.Linear(width, size)
        # One table for all shapes, each kind of shape in rows of its own.
        self.shapes = nn.Parameter(torch.randn(sum(shapes), size) * 0.1)
        firsts = torch.tensor([sum(shapes[:number]) for number in range(len(shapes))])
        self.register_buffer("firsts", firsts)
        self.before = Near(size)
        self.window = Far(size, 4)
        self.behind = Near(size)
        self.norm = nn.LayerNorm(size)
        self.tags = nn.Linear(size, tags)

    def forward(self, states: Tensor, shapes: Tensor, absent: Tensor) -> Tensor:
        """One row of tag scores for each token: (windows, tokens, tags)."""
        batch, length, kinds = shapes.shape
        rows = (shapes + self.firsts).reshape(batch * length * kinds)
        drawn = self.shapes.index_select(0, rows).reshape(batch, length, kinds, -1).sum(2)
        inner = self.before(self.drawn(states) + drawn)
        inner = self.behind(self.window(inner, absent))
        scores: Any = self.tags(self.norm(inner))
        return torch.as_tensor(scores)
