"""From logits to probabilities and thresholds, fitted on texts that were not learned from.

Platt's two numbers a column, each set and label counting the same; the threshold is one at which no
set of harmless held-out texts trips more often than is wanted. It does not know models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from watchpost_guards.harness.measures import Flags, Scores
from watchpost_guards.train.records import GENERATED, Example

# Newton's steps until two numbers stand still, and what keeps them finite where all is separable.
_STEPS, _RIDGE = 50, 1e-2
# The widest a probability may stand from certainty's edge: held-out sets are small.
_STEEPEST = 20.0
# A smaller set of harmless texts cannot tell how often its like would trip.
_FEWEST = 30
# So many times as often as others may a set of our own making trip.
_ODD = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """The share of harmless texts that may trip: of all sets together, and of any one of them."""

    together: float
    each: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`sigmoid(scale * logit + shift)` for each column, and the head's threshold."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    threshold: float


def weigh(examples: Sequence[Example], column: str) -> Scores:
    """A weight for each example: sets count by the root of their size, both labels the same.

    Zero where the example says nothing about the column; the weights of a label add up to one.
    """
    sizes: dict[tuple[str, float], int] = {}
    for example in examples:
        if column in example.labels:
            key = (example.source, example.labels[column])
            sizes[key] = sizes.get(key, 0) + 1
    weights = numpy.zeros(len(examples))
    totals = {0.0: 0.0, 1.0: 0.0}
    for number, example in enumerate(examples):
        if column in example.labels:
            label = example.labels[column]
            weights[number] = sizes[example.source, label] ** -0.5
            totals[label] += weights[number]
    for number, example in enumerate(examples):
        if weights[number]:
            weights[number] /= totals[example.labels[column]]
    return weights


def calibrate_head(
    examples: Sequence[Example],
    logits: NDArray[numpy.float64],
    columns: Sequence[str],
    wanted: Wanted | None,
) -> Calibration:
    """Fit every column of a head, and the threshold of its first.

    Without a wanted rate of false positives the threshold is the one of the best F1.
    """
    fits = [
        fit_platt(logits[:, place], _labels(examples, column), weigh(examples, column))
        for place, column in enumerate(columns)
    ]
    labels, weights = _labels(examples, columns[0]), weigh(examples, columns[0])
    scale, shift = fits[0]
    scores = 1 / (1 + numpy.exp(-(scale * logits[:, 0] + shift)))
    if wanted is None:
        said = weights > 0
        threshold = choose_threshold(scores[said], labels[said], weights[said], None)
    else:
        threshold = _satisfy(examples, scores, labels, weights, wanted)
    return Calibration(tuple(s for s, _ in fits), tuple(s for _, s in fits), threshold)


def _satisfy(
    examples: Sequence[Example], scores: Scores, labels: Flags, weights: Scores, wanted: Wanted
) -> float:
    """The lowest threshold that keeps to both wanted rates.

    All together are texts that people wrote. Those of our own making come from few templates, and
    one odd one would decide: a set of them may trip some times as often.
    """
    sources = numpy.array([example.source for example in examples])
    is_made = numpy.char.startswith(sources, GENERATED)
    said = weights > 0
    real = said & ~is_made if (said & ~is_made).any() else said
    threshold = choose_threshold(scores[real], labels[real], weights[real], wanted.together)
    for source in sorted(set(sources[said & ~labels])):
        of_set = scores[said & ~labels & (sources == source)]
        if len(of_set) >= _FEWEST:
            # New texts are of one kind or another: none may pay for the others. One text may trip
            # in any set, or the strangest of each would decide.
            each = wanted.each * (_ODD if source.startswith(GENERATED) else 1)
            share = min(1.0, max(each, 1 / len(of_set)))
            alone = _stay_within(of_set, numpy.ones(len(of_set)), share)
            threshold = max(threshold, alone)
    return threshold


def fit_platt(logits: Scores, positive: Flags, weights: Scores) -> tuple[float, float]:
    """Scale and shift of a logistic curve (Platt 1999, smoothed targets), by Newton's method.

    One label alone, or none: the curve stays where it is.
    """
    if not (weights[positive] > 0).any() or not (weights[~positive] > 0).any():
        return 1.0, 0.0
    many = int(numpy.sum((weights > 0) & positive)), int(numpy.sum((weights > 0) & ~positive))
    targets = numpy.where(positive, (many[0] + 1) / (many[0] + 2), 1 / (many[1] + 2))
    share = weights / weights.sum()
    inputs = numpy.column_stack([logits, numpy.ones_like(logits)])
    start = answer = numpy.array([1.0, 0.0])
    ridge = _RIDGE / len(inputs)
    for _ in range(_STEPS):
        chance = 1 / (1 + numpy.exp(-numpy.clip(inputs @ answer, -30, 30)))
        slope = inputs.T @ (share * (chance - targets)) + ridge * (answer - start)
        curve = (inputs * (share * chance * (1 - chance))[:, None]).T @ inputs
        step = numpy.linalg.solve(curve + numpy.eye(2) * ridge, slope)
        answer = answer - numpy.clip(step, -1.0, 1.0)
        if numpy.abs(step).max() < 1e-8:
            break
    return float(numpy.clip(answer[0], 0.01, _STEEPEST)), float(answer[1])


def choose_threshold(
    scores: Scores, positive: Flags, weights: Scores, wanted_fpr: float | None
) -> float:
    """The lowest threshold that keeps to the wanted rate, or the one of the best F1.

    Where held-out texts have one label only there is nothing to choose by: a half.
    """
    if positive.all() or not positive.any():
        return 0.5
    if wanted_fpr is None:
        order = numpy.argsort(-scores, kind="stable")
        found = numpy.cumsum(numpy.where(positive, weights, 0.0)[order])
        false = numpy.cumsum(numpy.where(positive, 0.0, weights)[order])
        # Between equal scores there is no place for a threshold.
        ends = numpy.append(numpy.diff(scores[order]) != 0, True)
        reached = numpy.where(ends, 2 * found / (found + false + found[-1]), 0.0)
        return float(scores[order][numpy.argmax(reached)])
    return _stay_within(scores[~positive], weights[~positive], wanted_fpr)


def _stay_within(harmless: Scores, weights: Scores, wanted_fpr: float) -> float:
    """The lowest threshold that trips at most the wanted share of harmless texts."""
    order = numpy.argsort(-harmless)
    tripped = numpy.cumsum(weights[order]) / weights.sum()
    within = int(numpy.searchsorted(tripped, wanted_fpr, side="right"))
    ranked = harmless[order]
    # Just above the first harmless text that would be too many.
    return float(min(1.0, numpy.nextafter(ranked[min(within, len(ranked) - 1)], 2.0)))


def _labels(examples: Sequence[Example], column: str) -> Flags:
    known: Mapping[int, float] = {
        number: example.labels[column]
        for number, example in enumerate(examples)
        if column in example.labels
    }
    return numpy.array([known.get(number, 0.0) > 0.5 for number in range(len(examples))])
