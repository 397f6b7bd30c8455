"""A threshold for a wanted false-positive rate, fitted to texts that are taken as benign.

The threshold is an order statistic of the guard's own scores, so that nothing is assumed of how
they are spread: with n texts one above rank ceil((1 - rate)(n + 1)) trips at most that share of
further texts of the same kind, on average over samples (split conformal prediction, Vovk et al.
2005; Lei et al. 2018). This file asks no guard and reads no file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from watchpost_guards.harness.measures import Scores, beta_quantile, binomial_tail

_OUTSIDE = 0.025
# Decimal places tried for a threshold that a person can read.
_DIGITS = range(2, 18)


@dataclass(frozen=True, slots=True)
class Fit:
    """A threshold and what can be said of it.

    `tripped` of `n` texts reach it. `rate` is the interval that holds the false-positive rate on
    further such texts, and `thresholds` the one that holds the threshold an endless sample would
    give, both at 95%. `threshold` is None where so many texts score 1.0 that none would do.
    """

    n: int
    wanted: float
    threshold: float | None
    tripped: int
    rate: tuple[float, float]
    thresholds: tuple[float, float]


def count_needed(wanted: float) -> int:
    """The fewest texts that can show a false-positive rate at all."""
    return math.ceil(1 / wanted - 1e-9) - 1


def fit_threshold(scores: Scores, wanted: float, own: float) -> Fit:
    """The lowest threshold that keeps to the wanted rate; `own` where that does exactly as well.

    Raises ValueError when there are fewer texts than `count_needed` says.
    """
    n = len(scores)
    rank = math.ceil((1 - wanted) * (n + 1) - 1e-9)
    if rank > n:
        raise ValueError(f"{n} texts cannot show a rate of {wanted:g}")
    rising = np.sort(scores)
    below = float(rising[rank - 1])
    higher = rising[rising > below]
    above = float(higher[0]) if len(higher) else 1.0
    tripped = len(higher)
    threshold = _choose(below, above, own) if below < 1 else None
    low, high = _bound_quantile(rising, 1 - wanted)
    return Fit(
        n=n,
        wanted=wanted,
        threshold=threshold,
        tripped=tripped,
        rate=(
            beta_quantile(_OUTSIDE, tripped + 1, n - tripped),
            beta_quantile(1 - _OUTSIDE, tripped + 1, n - tripped),
        ),
        # Between two scores any threshold does the same, and the one chosen lies inside.
        thresholds=(low, high)
        if threshold is None
        else (min(low, threshold), max(high, threshold)),
    )


def _choose(below: float, above: float, own: float) -> float:
    """Above the one score and not above the next, in as few digits as that takes."""
    if below < own <= above:
        return own
    middle = (below + above) / 2
    for digits in _DIGITS:
        rounded = round(middle, digits)
        if below < rounded <= above:
            return rounded
    return above


def _bound_quantile(rising: Scores, share: float) -> tuple[float, float]:
    """An interval of a quantile from ranks alone (David and Nagaraja 2003, section 7.1)."""
    n = len(rising)
    low = _find_rank(lambda rank: 1 - binomial_tail(rank, n, share) > _OUTSIDE, n) - 1
    high = _find_rank(lambda rank: binomial_tail(rank, n, share) <= _OUTSIDE, n)
    return (
        float(rising[low - 1]) if low >= 1 else 0.0,
        float(rising[high - 1]) if high <= n else 1.0,
    )


def _find_rank(holds: Callable[[int], bool], n: int) -> int:
    """The first rank from 1 on for which it holds, n + 1 when it never does."""
    low, high = 1, n + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
