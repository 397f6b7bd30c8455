"""Measures of scores against labels: curves, areas, rates at a threshold, calibration, intervals.

Pure functions of arrays, each naming where its formula is from; None stands for what is not
defined, as an area without negatives. This file does not know guards, samples or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]

CALIBRATION_BINS = 15
STRICT_FPR = 0.01


@dataclass(frozen=True, slots=True)
class Curve:
    """True and false positives when everything scoring at least `thresholds[i]` is tripped."""

    thresholds: Scores
    true: NDArray[np.int64]
    false: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of one set of texts; the rates are those at the shipped threshold."""

    n: int
    positives: int
    auc: float | None
    pr_auc: float | None
    recall_at_1pct_fpr: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    f2: float | None
    fpr: float | None
    balanced_accuracy: float | None
    calibration_error: float | None
    brier: float | None


def measure(scores: Scores, positive: Flags, tripped: Flags) -> Figures:
    """Every figure of one set of texts."""
    true, false = int(np.sum(tripped & positive)), int(np.sum(tripped & ~positive))
    positives = int(np.sum(positive))
    negatives = len(positive) - positives
    recall, fpr = divide(true, positives), divide(false, negatives)
    balanced = None if recall is None or fpr is None else (recall + 1 - fpr) / 2
    return Figures(
        n=len(positive),
        positives=positives,
        auc=measure_auc(scores, positive),
        pr_auc=measure_pr_auc(scores, positive),
        recall_at_1pct_fpr=measure_recall_at(scores, positive, STRICT_FPR),
        precision=divide(true, true + false),
        recall=recall,
        f1=measure_f(1.0, true, false, positives),
        f2=measure_f(2.0, true, false, positives),
        fpr=fpr,
        balanced_accuracy=balanced,
        calibration_error=measure_calibration_error(scores, positive),
        brier=float(np.mean((scores - positive) ** 2)) if len(scores) else None,
    )


def divide(part: float, whole: float) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


def trace_curve(scores: Scores, positive: Flags) -> Curve:
    """Counts at every score there is, highest first; equal scores trip together."""
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    true = np.cumsum(hits, dtype=np.int64)[last]
    return Curve(falling[last], true, last + 1 - true)


def measure_auc(scores: Scores, positive: Flags) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half.

    Fawcett, An introduction to ROC analysis (2006), algorithm 3: trapezoids between tied groups.
    """
    if not _has_both(positive):
        return None
    curve = trace_curve(scores, positive)
    recall, fpr = rates(curve)
    return float(np.sum(np.diff(fpr) * (recall[1:] + recall[:-1]) / 2))


def measure_pr_auc(scores: Scores, positive: Flags) -> float | None:
    """Average precision: the precision at each threshold, weighted by the recall it adds.

    Manning et al., Introduction to Information Retrieval (2008), section 8.4; no interpolation,
    which would flatter (Davis and Goadrich 2006).
    """
    if not _has_both(positive):
        return None
    curve = trace_curve(scores, positive)
    precision = curve.true / (curve.true + curve.false)
    gained = np.diff(curve.true, prepend=0) / curve.true[-1]
    return float(np.sum(precision * gained))


def measure_recall_at(scores: Scores, positive: Flags, fpr: float) -> float | None:
    """The highest recall of a threshold whose false-positive rate is at most `fpr`."""
    if not _has_both(positive):
        return None
    curve = trace_curve(scores, positive)
    allowed = curve.false <= fpr * curve.false[-1]
    return float(np.max(curve.true[allowed], initial=0) / curve.true[-1])


def measure_f(beta: float, true: int, false: int, positives: int) -> float | None:
    """Van Rijsbergen's F: recall counts `beta` times as much as precision."""
    weight = beta * beta
    return divide((1 + weight) * true, weight * positives + true + false)


def measure_calibration_error(scores: Scores, positive: Flags) -> float | None:
    """Expected calibration error over equal bins (Guo et al. 2017, equation 3)."""
    if not len(scores):
        return None
    error = sum(abs(said - was) * n for said, was, n in bin_by_score(scores, positive))
    return error / len(scores)


def bin_by_score(
    scores: Scores, positive: Flags, bins: int = CALIBRATION_BINS
) -> list[tuple[float, float, int]]:
    """Of each bin that holds any: the mean score, the share of positives, how many."""
    places = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    return [
        (float(np.mean(scores[inside])), float(np.mean(positive[inside])), int(np.sum(inside)))
        for inside in (places == place for place in range(bins))
        if inside.any()
    ]


def rates(curve: Curve) -> tuple[Scores, Scores]:
    """Recall and false-positive rate along a curve, from (0, 0) on."""
    recall = np.concatenate(([0.0], curve.true / max(curve.true[-1], 1)))
    fpr = np.concatenate(([0.0], curve.false / max(curve.false[-1], 1)))
    return recall, fpr


def binomial_tail(least: int, tries: int, chance: float) -> float:
    """The probability of at least `least` successes in `tries`."""
    if least > tries or (least > 0 and chance <= 0):
        return 0.0
    if least <= 0 or chance >= 1:
        return 1.0
    up, down = math.log(chance), math.log1p(-chance)
    whole = math.lgamma(tries + 1)

    def weigh(k: int) -> float:
        ways = whole - math.lgamma(k + 1) - math.lgamma(tries - k + 1)
        return math.exp(ways + k * up + (tries - k) * down)

    # Whichever side has fewer terms: one of a hundred thousand texts is the ordinary case.
    if least <= tries // 2:
        return max(0.0, 1.0 - math.fsum(weigh(k) for k in range(least)))
    return min(1.0, math.fsum(weigh(k) for k in range(least, tries + 1)))


def beta_quantile(share: float, a: int, b: int) -> float:
    """The quantile of a Beta distribution with whole parameters.

    By I_x(a, b) = P(at least a successes in a + b - 1 tries), halved until nothing changes
    (Abramowitz and Stegun 26.5.24).
    """
    return _bisect(lambda x: binomial_tail(a, a + b - 1, x) < share)


def count_interval(hits: int, tries: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share seen as `hits` of `tries` (Clopper and Pearson 1934)."""
    out = (1 - level) / 2
    low = beta_quantile(out, hits, tries - hits + 1) if hits else 0.0
    high = beta_quantile(1 - out, hits + 1, tries - hits) if hits < tries else 1.0
    return low, high


def _bisect(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(48):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _has_both(positive: Flags) -> bool:
    return bool(positive.any()) and not bool(positive.all())
