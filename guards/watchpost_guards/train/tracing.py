"""A small trained network as an ONNX graph with 8-bit weights, by torch's own exporter.

It knows neither what the network answers nor how it was learned; the encoder's graph, which is
written node by node, is made in `graph`.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

_OPSET = 17


def export_traced(
    network: nn.Module,
    example: tuple[Any, ...],
    inputs: Sequence[str],
    output: str,
    axes: Mapping[str, Mapping[int, str]],
    path: Path,
) -> None:
    """Write the graph. `axes` name the dimensions that vary, of each input and the output."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs packages that nothing else here does; tracing tells of sizes.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        plain = str(Path(folder) / "plain.onnx")
        torch.onnx.export(
            network.eval(),
            example,
            plain,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: dict(places) for name, places in axes.items()},
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
