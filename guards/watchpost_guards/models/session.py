"""How every graph of the package is run: on a few cores of the caller's machine, and quietly."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_THREADS = 2
# What it puts in place of an addition and a norm is slower than the two: it does not vectorise.
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


def open_session(graph: bytes) -> "InferenceSession":
    """A session of ONNX Runtime on the CPU, shared by the threads that ask it."""
    # Heavy to import, and only wanted once a text is judged.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    # Threads that spin while they wait would take the caller's cores between two checks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_SLOW_FUSIONS,
    )
