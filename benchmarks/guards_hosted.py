"""A served classifier against a plain transformers pipeline, on one device, in the same run.

Random weights of BERT-base and DeBERTa-v3-base size (what a model has learned costs no time), texts
of 32, 128 and 512 tokens, several callers at once. `alone` is one text at a time through the
pipeline, `batched` the pipeline given the texts in lists of the same size as there are callers,
`served` each caller's texts through our batches. Where torch is not installed it runs in the
environment of `make hub`, which is built once and computes on a CPU.

    python benchmarks/guards_hosted.py --device cpu [--sizes small] [--seconds 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOKENS = (32, 128, 512)
SIZES = {
    "small": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072},
}
ARCHITECTURES = {
    "BERT": ("BertConfig", "BertForSequenceClassification", {}),
    "DeBERTa-v3": (
        "DebertaV2Config",
        "DebertaV2ForSequenceClassification",
        {
            "relative_attention": True,
            "position_buckets": 256,
            "pos_att_type": ["p2c", "c2p"],
            "type_vocab_size": 0,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
    ),
}
WORDS = 30_000


@dataclass(frozen=True, slots=True)
class Row:
    """One way of asking one model about texts of one length."""

    model: str
    tokens: int
    way: str
    texts_a_second: float
    p50_ms: float
    p95_ms: float


def make_model(folder: Path, architecture: str, size: str) -> Path:
    """Random weights of that shape with a tokenizer of one word a token, in the hub's format."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    config_class, model_class, more = ARCHITECTURES[architecture]
    torch.manual_seed(0)
    shape = SIZES[size]
    config = getattr(transformers, config_class)(
        vocab_size=WORDS,
        num_attention_heads=shape["hidden_size"] // 64,
        max_position_embeddings=520,
        id2label={0: "good", 1: "bad"},
        pad_token_id=0,
        **shape,
        **more,
    )
    getattr(transformers, model_class)(config).save_pretrained(folder)
    marks = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    words = {f"w{number}": number for number in range(4, WORDS)}
    tokenizer = Tokenizer(models.WordLevel({**marks, **words}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    return folder


def make_text(number: int, tokens: int) -> str:
    """A text of so many tokens, the two marks counted, that nobody asked about before."""
    return " ".join(
        f"w{4 + (number * 7919 + place * 31) % (WORDS - 4)}" for place in range(tokens - 2)
    )


def time_calls(
    ask: Callable[[Sequence[str]], object], tokens: int, group: int, callers: int, seconds: float
) -> tuple[float, list[float]]:
    """Texts a second of all callers, and how long each call took, in milliseconds."""
    ask([make_text(-number, tokens) for number in range(1, group + 1)])
    spent: list[float] = []
    stop = time.perf_counter() + seconds
    began = time.perf_counter()

    def call(caller: int) -> None:
        number = caller * 1_000_000
        while time.perf_counter() < stop:
            texts = [make_text(number + place, tokens) for place in range(group)]
            number += group
            before = time.perf_counter()
            ask(texts)
            spent.append((time.perf_counter() - before) * 1000)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(spent) * group / (time.perf_counter() - began), spent


def measure(folder: Path, model: str, given: argparse.Namespace) -> list[Row]:
    """The three ways for each length."""
    rows = []
    pipeline = open_pipeline(folder, given.device)
    for tokens in TOKENS:
        ways: list[tuple[str, Any, int, int]] = [
            ("alone", pipeline, 1, 1),
            ("batched", lambda texts: pipeline(texts, batch_size=len(texts)), given.callers, 1),
        ]
        rows += [time_way(model, tokens, way, given) for way in ways]
    served = Served(folder, given)
    try:
        for tokens in TOKENS:
            way = ("served", lambda texts: served.ask(texts[0]), 1, given.callers)
            rows.append(time_way(model, tokens, way, given))
    finally:
        served.close()
    return sorted(rows, key=lambda row: row.tokens)


def time_way(
    model: str, tokens: int, way: tuple[str, Any, int, int], given: argparse.Namespace
) -> Row:
    """One row of the table."""
    name, ask, group, callers = way
    rate, spent = time_calls(ask, tokens, group, callers, given.seconds)
    ordered = sorted(spent)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return Row(model, tokens, name, rate, statistics.median(ordered), p95)


def open_pipeline(folder: Path, device: str) -> Any:
    """What one writes without us, in the numbers and with the attention we use."""
    import transformers

    from watchpost_guards.service.hub import choose_dtype

    return transformers.pipeline(
        "text-classification",
        model=str(folder),
        device=device,
        dtype=choose_dtype(device, "auto"),
        truncation=True,
        max_length=512,
    )


class Served:
    """Our guard of the same folder, with its batches, called on its callers' threads."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        from watchpost_guards.service.batcher import Batcher
        from watchpost_guards.service.catalogue import Entry
        from watchpost_guards.service.hub import HubModel
        from watchpost_guards.service.judging import KINDS
        from watchpost_guards.service.meter import Meter
        from watchpost_guards.service.schedule import Bounds

        labels = {"bad": "bad"}
        entry = Entry("model", "classify", path=str(folder), labels=labels, harmless=("good",))
        self._batcher = Batcher(Bounds(batch_tokens=given.batch_tokens), Meter())
        model = HubModel(entry, given.device, "auto", self._batcher.widest)
        self._guard = KINDS["classify"](entry, model, self._batcher)

    def ask(self, text: str) -> None:
        """One verdict."""
        from watchpost.screening.guard import Question

        self._guard.check(Question(text))

    def close(self) -> None:
        """End the device's thread."""
        self._batcher.close()


def run_apart() -> int:
    """This program in an environment that has torch; what it returned."""
    sys.path.insert(0, str(ROOT / "tests"))
    from emitter_venvs import build_from

    python = build_from(ROOT / "tests" / "hub" / "requirements.txt")
    rooms = os.pathsep.join(str(ROOT / room) for room in ("sdk", "guards"))
    environment = {**os.environ, "PYTHONPATH": rooms}
    return subprocess.run([python, *sys.argv], env=environment, check=False).returncode


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="Served guards against a plain pipeline.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:NUMBER")
    parser.add_argument("--sizes", choices=tuple(SIZES), default="base", help="(%(default)s)")
    parser.add_argument("--callers", type=int, default=32, help="at once (%(default)s)")
    parser.add_argument("--batch-tokens", type=int, default=16_384, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    given = parser.parse_args()
    if find_spec("torch") is None or find_spec("transformers") is None:
        return run_apart()
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not given.json:
        print(f"{given.device}, {given.sizes}, {given.callers} callers")
        print(f"{'model':<12}{'tokens':>7} {'way':<9}{'texts/s':>9}{'p50 ms':>10}{'p95 ms':>10}")
    for model in ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="watchpost-hosted-") as place:
            for row in measure(make_model(Path(place), model, given.sizes), model, given):
                if given.json:
                    print(json.dumps({"device": given.device, **asdict(row)}))
                    continue
                print(
                    f"{row.model:<12}{row.tokens:>7} {row.way:<9}{row.texts_a_second:>9.1f}"
                    f"{row.p50_ms:>10.1f}{row.p95_ms:>10.1f}"
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
