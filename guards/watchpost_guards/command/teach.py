"""`watchpost guards teach EXAMPLES`: a user's own labels learned, measured and written to a file.

The shell around `models.labels`: it prints how well each label is told on examples that were held
back, beside what trivial rules reach, and what to write into a policy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.errors import ConfigError

if TYPE_CHECKING:
    from watchpost_guards.models.labels import Example
    from watchpost_guards.models.logistic import Learned

_SHOWN = ("auc", "f1", "balanced_accuracy", "precision", "recall", "fpr")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards teach` can be told."""
    add = parser.add_argument
    lines = 'JSON lines of {"text", "label"}; the label "none" stands for anything else'
    add("examples", type=Path, metavar="EXAMPLES", help=lines)
    add("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    add("--seed", type=int, default=0, help="how examples are held back (%(default)s)")
    add("--json", action="store_true", help="print what was measured as JSON")


def run(args: argparse.Namespace) -> int:
    """Learn, measure, write and tell."""
    from watchpost_guards.models.folder import find_folder
    from watchpost_guards.models.labels import keep, read_examples, teach
    from watchpost_guards.models.reader import share_reader

    examples = read_examples("EXAMPLES", args.examples)
    reader = share_reader(find_folder())
    learned = teach(reader, examples, args.seed)
    labels = keep(reader, learned)
    try:
        args.out.write_text(labels.dump(), "utf-8")
    except OSError as error:
        cure = f"name a file that can be written ({error.strerror})"
        raise ConfigError("--out", str(args.out), cure) from error
    told = {
        "file": str(args.out),
        "revision": labels.revision,
        "encoder": labels.encoder,
        "examples": len(examples),
        "labels": {name: _measure(examples, name, found) for name, found in learned.items()},
    }
    if args.json:
        json.dump(told, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        for line in _tell(told):
            sys.stdout.write(f"{line}\n")
    return 0


def _measure(examples: Sequence[Example], name: str, found: Learned) -> dict[str, Any]:
    """A label's figures on examples held back, and those of rules that learn nothing."""
    from dataclasses import asdict

    import numpy as np

    from watchpost.screening.guard import Question
    from watchpost_guards.harness.baselines import measure_baselines
    from watchpost_guards.harness.measures import measure
    from watchpost_guards.harness.sample import Sample

    positive = np.array([example.label == name for example in examples])
    figures = asdict(measure(found.unseen, positive, found.unseen >= found.threshold))
    samples = [
        Sample(
            Question(example.text),
            example.label == name,
            None,
            # The words of the label's other examples: what a list of words would know.
            " ".join(e.text for e in examples if e.label == name and e is not example),
            (),
            "",
            0,
        )
        for example in examples
    ]
    baselines = {key: asdict(value) for key, value in measure_baselines(samples).items()}
    return {**figures, "threshold": found.threshold, "baselines": baselines}


def _tell(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['examples']} examples; figures are of examples held back from learning"
    yield f"{'label':<24}{'examples':>9}" + "".join(f"{_name(key):>11}" for key in _SHOWN)
    for name, found in told["labels"].items():
        yield f"{name[:23]:<24}{found['positives']:>9}{_row(found)}"
        for key, baseline in found["baselines"].items():
            yield f"  {key.replace('_', ' ')[:21]:<22}{'':>9}{_row(baseline)}"
    yield f"written to {told['file']}, for models {told['encoder']}. Write into the policy:"
    yield f'    watchpost.Policy(flag=[Custom(file="{told["file"]}")])'
    yield "or, in a file:"
    yield "    guards:"
    yield f"      custom: {{action: flag, settings: {{file: {told['file']}}}}}"


def _name(key: str) -> str:
    return {"balanced_accuracy": "balanced"}.get(key, key)


def _row(figures: Mapping[str, Any]) -> str:
    shown = (figures.get(key) for key in _SHOWN)
    return "".join(f"{'-' if value is None else f'{value:.3f}':>11}" for value in shown)
