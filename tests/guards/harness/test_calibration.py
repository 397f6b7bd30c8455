"""Thresholds for a wanted rate: what they promise, and what they say when they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost_guards.harness.calibration import Fit, count_needed, fit_threshold

SCORES = st.lists(
    st.one_of(st.sampled_from([0.0, 0.5, 0.9]), st.floats(0, 0.99)), min_size=21, max_size=40
)


def trips(fit: Fit, score: float) -> bool:
    assert fit.threshold is not None
    return score >= fit.threshold


@given(SCORES, st.sampled_from([0.05, 0.1, 0.3]))
@settings(deadline=None, max_examples=10)
def test_a_text_left_out_trips_no_oftener_than_wanted_on_average(scores, wanted) -> None:
    left_out = [
        trips(fit_threshold(np.array(scores[:i] + scores[i + 1 :]), wanted, 0.5), scores[i])
        for i in range(len(scores))
    ]
    assert sum(left_out) / len(left_out) <= wanted + 1e-9


@given(SCORES, st.sampled_from([0.05, 0.1, 0.3]))
@settings(deadline=None, max_examples=10)
def test_what_is_told_of_the_sample_is_so_and_lies_in_its_intervals(scores, wanted) -> None:
    fit = fit_threshold(np.array(scores), wanted, 0.5)
    assert fit.threshold is not None
    assert fit.tripped == sum(trips(fit, score) for score in scores)
    assert fit.rate[0] <= (fit.tripped + 1) / (fit.n + 1) <= fit.rate[1]
    assert fit.thresholds[0] <= fit.threshold <= fit.thresholds[1]
    assert fit.thresholds[0] <= np.quantile(scores, 1 - wanted) <= fit.thresholds[1]


def test_the_interval_of_the_rate_holds_it_19_times_in_20() -> None:
    source = np.random.default_rng(11)
    fits = [fit_threshold(source.random(100), 0.05, 0.5) for _ in range(200)]
    # Scores spread evenly: a threshold's true rate is what lies above it.
    held = sum(fit.rate[0] <= 1 - (fit.threshold or 0) <= fit.rate[1] for fit in fits)
    assert 0.92 <= held / len(fits) <= 0.98
    around = sum(fit.thresholds[0] <= 0.95 <= fit.thresholds[1] for fit in fits)
    assert 0.92 <= around / len(fits) <= 0.99


def test_the_guards_own_threshold_stays_where_another_would_do_no_better() -> None:
    scores = np.array([0.0] * 99 + [0.8])
    assert fit_threshold(scores, 0.02, own=0.5).threshold == 0.5
    assert fit_threshold(scores, 0.02, own=0.9).threshold == 0.4


def test_a_threshold_has_no_more_digits_than_it_needs() -> None:
    scores = np.array([0.1] * 98 + [0.31234, 0.31239])
    assert fit_threshold(scores, 0.02, own=0.0).threshold == pytest.approx(0.31236, abs=2e-5)


def test_there_is_no_threshold_where_too_many_score_one() -> None:
    fit = fit_threshold(np.array([0.2] * 90 + [1.0] * 10), 0.05, own=0.5)
    assert (fit.threshold, fit.tripped) == (None, 0)


@pytest.mark.parametrize(("wanted", "needed"), [(0.01, 99), (0.05, 19), (0.5, 1), (0.3, 3)])
def test_a_rate_needs_so_many_texts_and_no_fewer(wanted: float, needed: int) -> None:
    assert count_needed(wanted) == needed
    assert fit_threshold(np.linspace(0, 0.9, needed), wanted, 0.5).n == needed
    with pytest.raises(ValueError, match="cannot show"):
        fit_threshold(np.linspace(0, 0.9, needed - 1), wanted, 0.5)
