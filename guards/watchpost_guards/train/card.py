"""The model card: what was learned from what, and every figure beside its trivial baselines.

Figures are those of the shipped 8-bit files at the shipped threshold, for each set of texts that
were not learned from. It does not know how they came about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy

from watchpost_guards.harness.measures import Scores, divide, measure, measure_auc, measure_f
from watchpost_guards.train.records import Example

_HEADINGS = (
    *("set", "kept from training", "texts", "positive", "AUC", "PR AUC"),
    *("recall at 1% FPR", "precision", "recall", "FPR", "F1", "calibration error"),
    *("length's AUC", "always-yes F1"),
)


_WANTED = {
    "unsafe": "an AUC above 0.90 on moderated posts, and at most 5% of the harmless prompts that "
    "sound dangerous (xstest) tripping",
    "injection": "recall above 0.75 of direct and of indirect attacks, and at most 2% of clean "
    "documents and of harmless prompts full of trigger words (wildguard_benign) tripping",
    "refusal": "an F1 above 0.93 on the replies of every model",
}
_COSTS = ("head", "texts", "AUC with 8-bit weights", "AUC at full precision")


@dataclass(frozen=True, slots=True)
class Judged:
    """One head's answers on texts kept from training: examples, probabilities, its threshold."""

    head: str
    examples: Sequence[Example]
    scores: Scores
    threshold: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A head's area under the curve with 8-bit weights and at full precision, on the same texts."""

    head: str
    texts: int
    eight_bit: float
    plain: float


def write_card(
    heads: Sequence[Judged],
    *,
    revision: str,
    command: str,
    encoder: str,
    learned: Mapping[str, int],
    apart: frozenset[str],
    costs: Sequence[Cost] = (),
    appendix: str = "",
) -> str:
    """The card as Markdown: `encoder` says what it is, `learned` counts texts by set.

    `appendix` is another run's card, put behind this one.
    """
    lines = [
        "# Model card of the embedded guards",
        "",
        f"Revision `{revision}`, written by `{command}`.",
        "",
        f"One encoder ({encoder}) with the heads "
        + ", ".join(f"`{judged.head}`" for judged in heads)
        + ". ONNX, 8-bit weights. English first: other languages are seen in a few templates only.",
        "",
        "A set *of another domain* gave no text to training; of the others a share of groups "
        "(templates, prompts, attacks) was held out, and on those calibration and thresholds were "
        "fitted. Baselines: the area that a text's length alone reaches, whichever way round, and "
        "the F1 of calling every text positive.",
        "",
        "## Learned from",
        "",
        *_table(("set", "texts"), ((name, str(n)) for name, n in sorted(learned.items()))),
    ]
    for judged in heads:
        lines += [
            "",
            f"## {judged.head}",
            "",
            f"Threshold {judged.threshold:.4f}. Wanted on other domains: {_WANTED[judged.head]}.",
            "",
            *_table(_HEADINGS, _rows(judged, apart)),
        ]
    lines += ["", "## What 8 bits cost", "", *_table(_COSTS, map(_show, costs))]
    return "\n".join([*lines, "", *_append(appendix)]).rstrip() + "\n"


def _show(cost: Cost) -> tuple[str, ...]:
    return cost.head, str(cost.texts), f"{cost.eight_bit:.4f}", f"{cost.plain:.4f}"


def _append(card: str) -> Iterator[str]:
    """Another run's card, its headings one step lower."""
    for number, line in enumerate(card.splitlines()):
        if number == 0:
            yield "# Another run, with sets of other domains: its weights are not these"
        else:
            yield f"#{line}" if line.startswith("#") else line


def _rows(judged: Judged, apart: frozenset[str]) -> Iterator[Sequence[str]]:
    column = f"{judged.head}/{judged.head}"
    known = [n for n, example in enumerate(judged.examples) if column in example.labels]
    sources = sorted({judged.examples[n].source for n in known})
    slices = {name: [n for n in known if judged.examples[n].source == name] for name in sources}
    others = [n for n in known if judged.examples[n].source in apart]
    if len({judged.examples[n].source for n in others}) > 1:
        slices["all of other domains"] = others
    for name, numbers in slices.items():
        kept = "other domain" if name in apart or numbers is others else "held-out groups"
        yield (name, kept, *_figures(judged, numbers, column))


def _figures(judged: Judged, numbers: Sequence[int], column: str) -> Iterator[str]:
    scores = judged.scores[numbers]
    positive = numpy.array([judged.examples[n].labels[column] > 0.5 for n in numbers])
    figures = measure(scores, positive, scores >= judged.threshold)
    lengths = numpy.array([float(len(judged.examples[n].text)) for n in numbers])
    length = measure_auc(lengths, positive)
    yield str(figures.n)
    yield str(figures.positives)
    shown = (
        *(figures.auc, figures.pr_auc, figures.recall_at_1pct_fpr),
        *(figures.precision, figures.recall, figures.fpr, figures.f1, figures.calibration_error),
        None if length is None else max(length, 1 - length),
        measure_f(1.0, figures.positives, figures.n - figures.positives, figures.positives)
        if divide(figures.positives, figures.n)
        else None,
    )
    yield from ("-" if value is None else f"{value:.3f}" for value in shown)


def _table(headings: Sequence[str], rows: "Iterable[Sequence[str]]") -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
