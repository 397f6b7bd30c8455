"""Logistic regression over a few vectors, and what it is worth on vectors it has not seen.

Everything is computed in closed steps from the data and a seed, so the same examples give the same
numbers. It does not know what the vectors stand for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOLDS = 5
# How hard weights are held small: tried by cross-validation, the hardest first.
_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1)
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A weight for each column, and what is added: `probabilities` are calibrated."""

    weights: Vectors
    bias: float

    def judge(self, vectors: Vectors) -> Vectors:
        """The log odds of each vector."""
        return np.asarray(vectors @ self.weights + self.bias)


@dataclass(frozen=True, slots=True)
class Learned:
    """A calibrated line, and the calibrated probabilities of its examples as if they were unseen.

    `threshold` is the one with the best balanced accuracy on those.
    """

    line: Line
    unseen: Vectors
    threshold: float


def learn(vectors: Vectors, positive: Flags, seed: int = 0) -> Learned:
    """Fit, calibrate and choose a threshold. Both kinds of examples must be there, twice at least.

    The penalty is the one whose log loss is least in cross-validation; the same answers calibrate
    (Platt 1999), so the probabilities told of the examples are a little flattered by both.
    """
    folds = _deal(positive, seed)
    tried = [(_cross_validate(vectors, positive, folds, p), p) for p in _PENALTIES]
    judged, penalty = min(tried, key=lambda pair: _log_loss(pair[0], positive))
    scale, shift = _calibrate(judged, positive)
    line = fit(vectors, positive.astype(float), penalty)
    unseen = sigmoid(scale * judged + shift)
    calibrated = Line(line.weights * scale, line.bias * scale + shift)
    return Learned(calibrated, unseen, _choose_threshold(unseen, positive))


def sigmoid(values: Vectors) -> Vectors:
    """Log odds as probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -500, 500))))


def _deal(positive: Flags, seed: int) -> NDArray[np.int64]:
    """A fold for every example, each kind spread evenly."""
    chance = np.random.default_rng(seed)
    folds = np.zeros(len(positive), dtype=np.int64)
    for kind in (True, False):
        places = chance.permutation(np.flatnonzero(positive == kind))
        folds[places] = np.arange(len(places)) % FOLDS
    return folds


def _cross_validate(
    vectors: Vectors, positive: Flags, folds: NDArray[np.int64], penalty: float
) -> Vectors:
    """The log odds of each example by a line that has not seen it."""
    judged = np.zeros(len(positive))
    for fold in np.unique(folds):
        inside = folds != fold
        line = fit(vectors[inside], positive[inside].astype(float), penalty)
        judged[~inside] = line.judge(vectors[~inside])
    return judged


def fit(vectors: Vectors, targets: Vectors, penalty: float) -> Line:
    """Ridge logistic regression, both kinds weighing the same, by Newton's method.

    With fewer examples than columns all that can be learned lies among the examples: it is solved
    there (Hastie et al. 2009, section 18.3.5).
    """
    centre = vectors.mean(0)
    left, size, right = np.linalg.svd(vectors - centre, full_matrices=False)
    basis = np.column_stack([left * size, np.ones(len(vectors))])
    held = np.append(np.full(len(size), penalty), 1e-6)
    share = targets.mean()
    weights = np.where(targets > 0.5, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))
    found = np.zeros(basis.shape[1])
    for _ in range(_STEPS):
        said = sigmoid(basis @ found)
        slope = basis.T @ (weights * (said - targets)) + held * found
        bend = basis.T @ (basis * (weights * said * (1 - said))[:, None]) + np.diag(held)
        step = np.linalg.solve(bend, slope)
        found = found - step
        if float(np.abs(step).max()) < 1e-8:
            break
    turned = right.T @ found[:-1]
    return Line(turned, float(found[-1] - centre @ turned))


def _calibrate(judged: Vectors, positive: Flags) -> tuple[float, float]:
    """Scale and shift of log odds, towards less certainty than the examples show by themselves."""
    many, few = int(positive.sum()), int((~positive).sum())
    targets = np.where(positive, (many + 1) / (many + 2), 1 / (few + 2))
    scale, shift = 1.0, 0.0
    for _ in range(_STEPS):
        said = sigmoid(scale * judged + shift)
        miss, bend = said - targets, np.maximum(said * (1 - said), 1e-9)
        slope = np.array([miss @ judged, miss.sum()]) + 1e-6 * np.array([scale - 1, shift])
        matrix = np.array(
            [[bend @ judged**2 + 1e-6, bend @ judged], [bend @ judged, bend.sum() + 1e-6]]
        )
        change = np.clip(np.linalg.solve(matrix, slope), -1, 1)
        scale, shift = scale - change[0], shift - change[1]
        if float(np.abs(change).max()) < 1e-9:
            break
    # What was learned upside down is worth nothing, and says the same of every text.
    return (float(scale), float(shift)) if scale > 0 else (0.0, float(np.log(many / few)))


def _log_loss(judged: Vectors, positive: Flags) -> float:
    return float(np.mean(np.logaddexp(0, np.where(positive, -judged, judged))))


def _choose_threshold(unseen: Vectors, positive: Flags) -> float:
    """Between two of the probabilities, where both kinds are told apart best."""
    rising = np.unique(unseen)
    places = np.concatenate([rising[:1], (rising[1:] + rising[:-1]) / 2])
    tripped = unseen[None, :] >= places[:, None]
    balanced = (tripped[:, positive].mean(1) + (~tripped)[:, ~positive].mean(1)) / 2
    best = np.flatnonzero(balanced >= balanced.max() - 1e-12)
    nearest = best[np.argmin(np.abs(places[best] - 0.5))]
    return round(float(np.clip(places[nearest], 0.01, 0.99)), 4)
