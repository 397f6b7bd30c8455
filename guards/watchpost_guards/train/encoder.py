"""The encoder as torch sees it while it is trained: BERT's layers over MiniLM's weights.

The lower layers are frozen and their output is computed once; the upper ones and the heads learn.
Each column looks for its own place in the text (one query) and weighs what stands there and what
the text is on the whole, straight and curved.
This room and its neighbours that fit are the only ones that import torch.
"""

import json
import struct
from pathlib import Path

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

BENDS = 64
"""Curved features that all columns share, beside the straight ones each has of its own."""
DROP = 0.1
"""The share of a learning layer's output that is left out at random while it learns."""


class Layer(nn.Module):
    """One transformer layer of BERT, normalised after each half."""

    def __init__(self, heads: int, size: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.mixed = nn.Linear(size, 3 * size)
        self.joined = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        self.wide = nn.Linear(size, inner)
        self.narrow = nn.Linear(inner, size)
        self.norm_out = nn.LayerNorm(size, eps=1e-12)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States of the same shape; `mask` is True where a token stands."""
        batch, length, size = states.shape
        parts = self.mixed(states).view(batch, length, 3, self.heads, size // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = attend(query, key, value, mask)
        joined = self.joined(seen.transpose(1, 2).reshape(batch, length, size))
        states = self.norm(states + functional.dropout(joined, DROP, self.training))
        inner = self.narrow(functional.gelu(self.wide(states)))
        return self.norm_out(states + functional.dropout(inner, DROP, self.training))


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """What each token finds in those of its window that `mask` shows, by head."""
    if not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :]
        )
    # The fused node's way back is eight times slower on a CPU than these products'.
    batch, heads, length, size = query.shape
    parts = (part.reshape(batch * heads, length, size) for part in (query, key, value))
    query, key, value = parts
    hidden = torch.where(mask, 0.0, -1e4).to(query.dtype)[:, None, None, :]
    hidden = hidden.expand(batch, heads, length, length).reshape(-1, length, length)
    scores = torch.baddbmm(hidden, query, key.transpose(1, 2), alpha=size**-0.5)
    return (scores.softmax(-1) @ value).view(batch, heads, length, size)


class Encoder(nn.Module):
    """Embeddings, layers and one query and weight a column."""

    def __init__(
        self,
        words: int,
        positions: int,
        columns: int,
        *,
        heads: int,
        size: int,
        inner: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.words = nn.Embedding(words, size)
        self.positions = nn.Embedding(positions, size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        self.layers = nn.ModuleList(Layer(heads, size, inner) for _ in range(layers))
        self.query = nn.Parameter(torch.randn(columns, size) * 0.02)
        self.weight = nn.Parameter(torch.zeros(columns, 2 * size))
        self.bias = nn.Parameter(torch.zeros(columns))
        self.bend_found = nn.Parameter(torch.randn(size, BENDS) * size**-0.5)
        self.bend_mean = nn.Parameter(torch.randn(size, BENDS) * size**-0.5)
        self.bend_bias = nn.Parameter(torch.zeros(BENDS))
        self.bent = nn.Parameter(torch.zeros(columns, BENDS))

    def embed(self, ids: Tensor) -> Tensor:
        """The states below the first layer."""
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.words(ids) + self.positions(places))

    def climb(self, states: Tensor, mask: Tensor, first: int, last: int) -> Tensor:
        """The states above layer `last`, given those below layer `first`."""
        for layer in self.layers[first:last]:
            states = layer(states, mask)
        return states

    def judge(self, states: Tensor, mask: Tensor) -> Tensor:
        """One logit a window and column, from the states above the last layer."""
        scores = states @ self.query.T
        scores = scores.masked_fill(~mask[:, :, None], -1e4)
        found = scores.softmax(dim=1).transpose(1, 2) @ states
        present = mask[:, :, None].to(states.dtype)
        mean = (states * present).sum(1, keepdim=True) / present.sum(1, keepdim=True)
        size = states.shape[2]
        bends = functional.gelu(found @ self.bend_found + mean @ self.bend_mean + self.bend_bias)
        if self.training:
            bends = functional.dropout(bends, 0.2)
        return (
            (found * self.weight[:, :size]).sum(2)
            + (mean * self.weight[:, size:]).sum(2)
            + (bends * self.bent).sum(2)
            + self.bias
        )


def load_encoder(folder: Path, columns: int, layers: int | None = None) -> Encoder:
    """MiniLM's weights from a folder with `model.safetensors` and `config.json`.

    `layers` keeps only so many of the lower layers; None keeps all.
    """
    config = json.loads((folder / "config.json").read_text())
    stored = _read_tensors(folder / "model.safetensors")
    layers = min(layers or config["num_hidden_layers"], config["num_hidden_layers"])
    encoder = Encoder(
        config["vocab_size"],
        config["max_position_embeddings"],
        columns,
        heads=config["num_attention_heads"],
        size=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=layers,
    )
    encoder.load_state_dict(_rename(stored, layers), strict=False)
    return encoder


def _rename(stored: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    embeddings = "embeddings."
    named = {
        "words.weight": stored[embeddings + "word_embeddings.weight"],
        # One kind of token only, so its embedding is part of each position's.
        "positions.weight": stored[embeddings + "position_embeddings.weight"]
        + stored[embeddings + "token_type_embeddings.weight"][0],
        "norm.weight": stored[embeddings + "LayerNorm.weight"],
        "norm.bias": stored[embeddings + "LayerNorm.bias"],
    }
    parts = {
        "joined": "attention.output.dense",
        "norm": "attention.output.LayerNorm",
        "wide": "intermediate.dense",
        "narrow": "output.dense",
        "norm_out": "output.LayerNorm",
    }
    for number in range(layers):
        theirs, ours = f"encoder.layer.{number}.", f"layers.{number}."
        for kind in ("weight", "bias"):
            named[f"{ours}mixed.{kind}"] = torch.cat(
                [stored[f"{theirs}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
            )
            for our, their in parts.items():
                named[f"{ours}{our}.{kind}"] = stored[f"{theirs}{their}.{kind}"]
    return named


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file of 32-bit floats: eight bytes of length, a JSON table, the numbers."""
    with path.open("rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        table = json.loads(source.read(length))
        numbers = source.read()
    tensors = {}
    for name, entry in table.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            flat = numpy.frombuffer(numbers[begin:end], dtype="<f4").copy()
            tensors[name] = torch.from_numpy(flat).view(entry["shape"])
    return tensors
