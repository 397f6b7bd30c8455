"""The comparer as torch sees it: a claim's states looking at its evidence's, layer by layer.

Both come from the frozen layers of the shared encoder. Every token of the claim is laid beside what
is most like it in the evidence; then layers that begin as MiniLM's upper ones let the claim's
tokens look at each other and at the evidence. Each token of the claim gets a logit.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from watchpost_guards.models.pairs import KINDS
from watchpost_guards.train.encoder import Layer, load_encoder

SHARPNESS = 16.0
"""How much nearer counts for more when a token looks for its like."""


class Network(nn.Module):
    """Kinds, alignment, layers and a small head for each token. `layers` are the base's numbers."""

    def __init__(self, base: Path, layers: tuple[int, ...] = (4, 5), drop: float = 0.1) -> None:
        super().__init__()
        size = load_encoder(base, 1).words.weight.shape[1]
        self.heads = load_encoder(base, 1).heads
        self.layers = nn.ModuleList(load_encoder(base, 1).layers[number] for number in layers)
        self.kinds = nn.Embedding(KINDS, size)
        nn.init.normal_(self.kinds.weight, std=0.02)
        self.weighed = nn.ModuleList(nn.Embedding(KINDS, self.heads) for _ in layers)
        for held in self.weighed:
            nn.init.zeros_(held.weight)
        self.likeness = nn.Linear(size, size, bias=False)
        nn.init.eye_(self.likeness.weight)
        self.compared = nn.Linear(4 * size, size)
        self.placed = nn.Linear(size + 1, size)
        nn.init.zeros_(self.placed.weight)
        nn.init.zeros_(self.placed.bias)
        self.head_wide = nn.Linear(size, 128)
        self.head_out = nn.Linear(128, 1)
        self.drop = drop

    def forward(
        self,
        claim: Tensor,
        claim_kinds: Tensor,
        claim_mask: Tensor,
        evidence: Tensor,
        evidence_kinds: Tensor,
        evidence_mask: Tensor,
    ) -> Tensor:
        """One logit a claim token, that it says what the evidence does not."""
        if self.training:
            claim = functional.dropout(claim, self.drop)
        states = claim + self.kinds(claim_kinds) + self._lay_beside(claim, evidence, evidence_mask)
        for layer, weighed in zip(self.layers, self.weighed, strict=True):
            # How much a head looks at a token depends on its kind too.
            mine = weighed(claim_kinds).masked_fill(~claim_mask[:, :, None], -1e4)
            theirs = weighed(evidence_kinds).masked_fill(~evidence_mask[:, :, None], -1e4)
            bias = torch.cat([mine, theirs], 1).transpose(1, 2)[:, :, None, :]
            states = _look(layer, states, evidence, bias)
        wide = functional.gelu(self.head_wide(states))
        if self.training:
            wide = functional.dropout(wide, self.drop)
        logits: Tensor = self.head_out(wide)[:, :, 0]
        return logits

    def _lay_beside(self, claim: Tensor, evidence: Tensor, mask: Tensor) -> Tensor:
        """What a claim token and its like in the evidence have in common and have not."""
        mine = functional.normalize(self.likeness(claim), dim=2)
        theirs = functional.normalize(self.likeness(evidence), dim=2)
        likeness = (mine @ theirs.transpose(1, 2)).masked_fill(~mask[:, None, :], -1.0)
        like = (likeness * SHARPNESS).softmax(2) @ evidence
        found = torch.cat([claim, like, (claim - like).abs(), claim * like], 2)
        bent = functional.gelu(self.compared(found))
        nearest = likeness.amax(2, keepdim=True)
        return self.placed(torch.cat([bent, nearest], 2))


def _look(layer: Layer, states: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
    """A layer of the base whose tokens also look at a memory that stays as it is."""
    batch, length, size = states.shape
    query, key, value = layer.mixed(states).chunk(3, 2)
    theirs = functional.linear(memory, layer.mixed.weight[size:], layer.mixed.bias[size:])
    their_key, their_value = theirs.chunk(2, 2)

    def part(held: Tensor) -> Tensor:
        return held.view(batch, -1, layer.heads, size // layer.heads).transpose(1, 2)

    keys, values = torch.cat([key, their_key], 1), torch.cat([value, their_value], 1)
    scores = part(query) @ part(keys).transpose(2, 3) * (size // layer.heads) ** -0.5
    seen = (scores + bias).softmax(3) @ part(values)
    joined = layer.joined(seen.transpose(1, 2).reshape(batch, length, size))
    states = layer.norm(states + joined)
    inner = layer.narrow(functional.gelu(layer.wide(states)))
    return layer.norm_out(states + inner)
