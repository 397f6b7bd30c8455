"""The comparer as the run time reads it: a graph with 8-bit weights and its manifest.

The graph takes one claim beside its evidence, without padding. It does not know how the comparer
was learned.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from watchpost_guards.models.comparer import FORMAT, GRAPH
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.train.pairs.network import Network, lay_beside
from watchpost_guards.train.tracing import export_traced

_INPUTS = ("claim", "kinds", "evidence")


class _Telling(nn.Module):
    """The network on a claim and its evidence as they come, every token being there."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, claim: Tensor, kinds: Tensor, evidence: Tensor) -> Tensor:
        mask = torch.ones_like(claim[:, :, 0])
        return torch.as_tensor(self.network(claim, *lay_beside(claim, evidence), kinds, mask))


def export_network(network: Network, path: Path) -> None:
    """Write the network's graph with 8-bit weights."""
    claim, evidence = (torch.rand(1, length, network.size) for length in (7, 11))
    example: tuple[Any, ...] = (claim, torch.ones(1, 7, dtype=torch.long), evidence)
    axes = {name: {1: "evidence" if name == "evidence" else "claim"} for name in _INPUTS}
    axes["logits"] = {1: "claim"}
    export_traced(_Telling(network), example, _INPUTS, "logits", axes, path)


def write_manifest(folder: Path, scale: float, shift: float, threshold: float) -> None:
    """Say what the graph in a folder means: how a claim's logit becomes a probability."""
    told = {
        "format": FORMAT,
        "digests": {GRAPH: hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()},
        "scale": round(scale, 5),
        "shift": round(shift, 5),
        "threshold": round(threshold, 5),
    }
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n")
