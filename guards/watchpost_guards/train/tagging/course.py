"""The whole course of a training of the tagger: texts, learning, export, thresholds, card.

Thresholds are chosen with the exported 8-bit network, on texts whose templates were not learned
from. It does not know what single parts do.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from tokenizers import Tokenizer

from watchpost.errors import ConfigError
from watchpost_guards.harness.spans import SpanFigures
from watchpost_guards.models.bundle import STATES_GRAPH, TOKENIZER, open_bundle
from watchpost_guards.models.reader import share_reader
from watchpost_guards.models.tagger import GRAPH, Kind, Tagger
from watchpost_guards.pii import LEARNED
from watchpost_guards.train.tagging.card import Figures, write_card
from watchpost_guards.train.tagging.composing import compose, load_stock
from watchpost_guards.train.tagging.export import export_network, write_manifest
from watchpost_guards.train.tagging.judging import (
    choose_thresholds,
    find_capitalised,
    find_sure,
    measure_finder,
)
from watchpost_guards.train.tagging.labelled import HELD_OUT, group_templates, read_labelled
from watchpost_guards.train.tagging.learning import Plan, fit, read_windows
from watchpost_guards.train.tagging.passages import Passage
from watchpost_guards.train.tagging.prose import read_sentences

FIGURES = "figures.json"
_JOINS, _THRESHOLD, _SCALE = 0.35, 0.5, 1.0
_OWN_HELD_OUT = 8
# So many texts of other templates suffice to choose a threshold by.
_MEASURED = 1500


@dataclass(frozen=True, slots=True)
class Course:
    """What to train on and how. `apart` keeps all labelled sets from learning.

    `text` is the folder of the encoder whose states are learned from, `beside` the folder of an
    earlier run whose figures go into the card as well.
    """

    data: Path
    text: Path
    out: Path
    beside: Path | None
    apart: bool
    count: int
    repeats: int
    threads: int
    plan: Plan
    command: str


def run_course(course: Course, tell: Callable[[str], None]) -> None:
    """Train, export, choose thresholds, measure, and write it all to the course's folder."""
    torch.set_num_threads(course.threads)
    course.out.mkdir(parents=True, exist_ok=True)
    sentences = read_sentences(course.data)
    if not sentences:
        raise ConfigError("--data", str(course.data), "name a folder with texts to borrow from")
    stock = load_stock(sentences, course.plan.seed)
    grouped = group_templates(compose(stock, course.count, course.plan.seed), _OWN_HELD_OUT)
    labelled = group_templates(read_labelled(course.data), HELD_OUT)
    learned = grouped[False] + ([] if course.apart else labelled[False] * course.repeats)
    tell(f"{len(learned)} texts to learn from")
    bundle = open_bundle(course.text)
    tokenizer = Tokenizer.from_buffer(bundle.read_file(TOKENIZER))
    session = onnxruntime.InferenceSession(bundle.read_file(STATES_GRAPH), _quiet(course.threads))
    windows = read_windows(session, tokenizer, learned, LEARNED, bundle.width)
    tell(f"{len(windows.states)} tokens read")
    network = fit(windows, LEARNED, course.plan, tell)
    export_network(network, course.out / GRAPH)
    kinds = tuple(Kind(label, _JOINS, _THRESHOLD, _SCALE) for label in LEARNED)
    write_manifest(course.out, kinds)
    reader = share_reader(course.text)
    rng = random.Random(course.plan.seed)  # noqa: S311
    kept = rng.sample(grouped[True], min(_MEASURED, len(grouped[True])))
    choosing = kept if course.apart else kept + labelled[True]
    kinds = choose_thresholds(Tagger(course.out, reader), kinds, choosing)
    write_manifest(course.out, kinds)
    tagger = Tagger(course.out, reader)
    figures = _measure(course, tagger, kept, labelled)
    (course.out / FIGURES).write_text(json.dumps(figures, indent=1) + "\n")
    (course.out / "model_card.md").write_text(
        write_card(
            figures,
            _read_beside(course.beside),
            kinds,
            revision=tagger.revision,
            command=course.command,
            learned=learned,
        )
    )


def _quiet(threads: int) -> onnxruntime.SessionOptions:
    """Threads that spin while they wait would take each other's cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _measure(
    course: Course,
    tagger: Tagger,
    kept: Sequence[Passage],
    labelled: Mapping[bool, Sequence[Passage]],
) -> Figures:
    """By set: what the tagger reaches, and what marking every capitalised word would."""
    sets: dict[str, list[Passage]] = {"texts of our own, other templates": list(kept)}
    for is_held, passages in labelled.items():
        for passage in passages:
            if course.apart or is_held:
                kind = "another domain" if course.apart else "other templates"
                sets.setdefault(f"{passage.source}, {kind}", []).append(passage)
    figures: Figures = {}
    for name, passages in sorted(sets.items()):
        measured = measure_finder(find_sure(tagger), passages, LEARNED)
        naive = measure_finder(find_capitalised, passages, ("PERSON",))
        told: dict[str, Any] = {"texts": len(passages), "all": _tell(measured.overall)}
        told.update({label: _tell(found) for label, found in measured.by_kind.items()})
        told["every capitalised word a person"] = _tell(naive.overall)
        figures[name] = told
    return figures


def _tell(found: SpanFigures) -> Mapping[str, float | None]:
    return {
        "known": found.known,
        "found": found.said,
        "precision": found.precision,
        "recall": found.recall,
        "F1": found.f1,
        "F2": found.f2,
    }


def _read_beside(folder: Path | None) -> Figures:
    if folder is None:
        return {}
    try:
        figures: Figures = json.loads((folder / FIGURES).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError("--beside", str(folder), f"name a run's folder with {FIGURES}") from error
    return figures
