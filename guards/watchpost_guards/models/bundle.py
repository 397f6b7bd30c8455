"""A trained model on disk: two graphs, a tokenizer, and what the second graph's outputs mean.

The first graph, the frozen layers, says of each token in which state it is; the second makes of a
window's states what the heads say. Whoever needs states alone is spared the second. The files lie
in one folder, written by `watchpost_guards.train` and read here. The manifest names the digests of
the others, so that a revision can be told without reading them and a mixed-up folder is refused. It
does not know what a verdict is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

from watchpost_guards.models.folder import ModelFolder

STATES_GRAPH, HEADS_GRAPH, TOKENIZER = "states.onnx", "heads.onnx", "tokenizer.json"
FILES = (STATES_GRAPH, HEADS_GRAPH, TOKENIZER)
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Head:
    """One question the model answers: its columns in `logits` and their calibration.

    A column's logit becomes a probability as `sigmoid(scale * logit + shift)`, fitted on held-out
    text. The first label decides whether the text trips at `threshold`; the others say of what
    kind it is.
    """

    name: str
    first: int
    labels: tuple[str, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    threshold: float

    def calibrate(self, column: int, logit: float) -> float:
        """The probability of one of the head's columns, counted from its first."""
        value = self.scale[column] * logit + self.shift[column]
        return 1 / (1 + exp(-value)) if value > -700 else 0.0


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder that holds a model, its heads by name, and the width of its windows in tokens."""

    folder: Path
    heads: Mapping[str, Head]
    width: int
    revision: str
    digests: Mapping[str, str]

    def read_file(self, name: str) -> bytes:
        """One of the folder's files. Raises ConfigError when it is not the manifest's."""
        return _at(self.folder).read_file(name, self.digests[name])


def open_bundle(folder: Path) -> Bundle:
    """What a folder's manifest says. Raises ConfigError when there is none or it cannot be used."""
    (heads, width, digests), revision = _at(folder).read_manifest(_read_manifest)
    return Bundle(folder, heads, width, revision, digests)


def _at(folder: Path) -> ModelFolder:
    return ModelFolder(folder, "model", "watchpost_guards.train")


def _read_manifest(manifest: Any) -> tuple[dict[str, Head], int, dict[str, str]]:
    if manifest["format"] != FORMAT:
        raise ValueError("another format")
    heads: dict[str, Head] = {}
    first = 0
    for name, given in manifest["heads"].items():
        labels = tuple(str(label) for label in given["labels"])
        scale = tuple(float(value) for value in given["scale"])
        shift = tuple(float(value) for value in given["shift"])
        if not len(labels) == len(scale) == len(shift) > 0:
            raise ValueError("a head's labels and calibration differ in number")
        heads[name] = Head(name, first, labels, scale, shift, float(given["threshold"]))
        first += len(labels)
    digests = {name: str(manifest["digests"][name]) for name in FILES}
    return heads, int(manifest["width"]), digests
