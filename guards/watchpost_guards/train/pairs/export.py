"""The comparer as the run time reads it: a graph with 8-bit weights and its manifest.

The graph takes one claim beside its evidence, without padding. It does not know how the comparer
was learned.
"""

import hashlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from watchpost_guards.models.comparer import FORMAT, GRAPH
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.train.pairs.network import Network, lay_beside

_OPSET = 17
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
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs packages that nothing else here does; tracing tells of sizes.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        plain = str(Path(folder) / "plain.onnx")
        torch.onnx.export(
            _Telling(network).eval(),
            example,
            plain,
            input_names=list(_INPUTS),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {1: "claim"}},
            opset_version=_OPSET,
            dynamo=False,
        )
        quantize_dynamic(
            plain,
            str(path),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


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
