"""The comparer's model card: figures beside baselines, and misses by name."""

import numpy

from watchpost_guards.train.pairs.card import Judged, write_card
from watchpost_guards.train.pairs.generated import MADE
from watchpost_guards.train.pairs.records import Example


def judge(source: str, *scores: float) -> Judged:
    """Answers that are right and wrong by turns, with these probabilities of being wrong."""
    examples = [
        Example(source, "The sea is calm.", f"The sea is number {n}.", n % 2 == 0)
        for n in range(len(scores))
    ]
    return Judged(source, examples, numpy.array(scores), 0.5, numpy.zeros(len(scores)))


def test_sets_below_the_target_are_missed_by_name() -> None:
    apart = [judge("near", 0.1, 0.9, 0.2, 0.8), judge("far", 0.9, 0.1, 0.2, 0.8)]
    card = write_card(apart, [], threshold=0.5, command="train", learned={})
    assert "Missed on: far." in card
    assert "| near | 4 | 2 | 1.000 |" in card


def test_a_run_without_sets_apart_claims_nothing_of_other_domains() -> None:
    kept = [judge("near", 0.1, 0.9)]
    learned = {"near": 7, f"{MADE}near": 3}
    card = write_card(
        [], kept, threshold=0.5, command="train", learned=learned, appendix="# Card\nbehind"
    )
    assert "Other domains" not in card
    assert "these sets: 3" in card
    assert card.endswith("behind\n")
