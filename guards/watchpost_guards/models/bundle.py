"""A trained model on disk: a graph, a tokenizer, and what its outputs mean.

Three files in one folder, written by `watchpost_guards.train` and read here. The manifest names the
digest of the other two, so that a revision can be told without reading them and a mixed-up folder
is refused. It does not know what a verdict is.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import exp
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError

GRAPH, TOKENIZER, MANIFEST = "model.onnx", "tokenizer.json", "manifest.json"
SETTING = "WATCHPOST_GUARD_MODELS"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Head:
    """One question the model answers: its columns in the graph's output and their calibration.

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
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise _refuse(self.folder, f"its {name} cannot be read") from error
        if hashlib.sha256(content).hexdigest() != self.digests[name]:
            raise _refuse(self.folder, f"its {name} is not the one its manifest names")
        return content


def find_folder(part: str = "text") -> Path:
    """Where a part of the models lies: in the setting's folder, or in the one of the package."""
    given = os.environ.get(SETTING)
    return (Path(given) if given else Path(str(files("watchpost_guards"))) / "weights") / part


def open_bundle(folder: Path) -> Bundle:
    """What a folder's manifest says. Raises ConfigError when there is none or it cannot be used."""
    try:
        source = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise _refuse(folder, "it holds no model") from error
    try:
        return _read_manifest(folder, source)
    except (ValueError, KeyError, TypeError) as error:
        raise _refuse(folder, "its manifest cannot be read") from error


def _read_manifest(folder: Path, source: bytes) -> Bundle:
    manifest: dict[str, Any] = json.loads(source)
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
    digests = {name: str(manifest["digests"][name]) for name in (GRAPH, TOKENIZER)}
    revision = hashlib.sha256(source).hexdigest()[:12]
    return Bundle(folder, heads, int(manifest["width"]), revision, digests)


def _refuse(folder: Path, trouble: str) -> ConfigError:
    return ConfigError(
        SETTING,
        str(folder),
        # Not beside the value: a long path is cut when it is shown, and the reason went with it.
        f"name a folder written by `python -m watchpost_guards.train` ({trouble})",
    )
