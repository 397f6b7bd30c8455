"""What a figure must beat to mean anything: length, shared words, and always saying yes.

Each baseline may choose its direction and its threshold on the very data it is measured on, which
flatters it: a guard that is only as good has learnt nothing. This file knows texts, not guards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watchpost_guards.harness.measures import (
    Flags,
    Scores,
    divide,
    measure_auc,
    measure_f,
    measure_pr_auc,
    measure_recall_at,
    trace_curve,
)
from watchpost_guards.harness.sample import Sample

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one trivial rule reaches; `rule` says which way round it was the better.

    `f1`, `f2` and `balanced_accuracy` are the best that any of its thresholds gives.
    """

    rule: str
    auc: float | None
    pr_auc: float | None
    recall_at_1pct_fpr: float | None
    f1: float | None
    f2: float | None
    balanced_accuracy: float | None


def measure_baselines(samples: Sequence[Sample]) -> dict[str, Baseline]:
    """The baselines of labelled texts by name; none for spans, which none of these rules finds."""
    if not samples or samples[0].spans is not None:
        return {}
    positive = np.array([sample.positive for sample in samples])
    lengths = np.array([len(sample.question.text) for sample in samples], dtype=float)
    found = {"length": _measure(lengths, positive, "longer", "shorter")}
    if all(sample.source for sample in samples):
        shared = np.array([share_words(s.question.text, s.source) for s in samples])
        found["word_overlap"] = _measure(shared, positive, "more shared words", "fewer")
    found["always_yes"] = _measure(np.ones(len(samples)), positive, "everything", "everything")
    return found


def share_words(text: str, source: str) -> float:
    """The share of a text's words that its source holds too; 0 for a text without words."""
    words = [word.lower() for word in _WORD.findall(text)]
    known = {word.lower() for word in _WORD.findall(source)}
    return divide(sum(word in known for word in words), len(words)) or 0.0


def _measure(values: Scores, positive: Flags, upward: str, downward: str) -> Baseline:
    area = measure_auc(values, positive)
    upside_down = area is not None and area < 0.5
    scores = -values if upside_down else values
    curve = trace_curve(scores, positive)
    positives = int(np.sum(positive))
    negatives = len(positive) - positives
    points = list(zip(curve.true.tolist(), curve.false.tolist(), strict=True))
    return Baseline(
        rule=downward if upside_down else upward,
        auc=measure_auc(scores, positive),
        pr_auc=measure_pr_auc(scores, positive),
        recall_at_1pct_fpr=measure_recall_at(scores, positive, 0.01),
        f1=max((measure_f(1.0, *point, positives) or 0.0 for point in points), default=None),
        f2=max((measure_f(2.0, *point, positives) or 0.0 for point in points), default=None),
        balanced_accuracy=(
            max((hit / positives + 1 - false / negatives) / 2 for hit, false in points)
            if positives and negatives
            else None
        ),
    )
