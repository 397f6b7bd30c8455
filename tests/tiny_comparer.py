"""A comparer small enough to make in a test: it doubts words that stand nowhere in the documents.

The graph and its manifest are of the real kind, read by the code that ships.
"""

import hashlib
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from tiny_model import SIZE

from watchpost_guards.models.comparer import FORMAT, GRAPH
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.models.pairs import ABSENT


def make_comparer(folder: Path, *, threshold: float = 0.5) -> Path:
    """Write a comparer into a folder, for the states of `tiny_model`."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {"last_known": ABSENT - 1}
    held = [helper.make_tensor(n, TensorProto.INT64, [1], [value]) for n, value in numbers.items()]
    held += [
        helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
        for name, value in (("yes", 4.0), ("no", -9.0))
    ]
    nodes = [
        helper.make_node("Greater", ["kinds", "last_known"], ["absent"]),
        helper.make_node("Where", ["absent", "yes", "no"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, of, [1, side, *size])
        for name, of, side, size in (
            ("claim", TensorProto.FLOAT, "claim", [SIZE]),
            ("kinds", TensorProto.INT64, "claim", []),
            ("evidence", TensorProto.FLOAT, "evidence", [SIZE]),
        )
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "claim"])
    graph = helper.make_graph(nodes, "tiny", inputs, [output], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, str(folder / GRAPH))
    digest = hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()
    manifest = {"scale": 1.0, "shift": 0.0, "threshold": threshold, "digests": {GRAPH: digest}}
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, **manifest}))
    return folder
