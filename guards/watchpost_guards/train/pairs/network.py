"""The comparer as torch sees it: a claim's states laid beside its evidence's, and a small network.

Both come from the frozen layers of the shared encoder. Every token of the claim is laid beside what
is most like it in the evidence, and beside what stands where its neighbours would have it: there a
swapped name shows. What is laid beside what is computed once; the network on it is all that learns.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from watchpost_guards.models.pairs import KINDS

SHARPNESS = 20.0
"""How much nearer counts for more when a token looks for its like."""
REACH = 2
"""So many neighbours on either side say where a token should stand."""
SCALARS = 4
_HIDDEN = 160


class Network(nn.Module):
    """What is found beside a token, and its kind, to a logit that the evidence does not say it."""

    def __init__(self, size: int, drop: float = 0.15) -> None:
        super().__init__()
        self.size = size
        self.found = nn.Linear(7 * size, _HIDDEN)
        self.kinds = nn.Embedding(KINDS, _HIDDEN)
        nn.init.normal_(self.kinds.weight, std=0.1)
        self.scalars = nn.Linear(SCALARS, _HIDDEN, bias=False)
        self.around = nn.Conv1d(_HIDDEN, _HIDDEN, 2 * REACH + 1, padding=REACH)
        self.told = nn.Linear(2 * _HIDDEN, 1)
        # Few of an answer's tokens are wrong: where nothing is known each is most likely right.
        nn.init.constant_(self.told.bias, -4.0)
        self.drop = drop

    def forward(
        self, claim: Tensor, like: Tensor, there: Tensor, told: Tensor, kinds: Tensor, mask: Tensor
    ) -> Tensor:
        """One logit a claim token; the first four are its state and what `lay_beside` gave."""
        found = torch.cat(
            [
                *(claim, like, there, (claim - like).abs(), (claim - there).abs()),
                *(claim * like, claim * there),
            ],
            2,
        )
        if self.training:
            found = functional.dropout(found, self.drop)
        states = functional.gelu(self.found(found) + self.kinds(kinds) + self.scalars(told))
        states = states * mask[:, :, None]
        around = functional.gelu(self.around(states.transpose(1, 2)).transpose(1, 2))
        both = torch.cat([states, around], 2)
        if self.training:
            both = functional.dropout(both, self.drop)
        logits: Tensor = self.told(both)[:, :, 0]
        return logits


def lay_beside(claim: Tensor, evidence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each claim token its like, what stands where it should, and how near they are.

    `claim` and `evidence` are one claim's, tokens by numbers, with a first axis of one.
    """
    mine = functional.normalize(claim, dim=2)
    theirs = functional.normalize(evidence, dim=2)
    near = mine @ theirs.transpose(1, 2)
    wide = functional.pad(near, (REACH, REACH, REACH, REACH))
    steps = [step for step in range(2 * REACH + 1) if step != REACH]
    length, width = near.shape[1], near.shape[2]
    by_others = sum(
        (wide[:, step : step + length, step : step + width] for step in steps),
        torch.zeros_like(near),
    ) / len(steps)  # fmt: skip
    by_itself, by_place = (near * SHARPNESS).softmax(2), (by_others * SHARPNESS).softmax(2)
    told = torch.stack(
        [
            *(near.amax(2), by_others.amax(2)),
            *((by_place * near).sum(2), (by_itself * by_others).sum(2)),
        ],
        2,
    )
    return by_itself @ evidence, by_place @ evidence, told
