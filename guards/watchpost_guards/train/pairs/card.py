"""The comparer's model card: every figure beside its trivial baselines, misses included.

It does not know how the figures came about.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from watchpost_guards.harness.baselines import share_words
from watchpost_guards.harness.measures import measure, measure_auc
from watchpost_guards.train.pairs.generated import MADE
from watchpost_guards.train.pairs.records import Example

TARGET = 0.70
_HEADINGS = (
    *("set", "answers", "unsupported", "AUC", "PR AUC", "balanced accuracy", "recall", "FPR"),
    *("overlap's AUC", "length's AUC", "answer-only AUC"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One set's answers, their probabilities of being unsupported, and what a baseline says."""

    source: str
    examples: Sequence[Example]
    scores: NDArray[numpy.float64]
    threshold: float
    by_words: NDArray[numpy.float64]

    @property
    def auc(self) -> float:
        """The area under the curve; a half where there is one label only."""
        area = measure_auc(self.scores, self.wrong)
        return 0.5 if area is None else area

    @property
    def wrong(self) -> NDArray[numpy.bool_]:
        """Which answers are unsupported."""
        return numpy.array([not example.supported for example in self.examples])


def write_card(
    apart: Sequence[Judged],
    held_out: Sequence[Judged],
    *,
    threshold: float,
    command: str,
    learned: Mapping[str, int],
    appendix: str = "",
) -> str:
    """The card as Markdown: sets kept wholly apart first, then the weights beside it.

    `appendix` is another training's card, put behind.
    """
    made = sum(count for source, count in learned.items() if source.startswith(MADE))
    own = sorted((s, n) for s, n in learned.items() if not s.startswith(MADE))
    lines = [
        "# Model card of the guard `grounded`",
        "",
        f"Written by `{command}`.",
        "",
        "A comparer over the shared encoder's frozen states: every token of a claim is laid beside "
        "its like in the evidence, and beside what stands where its neighbours would have it; a "
        "small network on both says how doubtful it is. ONNX, 8-bit weights. English first.",
        "",
        "Baselines beside every figure: the area of the share of the answer's words that the "
        "documents hold (fewer, the less supported), of its length (longer), and of a logistic "
        "regression over the words of the answer alone, learned from the same answers.",
        "",
        *_tell_apart(apart),
        "## The weights beside this card",
        "",
        "Learned from all sets but the documents held out here; calibrated on these, and the "
        f"threshold, {threshold:.4f}, is chosen on them too. Figures are of the 8-bit graph.",
        "",
        *_table(held_out),
        "",
        "## Learned from",
        "",
        *(f"- {source}: {count} answers" for source, count in own),
        f"- made from the documents and supported answers of these sets: {made}",
    ]
    if appendix:
        lines += ["", "# The same with whole sets apart", "", *appendix.splitlines()[1:]]
    return "\n".join(lines) + "\n"


def _tell_apart(apart: Sequence[Judged]) -> Iterator[str]:
    if not apart:
        return
    yield from ("## Other domains", "")
    yield (
        "Each set was judged by weights that saw nothing of it, nor of the sets apart with it: "
        "neither its answers nor sentences made from its documents. **These are not the shipped "
        "weights**, but what is to be expected of data of one's own. Threshold and calibration "
        "come from held-out documents of the sets that were learned from."
    )
    yield from ("", *_table(apart), "")
    missed = [held.source for held in apart if held.auc < TARGET]
    yield (
        f"The target was an area above {TARGET:.2f} where word overlap is near chance. "
        + (f"Missed on: {', '.join(missed)}." if missed else "Reached on every set.")
    )
    yield ""


def _table(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| " + " | ".join(_HEADINGS) + " |"
    yield "|" + "---|" * len(_HEADINGS)
    for held in judged:
        yield "| " + " | ".join((held.source, *_tell(held))) + " |"


def _tell(judged: Judged) -> Iterator[str]:
    wrong = judged.wrong
    figures = measure(judged.scores, wrong, judged.scores >= judged.threshold)
    overlap = numpy.array([-share_words(e.answer, e.context) for e in judged.examples])
    length = numpy.array([float(len(e.answer)) for e in judged.examples])
    yield str(figures.n)
    yield str(figures.positives)
    shown = (
        *(figures.auc, figures.pr_auc, figures.balanced_accuracy, figures.recall, figures.fpr),
        *(measure_auc(values, wrong) for values in (overlap, length, judged.by_words)),
    )
    yield from ("-" if value is None else f"{value:.3f}" for value in shown)
