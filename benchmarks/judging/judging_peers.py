"""What `benchmarks/guards.py` compares with: a model for each guard, and Presidio's patterns.

Each maker gives functions that judge one message, by name, and says what was left out and why. It
does not know what is measured with them.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Judges = dict[str, Callable[[str], Any]]
Skipped = dict[str, str]

MODELS_EACH = 4
"""A model each for pii, unsafe, injection and refusal."""
_LABELS = 8


@dataclass(frozen=True, slots=True)
class Size:
    """An encoder people use for guards, as its published configuration has it."""

    name: str
    kind: str
    layers: int
    hidden: int
    inner: int
    heads: int
    words: int


SIZES = (
    Size("DeBERTa-v3-base", "deberta-v2", 12, 768, 3072, 12, 128_100),
    Size("RoBERTa-base", "roberta", 12, 768, 3072, 12, 50_265),
    Size("BERT-base", "bert", 12, 768, 3072, 12, 30_522),
    Size("MiniLM-L6", "bert", 6, 384, 1536, 12, 30_522),
)


def make_presidio(_: Path, __: int) -> tuple[Judges, Skipped]:
    """The pattern recognisers of Presidio's own registry for English, without its engine."""
    if find_spec("presidio_analyzer") is None:
        return {}, {"Presidio": "presidio-analyzer is not installed"}
    from presidio_analyzer import PatternRecognizer, RecognizerRegistry

    # One of them would like a list from the web, and does without.
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    found = [item for item in registry.recognizers if isinstance(item, PatternRecognizer)]

    def judge(text: str) -> None:
        for recogniser in found:
            recogniser.analyze(text, recogniser.supported_entities)

    return {f"Presidio, {len(found)} pattern recognisers": judge}, {}


def make_separate_models(tokenizer: Path, threads: int) -> tuple[Judges, Skipped]:
    """Encoders of known sizes with random weights, each asked once a guard."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        return {}, {"models of their own": f"{' and '.join(missing)} not installed"}
    import torch

    torch.set_num_threads(threads)
    judges: Judges = {}
    skipped: Skipped = {}
    lacks_onnx = any(find_spec(name) is None for name in ("onnx", "onnxruntime"))
    for size in SIZES:
        model = _build(size)
        read = _make_reader(tokenizer)
        judges[f"{MODELS_EACH} x {size.name}, torch"] = _ask_torch(model, read)
        name = f"{MODELS_EACH} x {size.name}, ONNX int8"
        if lacks_onnx:
            skipped[name] = "onnx is not installed"
            continue
        try:
            judges[name] = _ask_onnx(model, read, threads)
        except Exception as error:
            skipped[name] = f"it cannot be exported here ({type(error).__name__})"
    return judges, skipped


def _build(size: Size) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    more: dict[str, Any] = {}
    if size.kind == "deberta-v2":
        # What makes the third version: places seen from each other, in both directions.
        more = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
        more |= {"position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True}
        more |= {"position_biased_input": False, "max_position_embeddings": 512}
    elif size.kind == "roberta":
        more = {"max_position_embeddings": 514, "type_vocab_size": 1}
    config = AutoConfig.for_model(
        size.kind,
        vocab_size=size.words,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.inner,
        num_labels=_LABELS,
        **more,
    )
    return AutoModelForSequenceClassification.from_config(config).eval()


def _make_reader(path: Path) -> Callable[[str], tuple[list[int], list[int]]]:
    """Ids of a message and their mask; every family's tokens are about as many."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))

    def read(text: str) -> tuple[list[int], list[int]]:
        ids = tokenizer.encode(text).ids
        return ids, [1] * len(ids)

    return read


def _ask_torch(model: Any, read: Callable[[str], tuple[list[int], list[int]]]) -> Any:
    import torch

    def judge(text: str) -> None:
        for _ in range(MODELS_EACH):
            ids, mask = read(text)
            with torch.inference_mode():
                model(input_ids=torch.tensor([ids]), attention_mask=torch.tensor([mask]))

    return judge


def _ask_onnx(model: Any, read: Callable[[str], tuple[list[int], list[int]]], threads: int) -> Any:
    import numpy
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    ids = torch.ones((1, 128), dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        names = ["input_ids", "attention_mask"]
        axes = {name: {1: "tokens"} for name in names}
        torch.onnx.export(
            model,
            (ids, torch.ones_like(ids)),
            str(whole),
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            small.read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def judge(text: str) -> None:
        for _ in range(MODELS_EACH):
            told, mask = read(text)
            row, shown = numpy.array([told]), numpy.array([mask])
            session.run(None, {"input_ids": row, "attention_mask": shown})

    return judge
