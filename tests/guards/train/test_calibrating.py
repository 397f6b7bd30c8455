"""Calibration: probabilities that mean what they say, thresholds that cost what was asked."""

import numpy
import pytest

from watchpost_guards.train.calibrating import (
    Wanted,
    calibrate_head,
    choose_threshold,
    fit_platt,
    weigh,
)
from watchpost_guards.train.records import Example


def sigmoid(values: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-values))


@pytest.mark.parametrize(("scale", "shift"), [(0.5, -1.0), (2.0, 0.5), (1.0, 0.0)])
def test_platts_numbers_are_found_again(scale: float, shift: float) -> None:
    chance = numpy.random.default_rng(3)
    logits = chance.normal(scale=2, size=20_000)
    positive = chance.random(20_000) < sigmoid(scale * logits + shift)
    found = fit_platt(logits, positive, numpy.ones(20_000))
    assert found == pytest.approx((scale, shift), abs=0.08)


def test_one_label_alone_leaves_the_curve_where_it_is() -> None:
    assert fit_platt(numpy.arange(4.0), numpy.ones(4, dtype=bool), numpy.ones(4)) == (1.0, 0.0)


def test_labels_that_logits_separate_wholly_give_finite_numbers() -> None:
    logits = numpy.concatenate([numpy.full(50, -4.0), numpy.full(50, 4.0)])
    scale, shift = fit_platt(logits, logits > 0, numpy.ones(100))
    assert 0 < scale <= 20
    assert abs(shift) < 5


@pytest.mark.parametrize("wanted", [0.0, 0.01, 0.05, 0.5])
def test_no_more_harmless_texts_trip_than_was_asked(wanted: float) -> None:
    chance = numpy.random.default_rng(4)
    positive = numpy.arange(2000) % 2 == 0
    scores = sigmoid(chance.normal(size=2000) + positive)
    threshold = choose_threshold(scores, positive, numpy.ones(2000), wanted)
    tripped = scores[~positive] >= threshold
    assert tripped.mean() <= wanted
    # And no stricter than needed: one text more would be too many.
    assert tripped.sum() >= wanted * 1000 - 1


def test_without_a_wanted_rate_the_threshold_of_the_best_f1_is_taken() -> None:
    scores = numpy.array([0.1, 0.2, 0.6, 0.7, 0.9])
    positive = numpy.array([False, False, True, True, True])
    assert choose_threshold(scores, positive, numpy.ones(5), None) == 0.6


@pytest.mark.parametrize("wanted", [0.01, None])
@pytest.mark.parametrize("labels", [[], [True, True], [False, False]])
def test_one_label_alone_leaves_the_threshold_at_a_half(
    labels: list[bool], wanted: float | None
) -> None:
    scores, weights = numpy.full(len(labels), 0.9), numpy.ones(len(labels))
    assert choose_threshold(scores, numpy.array(labels, dtype=bool), weights, wanted) == 0.5


def test_sets_count_by_the_root_of_their_size_and_both_labels_the_same() -> None:
    examples = [Example("x", {"a/a": 1.0}, "large") for _ in range(16)]
    examples += [Example("x", {"a/a": 1.0}, "small") for _ in range(4)]
    examples += [Example("x", {"a/a": 0.0}, "large"), Example("x", {"b/b": 1.0}, "large")]
    weights = weigh(examples, "a/a")
    assert weights[:20].sum() == pytest.approx(1.0)
    assert weights[16:20].sum() / weights[:16].sum() == pytest.approx(0.5)
    assert weights[20:].tolist() == [1.0, 0.0]


def test_a_head_is_calibrated_column_by_column() -> None:
    examples = [Example(str(n), {"a/a": float(n % 2)}, "set") for n in range(100)]
    logits = numpy.array([[3.0 if n % 2 else -3.0, 0.0] for n in range(100)])
    found = calibrate_head(examples, logits, ["a/a", "a/kind"], Wanted(0.02, 0.04))
    assert found.scale[1] == 1.0
    assert sigmoid(found.scale[0] * -3.0 + found.shift[0]) < found.threshold <= 1.0


def test_no_set_of_harmless_texts_pays_for_the_others() -> None:
    chance = numpy.random.default_rng(6)
    kinds = [("easy", -4.0, 900), ("hard", 0.0, 100), ("few", 9.0, 1)]
    examples = [Example("x", {"a/a": 0.0}, name) for name, _, count in kinds for _ in range(count)]
    logits = [chance.normal(centre, 1.0, count) for _, centre, count in kinds]
    examples += [Example("x", {"a/a": 1.0}, "bad") for _ in range(300)]
    logits.append(chance.normal(3.0, 1.0, 300))
    rows = numpy.concatenate(logits)[:, None]
    found = calibrate_head(examples, rows, ["a/a"], Wanted(0.05, 0.1))
    scores = sigmoid(found.scale[0] * rows[:, 0] + found.shift[0])
    hard = numpy.array([example.source == "hard" for example in examples])
    assert (scores[hard] >= found.threshold).mean() <= 0.1
    assert (scores[-300:] >= found.threshold).mean() > 0.5
