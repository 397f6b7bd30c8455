"""The trained encoder as two ONNX graphs with 8-bit weights, as the run time reads them.

Written node by node: they are the same whatever exporter a torch release brings, and attention
is one node that ONNX Runtime computes fused. Weights of the large products and the word embeddings
are 8-bit; the heads keep full precision. It knows weights by name as arrays, and neither torch nor
how they were learned.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnx.utils
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from watchpost_guards.models.bundle import HEADS_GRAPH, STATES_GRAPH

Weights = Mapping[str, NDArray[numpy.float32]]
"""The encoder's arrays: `words.weight`, `layers.0.mixed.weight` and so on, as torch names them."""

_OPSET = 20
_EPSILON = 1e-12


def export_graphs(
    weights: Weights, heads: int, frozen: int, folder: Path, *, is_plain: bool = False
) -> None:
    """Write the encoder, with `heads` attention heads a layer, and its columns, quantised.

    Its first `frozen` layers are a graph of their own, whose output `states` the other takes.
    `is_plain` leaves the weights at full precision.
    """
    graph = _Graph(weights)
    _write_encoder(graph, heads, frozen)
    whole = graph.finish(len(weights["bias"]))
    parts = onnx.utils.Extractor(whole if is_plain else _quantise(graph, whole))
    for name, inputs, output in (
        (STATES_GRAPH, ["input_ids", "attention_mask"], "states"),
        (HEADS_GRAPH, ["states", "attention_mask"], "logits"),
    ):
        onnx.save(parts.extract_model(inputs, [output]), str(folder / name))


def _quantise(graph: "_Graph", whole: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        plain, path = Path(folder) / "plain.onnx", Path(folder) / "quantised.onnx"
        onnx.save(whole, str(plain))
        quantize_dynamic(
            str(plain),
            str(path),
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
            nodes_to_exclude=[name for name in graph.names if name.startswith("head")],
        )
        return onnx.load(str(path))


class _Graph:
    """Nodes and weights as they are added, each node's output named like the node."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.size = len(weights["norm.weight"])
        self.nodes: list[onnx.NodeProto] = []
        self.held: list[onnx.TensorProto] = []
        self.names: list[str] = []

    def add(self, kind: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        self.names.append(name)
        node = helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def hold(self, name: str, values: NDArray[numpy.generic]) -> str:
        self.held.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def finish(self, columns: int) -> onnx.ModelProto:
        whole = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["windows", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        shapes: dict[str, list[str | int | None]] = {
            "logits": ["windows", columns],
            "states": ["windows", "tokens", self.size],
        }
        answers = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        graph = helper.make_graph(self.nodes, "watchpost", whole, answers, self.held)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="watchpost")
        model.ir_version = 10
        onnx.checker.check_model(model)
        return model


def _write_encoder(graph: _Graph, heads: int, frozen: int) -> None:
    graph.hold("words", graph.weights["words.weight"])
    graph.hold("positions", graph.weights["positions.weight"])
    for number, name in enumerate(("zero", "one", "two")):
        graph.hold(name, numpy.array([number]))
    graph.add("Shape", "shape", "input_ids")
    graph.add("Slice", "length", "shape", "one", "two")
    graph.add("Slice", "placed", "positions", "zero", "length", "zero")
    graph.add("Gather", "worded", "words", "input_ids")
    graph.add("Add", "embedded", "worded", "placed")
    states = _normalise(graph, "norm", "embedded")
    graph.add("Cast", "mask32", "attention_mask", to=TensorProto.INT32)
    number = 0
    while f"layers.{number}.mixed.weight" in graph.weights:
        states = _write_layer(graph, f"layers.{number}", heads, states)
        number += 1
        if number == frozen:
            states = graph.add("Identity", "states", states)
    _write_heads(graph, states)


def _write_layer(graph: _Graph, name: str, heads: int, states: str) -> str:
    parts = _multiply(graph, f"{name}.mixed", states)
    graph.hold(f"{name}.thirds", numpy.array([graph.size] * 3))
    split = [f"{name}.{part}" for part in ("query", "key", "value")]
    graph.nodes.append(
        helper.make_node("Split", [parts, f"{name}.thirds"], split, f"{name}.split", axis=-1)
    )
    graph.add(
        "MultiHeadAttention",
        f"{name}.seen",
        *(*split, "", "mask32"),
        domain="com.microsoft",
        num_heads=heads,
    )
    joined = _multiply(graph, f"{name}.joined", f"{name}.seen")
    graph.add("Add", f"{name}.sum", states, joined)
    states = _normalise(graph, f"{name}.norm", f"{name}.sum")
    wide = _multiply(graph, f"{name}.wide", states)
    graph.add("Gelu", f"{name}.gelu", wide)
    inner = _multiply(graph, f"{name}.narrow", f"{name}.gelu")
    graph.add("Add", f"{name}.sum_out", states, inner)
    return _normalise(graph, f"{name}.norm_out", f"{name}.sum_out")


def _write_heads(graph: _Graph, states: str) -> None:
    graph.hold("head_query", graph.weights["query"].T)
    graph.hold("head_weight_found", graph.weights["weight"][:, : graph.size])
    graph.hold("head_weight_mean", graph.weights["weight"][:, graph.size :])
    for name in ("bias", "bend_found", "bend_mean", "bend_bias", "bent"):
        graph.hold(f"head_{name}", graph.weights[name])
    graph.hold("unseen", numpy.array(-1e4, dtype=numpy.float32))
    graph.hold("whole", numpy.array(1.0, dtype=numpy.float32))
    graph.add("Cast", "present", "attention_mask", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", "present3", "present", "two")
    graph.add("Sub", "absent", "whole", "present3")
    graph.add("Mul", "hidden", "absent", "unseen")
    graph.add("MatMul", "head_scores", states, "head_query")
    graph.add("Add", "head_masked", "head_scores", "hidden")
    graph.add("Softmax", "head_share", "head_masked", axis=1)
    graph.add("Transpose", "head_turned", "head_share", perm=[0, 2, 1])
    graph.add("MatMul", "head_found", "head_turned", states)
    graph.add("Mul", "head_weighed", "head_found", "head_weight_found")
    graph.add("ReduceSum", "head_first", "head_weighed", "two", keepdims=0)
    graph.add("Mul", "head_kept", states, "present3")
    graph.add("ReduceSum", "head_total", "head_kept", "one", keepdims=1)
    graph.add("ReduceSum", "head_count", "present3", "one", keepdims=1)
    graph.add("Div", "head_mean", "head_total", "head_count")
    graph.add("Mul", "head_mean_weighed", "head_mean", "head_weight_mean")
    graph.add("ReduceSum", "head_second", "head_mean_weighed", "two", keepdims=0)
    graph.add("Add", "head_both", "head_first", "head_second")
    _write_bends(graph)
    graph.add("Add", "head_all", "head_both", "head_third")
    graph.add("Add", "logits", "head_all", "head_bias")


def _write_bends(graph: _Graph) -> None:
    """The curved features of what each column found and of the whole text, weighed."""
    graph.add("MatMul", "head_bent_found", "head_found", "head_bend_found")
    graph.add("MatMul", "head_bent_mean", "head_mean", "head_bend_mean")
    graph.add("Add", "head_bent_both", "head_bent_found", "head_bent_mean")
    graph.add("Add", "head_bent_sum", "head_bent_both", "head_bend_bias")
    graph.add("Gelu", "head_bends", "head_bent_sum")
    graph.add("Mul", "head_bends_weighed", "head_bends", "head_bent")
    graph.add("ReduceSum", "head_third", "head_bends_weighed", "two", keepdims=0)


def _multiply(graph: _Graph, name: str, states: str) -> str:
    graph.hold(f"{name}.weight", graph.weights[f"{name}.weight"].T)
    graph.hold(f"{name}.bias", graph.weights[f"{name}.bias"])
    graph.add("MatMul", f"{name}.product", states, f"{name}.weight")
    return graph.add("Add", name, f"{name}.product", f"{name}.bias")


def _normalise(graph: _Graph, name: str, states: str) -> str:
    graph.hold(f"{name}.weight", graph.weights[f"{name}.weight"])
    graph.hold(f"{name}.bias", graph.weights[f"{name}.bias"])
    return graph.add(
        "LayerNormalization",
        name,
        *(states, f"{name}.weight", f"{name}.bias"),
        axis=-1,
        epsilon=_EPSILON,
    )
