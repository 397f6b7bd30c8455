"""Labelled texts from a folder of data sets, in the shapes the guide describes.

One example holds a text and what is known of it, column by column; what a set does not say stays
unknown. Groups (a template, a prompt, an attack) are kept together when sets are split. It does
not know what is learned from them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_guards.harness.sample import read_records

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "unsafe": (
        "unsafe",
        "hate",
        "harassment",
        "self_harm",
        "sexual",
        "sexual_minors",
        "violence",
        "illicit",
    ),
    "injection": ("injection", "direct", "indirect"),
    "refusal": ("refusal",),
}
"""The heads that read one text, and their columns: whether, and then of what kind."""

GENERATED = "generated/"
"""What the sources of texts of our own making begin with."""
# The moderation set's letters: S3 sexual content about minors, H2 and V2 the graver forms.
_MODERATION = {
    "H": "hate",
    "H2": "hate",
    "HR": "harassment",
    "SH": "self_harm",
    "S": "sexual",
    "S3": "sexual_minors",
    "V": "violence",
    "V2": "violence",
}
# Harmful requests and models' answers are no attempts to take a model over.
NO_ATTACK = {f"injection/{column}": 0.0 for column in COLUMNS["injection"]}
NO_HARM = {f"unsafe/{column}": 0.0 for column in COLUMNS["unsafe"]}


@dataclass(frozen=True, slots=True)
class Example:
    """One text and its known columns, as head/column to 0.0 or 1.0.

    `source` is the set it comes from, `group` what must stay on one side of a split.
    """

    text: str
    labels: Mapping[str, float]
    source: str
    group: str = field(default="")


def read_examples(folder: Path) -> list[Example]:
    """Every example of the folders `unsafe`, `injection` and `refusal`, repeated texts once.

    Raises ConfigError when the folder holds none or a line cannot be read.
    """
    found: dict[tuple[str, str], Example] = {}
    for task in COLUMNS:
        for path in sorted((folder / task).glob("*.jsonl*")):
            source = f"{task}/{path.name.partition('.')[0]}"
            for _, record in read_records(path):
                example = _READERS[task](record, source)
                found.setdefault((example.text, task), example)
    for example in _read_prompts(folder / "refusal"):
        found.setdefault((example.text, "prompt"), example)
    if not found:
        raise ConfigError("--data", str(folder), "name a folder of unsafe/, injection/, refusal/")
    return list(found.values())


def is_held_out(example: Example, percent: int, salt: str = "held out") -> bool:
    """Whether an example's group belongs to the `percent` of groups that are kept from training."""
    key = f"{salt}\0{example.source}\0{example.group or example.text}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest()) % 100 < percent


def _read_unsafe(record: Mapping[str, Any], source: str) -> Example:
    labels = {"unsafe/unsafe": float(record["label"])}
    for letter, value in record.get("categories", {}).items():
        column = f"unsafe/{_MODERATION[letter]}"
        labels[column] = max(float(value), labels.get(column, 0.0))
    if record["label"] == 0:
        labels |= NO_HARM
    elif source in ("unsafe/mitre", "unsafe/interpreter_abuse"):
        labels["unsafe/illicit"] = 1.0
    group = str(record.get("functionality", ""))
    return Example(record["text"], labels | NO_ATTACK, source, group)


def _read_injection(record: Mapping[str, Any], source: str) -> Example:
    label = float(record["label"])
    kind = "indirect" if source.endswith("indirect") else "direct"
    labels = {"injection/injection": label, f"injection/{kind}": label}
    if not label:
        labels |= NO_ATTACK | NO_HARM
    return Example(record["text"], labels, source, str(record.get("attack") or ""))


def _read_refusal(record: Mapping[str, Any], source: str) -> Example:
    labels = {"refusal/refusal": float(record["label"])} | NO_ATTACK
    if record["label"]:
        labels |= NO_HARM
    # The prompt is the group, whichever model answered it.
    return Example(record["reply"], labels, source, str(record.get("prompt", "")))


def _read_prompts(folder: Path) -> Iterator[Example]:
    """What was asked in the sets of replies: no attack, and harmless where most models answered."""
    refused: dict[tuple[str, str], list[float]] = {}
    for path in sorted(folder.glob("*.jsonl*")):
        family = path.name.partition(".")[0].partition("_")[0]
        for _, record in read_records(path):
            if record.get("prompt"):
                refused.setdefault((family, record["prompt"]), []).append(float(record["label"]))
    for (family, prompt), labels in refused.items():
        is_harmless = len(labels) > 1 and sum(labels) < len(labels) / 2
        known = NO_ATTACK | (NO_HARM if is_harmless else {})
        yield Example(prompt, known, f"refusal/prompts_{family}", prompt)


_READERS = {"unsafe": _read_unsafe, "injection": _read_injection, "refusal": _read_refusal}
