"""A user's own labels: examples read and learned from, and the small file they are kept in.

A label's line is over the embedded encoder's frozen layers, so a file belongs to one encoder and is
refused with another. It does not know what a verdict is.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from watchpost.errors import ConfigError
from watchpost_guards.models.logistic import Learned, Line, Vectors, learn
from watchpost_guards.models.reader import Reader

FORMAT = 1
FEWEST = 5
"""Examples of a label, and of anything else: fewer can be neither learned from nor measured."""
NOTHING = frozenset(("", "none", "0", "false"))
"""What a label is called that stands for none of one's own."""
_DIGITS = 6
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what it is an example of; an empty label is none of one's own."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """One label's line over an encoder's vectors, and the probability from which on it trips."""

    name: str
    line: Line
    threshold: float


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels learned together, and the revision of the encoder they belong to."""

    encoder: str
    labels: tuple[Label, ...]

    def dump(self) -> str:
        """What `read_labels` reads."""
        written = [
            {
                "name": label.name,
                "threshold": label.threshold,
                "bias": round(label.line.bias, _DIGITS),
                "weights": [round(float(value), _DIGITS) for value in label.line.weights],
            }
            for label in self.labels
        ]
        return json.dumps({"format": FORMAT, "encoder": self.encoder, "labels": written})

    @property
    def revision(self) -> str:
        """Changes whenever a text could be judged differently."""
        return hashlib.sha256(self.dump().encode()).hexdigest()[:12]


def read_labels(setting: str, path: Path) -> Labels:
    """Labels from a file. Raises ConfigError about `setting` for a file that holds none."""
    try:
        with path.open("rb") as opened:
            source = opened.read(_MOST_BYTES)
        given = json.loads(source)
        if given["format"] != FORMAT:
            raise ValueError("another format")
        return Labels(str(given["encoder"]), tuple(_read_label(item) for item in given["labels"]))
    except OSError as error:
        cure = f"name a file that can be read ({error.strerror})"
        raise ConfigError(setting, str(path), cure) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        cure = "name a file written by `watchpost guards teach`"
        raise ConfigError(setting, str(path), cure) from error


def read_examples(setting: str, given: Path | Iterable[Any]) -> list[Example]:
    """Examples from JSON lines, or from pairs or mappings of `text` and `label`.

    Raises ConfigError about `setting` for what is none, and where there are too few.
    """
    records = _read_lines(setting, given) if isinstance(given, Path) else enumerate(given, 1)
    examples = []
    for place, record in records:
        text, label = _open_record(record)
        if not isinstance(text, str) or not text.strip() or not isinstance(label, str | int | None):
            cure = 'write {"text": ..., "label": ...}, or a pair of both'
            raise ConfigError(setting, f"example {place}", cure)
        name = "" if label is None else str(label).strip()
        examples.append(Example(text, "" if name.lower() in NOTHING else name))
    for name in sorted({example.label for example in examples} - {""}) or [""]:
        own = sum(example.label == name for example in examples)
        if not name or min(own, len(examples) - own) < FEWEST:
            told = f"{own} of {len(examples)} examples are {name!r}" if name else "no label"
            cure = f"give {FEWEST} examples or more of each label, and of anything else"
            raise ConfigError(setting, told, cure)
    return examples


def teach(reader: Reader, examples: Sequence[Example], seed: int = 0) -> dict[str, Learned]:
    """What was learned of every label; the others' examples are examples of what it is not."""
    vectors = np.stack([_average(reader, example.text) for example in examples])
    names = sorted({example.label for example in examples} - {""})
    return {
        name: learn(vectors, np.array([example.label == name for example in examples]), seed)
        for name in names
    }


def keep(reader: Reader, learned: Mapping[str, Learned]) -> Labels:
    """What was learned, as it is used and written down."""
    labels = (Label(name, found.line, found.threshold) for name, found in learned.items())
    return Labels(reader.bundle.revision, tuple(labels))


def see(reader: Reader, text: str) -> tuple[list[tuple[int, int]], Vectors]:
    """The windows of a text by their places, each as one vector of length one."""
    places, rows = [], []
    for seen in reader.read_states(text):
        # The encoder's own marks at both ends belong to no word.
        inner = seen.states[1:-1] if len(seen.states) > 2 else seen.states
        places.append((seen.window.start, seen.window.end))
        rows.append(_normalise(inner.astype(np.float64).mean(0)))
    return places, np.stack(rows)


def _average(reader: Reader, text: str) -> Vectors:
    return _normalise(see(reader, text)[1].mean(0))


def _normalise(vector: Vectors) -> Vectors:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def _read_label(given: Mapping[str, Any]) -> Label:
    line = Line(np.array(given["weights"], dtype=np.float64), float(given["bias"]))
    if line.weights.ndim != 1 or not np.isfinite(line.weights).all():
        raise ValueError("weights are a row of numbers")
    return Label(str(given["name"]), line, float(given["threshold"]))


def _open_record(record: Any) -> tuple[Any, Any]:
    if isinstance(record, Example):
        return record.text, record.label
    if isinstance(record, Mapping):
        return record.get("text"), record.get("label", ...)
    if isinstance(record, list | tuple) and len(record) == 2:
        return record[0], record[1]
    return None, None


def _read_lines(setting: str, path: Path) -> Iterable[tuple[int, Any]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cure = "name a file of JSON lines that can be read"
        raise ConfigError(setting, str(path), cure) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                cure = 'write {"text": ..., "label": ...} into each line'
                raise ConfigError(setting, f"{path}:{number}", cure) from error
