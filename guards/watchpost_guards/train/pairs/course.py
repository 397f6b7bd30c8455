"""One training of the comparer: whole sets apart first, for honest figures, then the shipped one.

Answers are held out by document. What is calibrated and measured of the shipped one is the exported
8-bit graph. It does not know how claims are compared or learned.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from watchpost_guards.models.bundle import STATES_GRAPH, TOKENIZER
from watchpost_guards.models.comparer import GRAPH, join_logits
from watchpost_guards.train.calibrating import choose_threshold, fit_platt
from watchpost_guards.train.encoder import load_encoder
from watchpost_guards.train.graph import export_graphs
from watchpost_guards.train.pairs.card import Judged, write_card
from watchpost_guards.train.pairs.export import export_network, write_manifest
from watchpost_guards.train.pairs.fitting import Plan, Shelf, fit, judge
from watchpost_guards.train.pairs.generated import MADE, generate
from watchpost_guards.train.pairs.guessing import guess_by_words
from watchpost_guards.train.pairs.lessons import (
    Claim,
    Lesson,
    Library,
    Numbers,
    Read,
    make_lessons,
)
from watchpost_guards.train.pairs.network import Network
from watchpost_guards.train.pairs.records import Example, is_held_out, read_examples

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CARD = "model_card.md"
_HELD_OUT_PERCENT = 15
# The share of supported answers, as the held-out sets have them, that may trip.
_WANTED_FPR = 0.15
_Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """What to train on, where to write, and how long: the command's options.

    `apart` are groups of sets: for each, one training that sees nothing of it, measured on it.
    """

    data: Path
    base: Path
    out: Path
    cache: Path
    appendix: Path | None
    apart: tuple[frozenset[str], ...]
    generated: int
    frozen: int
    epochs: int
    minutes: float
    apart_minutes: float
    seed: int
    threads: int
    command: str


@dataclass(frozen=True, slots=True)
class _Class:
    """Examples with their lessons, in the same order, and the shelf they are rows of."""

    examples: Sequence[Example]
    lessons: Sequence[Lesson]
    shelf: Shelf

    def pick(self, wanted: Callable[[Example], bool]) -> "_Class":
        numbers = [n for n, example in enumerate(self.examples) if wanted(example)]
        return _Class(
            [self.examples[n] for n in numbers], [self.lessons[n] for n in numbers], self.shelf
        )


def run_course(course: Course, tell: _Tell) -> None:
    """Train and write the folder. Raises ConfigError for data that cannot be used."""
    torch.manual_seed(course.seed)
    torch.set_num_threads(course.threads)
    whole = _prepare(course, tell)
    learned, held_out = _split(whole)
    network = _learn(course, learned, course.minutes, tell)
    course.out.mkdir(parents=True, exist_ok=True)
    export_network(network, course.out / GRAPH)
    logits = _judge_graph(course.out / GRAPH, held_out)
    scale, shift, threshold = _calibrate(held_out.examples, logits)
    write_manifest(course.out, scale, shift, threshold)
    kept = _describe(held_out, learned, _squash(scale * logits + shift), threshold)
    apart = [
        judged
        for sets in course.apart
        for judged in _measure_apart(course, whole, sets, tell)
    ]  # fmt: skip
    counts = Counter(example.source for example in learned.examples)
    (course.out / CARD).write_text(
        write_card(
            apart,
            kept,
            threshold=threshold,
            command=course.command,
            learned=counts,
            appendix=course.appendix.read_text() if course.appendix else "",
        )
    )
    tell(f"written: {course.out}")


def _prepare(course: Course, tell: _Tell) -> _Class:
    examples = read_examples(course.data)
    examples += generate(examples, course.generated, course.seed)
    tokenizer = Tokenizer.from_file(str(course.base / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    library = Library(tokenizer)
    lessons = make_lessons(library, examples)
    tell(f"{len(lessons)} answers")
    with tempfile.TemporaryDirectory() as folder:
        read, size = _open_frozen(course, Path(folder))
        states = library.compute(read, size, course.cache, tell)
    return _Class(examples, lessons, Shelf(states, lessons))


def _open_frozen(course: Course, folder: Path) -> tuple[Read, int]:
    """The frozen layers as the run time has them, in 8 bits."""
    import onnxruntime

    encoder = load_encoder(course.base, 1, course.frozen)
    weights = {name: held.numpy() for name, held in encoder.state_dict().items()}
    export_graphs(weights, encoder.heads, course.frozen, folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = course.threads
    path = str(folder / STATES_GRAPH)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def read(ids: Numbers, mask: Numbers) -> NDArray[numpy.float32]:
        given = {"input_ids": ids, "attention_mask": mask}
        return numpy.asarray(session.run(["states"], given)[0])

    return read, encoder.words.embedding_dim


def _measure_apart(
    course: Course, whole: _Class, sets: frozenset[str], tell: _Tell
) -> Sequence[Judged]:
    tell(f"without {', '.join(sorted(sets))}")
    learned, held_out = _split(whole.pick(lambda e: e.source.removeprefix(MADE) not in sets))
    asked = whole.pick(lambda e: e.source in sets)
    network = _learn(course, learned, course.apart_minutes, tell)
    fitted = _calibrate(held_out.examples, judge(network, whole.shelf, held_out.lessons))
    scale, shift, threshold = fitted
    scores = _squash(scale * judge(network, whole.shelf, asked.lessons) + shift)
    judged = _describe(asked, learned, scores, threshold)
    for held in judged:
        tell(f"{held.source}: AUC {held.auc:.3f}")
    return judged


def _split(whole: _Class) -> tuple[_Class, _Class]:
    """What is learned from, and the answers of the data about documents that are held out."""
    learned = whole.pick(lambda e: not is_held_out(e, _HELD_OUT_PERCENT))
    held_out = whole.pick(
        lambda e: is_held_out(e, _HELD_OUT_PERCENT) and not e.source.startswith(MADE)
    )
    return learned, held_out


def _learn(course: Course, learned: _Class, minutes: float, tell: _Tell) -> Network:
    torch.manual_seed(course.seed)
    network = Network(learned.shelf.states.shape[1])
    plan = Plan(epochs=course.epochs, minutes=minutes, seed=course.seed)
    fit(network, learned.shelf, learned.lessons, plan, tell)
    return network


def _judge_graph(path: Path, asked: _Class) -> NDArray[numpy.float64]:
    """Each answer's logit by the exported graph, claim by claim as at run time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return numpy.array(
        [
            max(_judge_claim(session, asked.shelf.states, claim) for claim in lesson.claims)
            for lesson in asked.lessons
        ]
    )


def _judge_claim(session: "InferenceSession", states: torch.Tensor, claim: Claim) -> float:
    given = {
        "claim": states[claim.tokens].float()[None].numpy(),
        "kinds": claim.kinds[None],
        "evidence": states[claim.evidence].float()[None].numpy(),
    }
    return join_logits(session.run(["logits"], given)[0][0].tolist())


def _calibrate(
    examples: Sequence[Example], logits: NDArray[numpy.float64]
) -> tuple[float, float, float]:
    """Scale, shift and threshold: sets count by the root of their size, both labels the same."""
    wrong = numpy.array([not example.supported for example in examples])
    sizes = Counter((example.source, example.supported) for example in examples)
    weights = numpy.array([sizes[e.source, e.supported] ** -0.5 for e in examples])
    for label in (True, False):
        weights[wrong == label] /= weights[wrong == label].sum()
    scale, shift = fit_platt(logits, wrong, weights)
    scores = _squash(scale * logits + shift)
    return scale, shift, choose_threshold(scores, wrong, weights, _WANTED_FPR)


def _squash(values: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    return numpy.asarray(1 / (1 + numpy.exp(-values)))


def _describe(
    asked: _Class, learned: _Class, scores: NDArray[numpy.float64], threshold: float
) -> list[Judged]:
    by_words = guess_by_words(learned.examples, asked.examples)
    found = []
    for source in sorted({example.source for example in asked.examples}):
        numbers = [n for n, example in enumerate(asked.examples) if example.source == source]
        examples = [asked.examples[n] for n in numbers]
        found.append(Judged(source, examples, scores[numbers], threshold, by_words[numbers]))
    return found
