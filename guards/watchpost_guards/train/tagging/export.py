"""The learned tagger as the run time reads it: a graph with 8-bit weights and its manifest.

The graph takes one window without padding. It does not know how the network was learned.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.models.tagger import FORMAT, GRAPH, Kind
from watchpost_guards.train.tagging.network import Network
from watchpost_guards.train.tracing import export_traced


class _Telling(nn.Module):
    """The network with probabilities for an answer, every token being there."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, states: Tensor, shapes: Tensor) -> Tensor:
        absent = torch.zeros_like(states[:, :, 0])
        return torch.as_tensor(self.network(states, shapes, absent).softmax(2))


def export_network(network: Network, path: Path) -> None:
    """Write the network's graph with 8-bit weights."""
    width = int(network.drawn.weight.shape[1])
    example: tuple[Any, ...] = (torch.zeros(1, 7, width), torch.zeros(1, 7, 4, dtype=torch.long))
    axes = {name: {1: "tokens"} for name in ("states", "shapes", "tags")}
    export_traced(_Telling(network), example, ("states", "shapes"), "tags", axes, path)


def write_manifest(folder: Path, kinds: Sequence[Kind]) -> None:
    """Say what the graph in a folder means."""
    told: Mapping[str, Any] = {
        "format": FORMAT,
        "digests": {GRAPH: hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()},
        "kinds": {
            kind.label: {
                "joins": round(kind.joins, 4),
                "threshold": round(kind.threshold, 4),
                "scale": round(kind.scale, 4),
            }
            for kind in kinds
        },
    }
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n")
