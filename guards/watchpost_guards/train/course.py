"""One training from data to a folder the run time reads: split, learn, export, calibrate, measure.

Whole sets can be kept apart as other domains; of the rest a share of groups is held out. What is
calibrated and measured is the exported 8-bit model, read as at run time, no window left out. A run
can go on from what another learned. It does not know how a graph is written, or probabilities fit.
"""

import hashlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from watchpost_guards.harness.measures import measure_auc
from watchpost_guards.models.bundle import FILES, FORMAT, TOKENIZER, open_bundle
from watchpost_guards.models.folder import MANIFEST
from watchpost_guards.models.reader import Reader
from watchpost_guards.models.windows import WIDTH
from watchpost_guards.train.calibrating import Calibration, Wanted, calibrate_head, weigh
from watchpost_guards.train.card import Cost, Judged, write_card
from watchpost_guards.train.encoder import Encoder, load_encoder
from watchpost_guards.train.fitting import Plan, fit
from watchpost_guards.train.generated import generate
from watchpost_guards.train.graph import export_graphs
from watchpost_guards.train.natural import read_natural
from watchpost_guards.train.records import COLUMNS, Example, is_held_out, read_examples
from watchpost_guards.train.states import compute_states

CARD = "model_card.md"
_HELD_OUT_PERCENT = 8
# Texts of each held-out set that are read at full precision too, to see what 8 bits cost.
_COMPARED = 80
# What a head may cost: the share of harmless held-out texts that trip, of all and of any one set;
# refusals go by best F1. Some harmless texts quote hate, so a set of them may trip more often.
_WANTED: dict[str, Wanted | None] = {
    "unsafe": Wanted(0.02, 0.08),
    "injection": Wanted(0.005, 0.02),
    "refusal": None,
}
# What kind of harm matters less than whether there is any.
_KIND_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Course:
    """What to train on, where to write, and how long: the command's options."""

    data: Path
    base: Path
    out: Path
    cache: Path
    start: Path | None
    appendix: Path | None
    apart: frozenset[str]
    generated: int
    layers: int
    frozen: int
    epochs: int
    minutes: float
    seed: int
    threads: int
    command: str


def run_course(course: Course, tell: Callable[[str], None]) -> None:
    """Train and write the folder. Raises ConfigError for data that cannot be used."""
    rng = random.Random(course.seed)  # noqa: S311 - data, not a secret
    natural = read_natural(course.data, rng)
    made = generate(course.generated, course.seed, natural)
    examples = sorted([*read_examples(course.data), *made], key=lambda example: example.source)
    kept = [e for e in examples if e.source in course.apart or is_held_out(e, _HELD_OUT_PERCENT)]
    away = set(map(id, kept))
    learned = [example for example in examples if id(example) not in away]
    tell(f"{len(learned)} texts to learn from, {len(kept)} kept from it")
    course.out.mkdir(parents=True, exist_ok=True)
    encoder = _learn(course, examples, [id(example) not in away for example in examples], tell)
    _export(course, encoder, course.out, is_plain=False)
    logits = _judge(course.out, kept, tell)
    calibrations = _calibrate(course, kept, logits)
    _describe(course.out, calibrations)
    costs = _compare(course, encoder, kept, logits, tell)
    (course.out / CARD).write_text(_card(course, learned, kept, logits, calibrations, costs))
    tell(f"written: {course.out}, revision {open_bundle(course.out).revision}")


def all_columns() -> list[str]:
    """Every head's columns in the order of the graph's output."""
    return [f"{head}/{column}" for head, columns in COLUMNS.items() for column in columns]


def _learn(
    course: Course,
    examples: Sequence[Example],
    is_learned: Sequence[bool],
    tell: Callable[[str], None],
) -> Encoder:
    torch.manual_seed(course.seed)
    torch.set_num_threads(course.threads)
    columns = all_columns()
    encoder = load_encoder(course.base, len(columns), course.layers)
    if course.start:
        encoder.load_state_dict(torch.load(course.start, weights_only=True))
    tokenizer = _read_tokenizer(course.base)
    sets: dict[str, list[str]] = {}
    for example in examples:
        sets.setdefault(example.source, []).append(example.text)
    # The states of all texts, learned from or not: another split finds them in the cache.
    states = compute_states(encoder, tokenizer, sets, course.frozen, course.cache, WIDTH)
    tell(f"{len(states.owners)} windows, {len(states.tokens)} tokens")
    targets, weights = _aim(examples, is_learned, columns)
    plan = Plan(
        frozen=course.frozen, epochs=course.epochs, minutes=course.minutes, seed=course.seed
    )
    fit(encoder, states, targets, weights, plan, tell)
    # At full precision: another run can go on from it.
    torch.save(encoder.state_dict(), course.cache / f"{course.out.name}.pt")
    return encoder


def _read_tokenizer(base: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(base / TOKENIZER))
    # Whoever made the file may have it pad or cut; windows are cut here.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _export(course: Course, encoder: Encoder, folder: Path, *, is_plain: bool) -> None:
    _read_tokenizer(course.base).save(str(folder / TOKENIZER))
    weights = {name: held.numpy() for name, held in encoder.state_dict().items()}
    export_graphs(weights, encoder.heads, course.frozen, folder, is_plain=is_plain)
    _describe(folder, {})


def _aim(
    examples: Sequence[Example], is_learned: Sequence[bool], columns: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and weights, one row an example; a text that is not learned from weighs nothing."""
    targets = torch.zeros(len(examples), len(columns))
    weights = torch.zeros(len(examples), len(columns))
    rows = [number for number, learned in enumerate(is_learned) if learned]
    of_rows = [examples[row] for row in rows]
    for place, column in enumerate(columns):
        head, _, kind = column.partition("/")
        share = (1.0 if kind == head else _KIND_SHARE) * len(rows) / len(COLUMNS)
        weights[rows, place] = torch.from_numpy(weigh(of_rows, column)).float() * share / 2
        for number in rows:
            targets[number, place] = examples[number].labels.get(column, 0.0)
    return targets, weights


def _judge(
    folder: Path, examples: Sequence[Example], tell: Callable[[str], None]
) -> NDArray[numpy.float64]:
    reader = Reader(open_bundle(folder))
    columns = len(all_columns())
    rows = []
    for number, example in enumerate(examples):
        reading = reader.read(example.text)
        rows.append([reading.strongest(column) for column in range(columns)])
        if number % 1000 == 999:
            tell(f"{number + 1} of {len(examples)} judged")
    return numpy.array(rows)


def _compare(
    course: Course,
    encoder: Encoder,
    kept: Sequence[Example],
    logits: NDArray[numpy.float64],
    tell: Callable[[str], None],
) -> list[Cost]:
    """What 8 bits cost: the same texts read at full precision."""
    seen: Counter[str] = Counter()
    rows = []
    for number, example in enumerate(kept):
        seen[example.source] += 1
        if seen[example.source] <= _COMPARED:
            rows.append(number)
    compared = [kept[row] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        _export(course, encoder, Path(folder), is_plain=True)
        plain = _judge(Path(folder), compared, tell)
    first, costs = 0, []
    for head, kinds in COLUMNS.items():
        column = f"{head}/{head}"
        known = [place for place, example in enumerate(compared) if column in example.labels]
        positive = numpy.array([compared[place].labels[column] > 0.5 for place in known])
        areas = [measure_auc(part[known, first], positive) for part in (logits[rows], plain)]
        costs.append(Cost(head, len(known), *(area or 0.0 for area in areas)))
        first += len(kinds)
    return costs


def _calibrate(
    course: Course, kept: Sequence[Example], logits: NDArray[numpy.float64]
) -> dict[str, Calibration]:
    inside = [n for n, example in enumerate(kept) if example.source not in course.apart]
    examples = [kept[n] for n in inside]
    calibrations = {}
    first = 0
    for head, kinds in COLUMNS.items():
        columns = [f"{head}/{kind}" for kind in kinds]
        of_head = logits[inside, first : first + len(columns)]
        calibrations[head] = calibrate_head(examples, of_head, columns, _WANTED[head])
        first += len(columns)
    return calibrations


def _describe(folder: Path, calibrations: dict[str, Calibration]) -> None:
    heads = {}
    for head, kinds in COLUMNS.items():
        ones, zeros = (1.0,) * len(kinds), (0.0,) * len(kinds)
        fitted = calibrations.get(head, Calibration(ones, zeros, 0.5))
        heads[head] = {
            "labels": kinds,
            "scale": [round(value, 6) for value in fitted.scale],
            "shift": [round(value, 6) for value in fitted.shift],
            "threshold": fitted.threshold,
        }
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    manifest = {"format": FORMAT, "width": WIDTH, "digests": digests, "heads": heads}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _card(
    course: Course,
    learned: Sequence[Example],
    kept: Sequence[Example],
    logits: NDArray[numpy.float64],
    calibrations: dict[str, Calibration],
    costs: Sequence[Cost],
) -> str:
    bundle = open_bundle(course.out)
    judged = []
    for name, head in bundle.heads.items():
        scores = numpy.array([head.calibrate(0, float(logit)) for logit in logits[:, head.first]])
        judged.append(Judged(name, kept, scores, calibrations[name].threshold))
    return write_card(
        judged,
        revision=bundle.revision,
        command=course.command,
        encoder=(
            f"the lower {course.layers} layers of MiniLM-L6, Apache-2.0, "
            f"{max(0, course.layers - course.frozen)} of them trained further"
        ),
        learned=Counter(example.source for example in learned),
        apart=course.apart,
        costs=costs,
        appendix=course.appendix.read_text() if course.appendix else "",
    )
