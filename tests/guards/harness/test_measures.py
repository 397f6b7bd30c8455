"""Every measure against scikit-learn's or scipy's, over scores with and without ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from watchpost_guards.harness.measures import (
    beta_quantile,
    bin_by_score,
    binomial_tail,
    count_interval,
    measure,
    measure_auc,
    measure_calibration_error,
    measure_pr_auc,
    measure_recall_at,
)

# Few different scores, as rules give them, and many, as models do.
SCORES = st.one_of(st.sampled_from([0.0, 0.4, 0.5, 0.95, 1.0]), st.floats(0, 1, width=32))
ROWS = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def split(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(s) for s, _ in rows]), np.array([label for _, label in rows])


@given(ROWS)
@settings(deadline=None, max_examples=25)
def test_areas_and_strict_recall_are_those_of_scikit_learn(rows) -> None:
    scores, positive = split(rows)
    assert measure_auc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert measure_pr_auc(scores, positive) == pytest.approx(
        metrics.average_precision_score(positive, scores)
    )
    for wanted in (0.0, 0.01, 0.3):
        fpr, tpr, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
        assert measure_recall_at(scores, positive, wanted) == pytest.approx(max(tpr[fpr <= wanted]))


@given(ROWS, st.sampled_from([0.0, 0.4, 0.5, 1.0]))
@settings(deadline=None, max_examples=25)
def test_rates_at_a_threshold_are_those_of_scikit_learn(rows, threshold) -> None:
    scores, positive = split(rows)
    tripped = scores >= threshold
    figures = measure(scores, positive, tripped)
    for beta, value in ((1, figures.f1), (2, figures.f2)):
        wanted = metrics.fbeta_score(positive, tripped, beta=beta, zero_division=0.0)
        assert value == pytest.approx(wanted)
    assert figures.recall == pytest.approx(metrics.recall_score(positive, tripped))
    assert figures.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(positive, tripped)
    )
    assert figures.brier == pytest.approx(metrics.brier_score_loss(positive, scores))
    if tripped.any():
        assert figures.precision == pytest.approx(metrics.precision_score(positive, tripped))
    else:
        assert figures.precision is None


def test_areas_are_not_defined_without_both_classes() -> None:
    scores, positive = np.array([0.1, 0.9]), np.array([True, True])
    figures = measure(scores, positive, scores > 0.5)
    assert (figures.auc, figures.pr_auc, figures.fpr) == (None, None, None)
    assert figures.recall == 0.5


def test_a_calibrated_score_has_no_error_and_a_boastful_one_has_what_it_boasts() -> None:
    truly = np.array([True] * 8 + [False] * 2)
    assert measure_calibration_error(np.full(10, 0.8), truly) == pytest.approx(0.0)
    assert measure_calibration_error(np.full(10, 1.0), truly) == pytest.approx(0.2)
    assert bin_by_score(np.array([0.0, 1.0]), np.array([False, True])) == [(0, 0, 1), (1, 1, 1)]


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_a_binomial_tail_is_scipys(least, tries, chance) -> None:
    assert binomial_tail(least, tries, chance) == pytest.approx(
        stats.binom.sf(least - 1, tries, chance), abs=1e-9
    )


@given(st.floats(0.01, 0.99), st.integers(1, 40), st.integers(1, 400))
@settings(deadline=None, max_examples=25)
def test_a_beta_quantile_is_scipys(share, a, b) -> None:
    assert beta_quantile(share, a, b) == pytest.approx(stats.beta.ppf(share, a, b), abs=1e-7)


@given(st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(deadline=None, max_examples=25)
def test_an_interval_of_a_share_is_clopper_and_pearsons(counted) -> None:
    hits, tries = counted
    wanted = stats.binomtest(hits, tries).proportion_ci(0.95, "exact")
    assert count_interval(hits, tries) == pytest.approx((wanted.low, wanted.high), abs=1e-7)
