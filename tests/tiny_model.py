"""A model small enough to make in a test, written and read by the code that ships.

One layer over sixteen numbers a word. Its heads look for one word each, so that a test can say
what they must answer; every file is the real kind.
"""

import hashlib
import json
from pathlib import Path

import numpy
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from watchpost_guards.models.bundle import FILES, FORMAT, TOKENIZER
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.train.graph import export_graphs

SIZE, INNER = 16, 32
COLUMNS = {
    "unsafe": {"unsafe": "bomb", "hate": "scum", "illicit": "bomb"},
    "injection": {"injection": "ignore", "direct": "ignore", "indirect": "document"},
    "refusal": {"refusal": "sorry"},
}
WORDS = ("bomb", "scum", "ignore", "document", "sorry", "a", "calm", "day", "by", "the", "sea")


def make_model(folder: Path, *, width: int = 16, threshold: float = 0.5) -> Path:
    """Write a model into a folder: each column answers yes to its word and no to the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: n for n, word in enumerate(("[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / TOKENIZER))
    export_graphs(_make_weights(vocabulary), 2, 1, folder)
    heads = {
        name: {
            "labels": list(columns),
            "scale": [1.0] * len(columns),
            "shift": [0.0] * len(columns),
            "threshold": threshold,
        }
        for name, columns in COLUMNS.items()
    }
    write_manifest(folder, {"format": FORMAT, "width": width, "heads": heads})
    return folder


def write_manifest(folder: Path, manifest: dict[str, object]) -> None:
    """The manifest, with the digests of the files that lie beside it."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / MANIFEST).write_text(json.dumps({**manifest, "digests": digests}))


def _make_weights(vocabulary: dict[str, int]) -> dict[str, numpy.ndarray]:
    chance = numpy.random.default_rng(0)
    words = chance.normal(size=(len(vocabulary), SIZE))
    words = (words - words.mean(1, keepdims=True)) / words.std(1, keepdims=True)
    sought = [words[vocabulary[w]] for columns in COLUMNS.values() for w in columns.values()]
    weights = {
        "words.weight": words,
        "positions.weight": numpy.zeros((64, SIZE)),
        # The place where the column's word stands gets all attention, and it alone is weighed.
        "query": numpy.array(sought) * 2,
        "weight": numpy.hstack([numpy.array(sought), numpy.zeros((len(sought), SIZE))]),
        "bias": numpy.full(len(sought), -13.0),
        "bend_found": chance.normal(size=(SIZE, 4)),
        "bend_mean": chance.normal(size=(SIZE, 4)),
        "bend_bias": numpy.zeros(4),
        "bent": numpy.zeros((len(sought), 4)),
    }
    # A layer whose products are nothing hands its states on, normalised as they were.
    shapes = {"mixed": (3 * SIZE, SIZE), "joined": (SIZE, SIZE)}
    shapes |= {"wide": (INNER, SIZE), "narrow": (SIZE, INNER)}
    for part, shape in shapes.items():
        weights[f"layers.0.{part}.weight"] = chance.normal(size=shape) * 1e-3
        weights[f"layers.0.{part}.bias"] = numpy.zeros(shape[0])
    for norm in ("norm", "layers.0.norm", "layers.0.norm_out"):
        weights[f"{norm}.weight"], weights[f"{norm}.bias"] = numpy.ones(SIZE), numpy.zeros(SIZE)
    return {name: values.astype(numpy.float32) for name, values in weights.items()}
