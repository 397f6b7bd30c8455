"""A guard asked about every sample, and what came of it: over all, and slice by slice.

Guards are asked as a policy asks them, through disguises too, one text after the other on one
thread, and without the memory that would answer a text the second time for nothing.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from watchpost.screening.guard import Guard, Question, Verdict
from watchpost.screening.screen import look_through
from watchpost_guards.harness.baselines import Baseline, measure_baselines
from watchpost_guards.harness.measures import Figures, Flags, Scores, divide, measure
from watchpost_guards.harness.sample import Sample
from watchpost_guards.harness.spans import (
    LABELS,
    LEFT_OUT,
    Count,
    Matches,
    SpanFigures,
    SpanTally,
    match_spans,
    weigh,
)

_PERCENTILES = (50, 90, 99)
_WARMING = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict and the milliseconds it took."""

    verdict: Verdict
    spent_ms: float


@dataclass(frozen=True, slots=True)
class SpanReport:
    """The measures of spans: over all, by our label, by the data's type with the label it became.

    `hidden` is the share of the known characters that any finding covers, whatever it calls
    them; `hidden_precision` the share of the covered ones that are known.
    """

    overall: SpanFigures
    by_label: Mapping[str, SpanFigures]
    by_type: Mapping[str, tuple[str, int, float | None]]
    hidden: float | None
    hidden_precision: float | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of the data that says `value` of itself under `by`, and its measures."""

    by: str
    value: str
    figures: Figures
    spans: SpanFigures | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured of one guard on one set of data.

    `failures` are reasons and how often: a failed verdict counts as one that did not trip, with
    probability 0. `latency_ms` are percentiles, mean and maximum of one check.
    """

    guard: str
    revision: str
    threshold: float
    files: tuple[str, ...]
    figures: Figures
    spans: SpanReport | None
    baselines: Mapping[str, Baseline]
    slices: tuple[Slice, ...]
    latency_ms: Mapping[str, float]
    failures: Mapping[str, int]
    scores: Scores
    positive: Flags


class Unremembered:
    """A guard without its memory: a text asked twice is judged, and timed, twice."""

    pure = False

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.name = guard.name
        self.locates = bool(getattr(guard, "locates", False))
        self.remote = bool(getattr(guard, "remote", False))
        self.whole = bool(getattr(guard, "whole", False))
        self.revision = str(getattr(guard, "revision", ""))

    def check(self, question: Question) -> Verdict:
        """What the guard says."""
        return self._guard.check(question)


def ask(
    guard: Guard, questions: Sequence[Question], progress: Callable[[int], None] | None = None
) -> list[Answer]:
    """A guard's answers in order, loaded and warmed before the first is timed.

    `progress` is told how many are answered. A guard that raises gives a failed verdict.
    """
    load = getattr(guard, "warm", None)
    if load is not None:
        load()
    asked = Unremembered(guard)
    for question in questions[:_WARMING]:
        look_through(asked, question)
    answers = []
    for number, question in enumerate(questions, 1):
        began = time.perf_counter()
        verdict = look_through(asked, question)
        answers.append(Answer(verdict, (time.perf_counter() - began) * 1000))
        if progress is not None:
            progress(number)
    return answers


def evaluate(
    guard: Guard,
    samples: Sequence[Sample],
    *,
    labels: Mapping[str, str] = LABELS,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask a guard about every sample and measure. `labels` brings data's types to the guard's."""
    answers = ask(guard, [sample.question for sample in samples], progress)
    verdicts = [answer.verdict for answer in answers]
    scores = np.array([0.0 if v.failed else v.probability for v in verdicts])
    tripped = np.array([v.tripped and not v.failed for v in verdicts])
    positive = np.array([is_positive(sample, labels) for sample in samples])
    has_spans = samples[0].spans is not None
    matches = [
        match_spans(sample, verdict.findings, labels)
        for sample, verdict in zip(samples, verdicts, strict=True)
        if has_spans
    ]
    first = next((v for v in verdicts if not v.failed), verdicts[0])
    return Evaluation(
        guard=guard.name,
        revision=first.revision or str(getattr(guard, "revision", "")),
        threshold=first.threshold,
        files=tuple(dict.fromkeys(sample.file for sample in samples)),
        figures=measure(scores, positive, tripped),
        spans=_report_spans(matches, labels) if has_spans else None,
        baselines=measure_baselines(samples),
        slices=_cut_slices(samples, matches, scores, positive, tripped),
        latency_ms=measure_latency([answer.spent_ms for answer in answers]),
        failures=Counter(v.reason for v in verdicts if v.failed),
        scores=scores,
        positive=positive,
    )


def is_positive(sample: Sample, labels: Mapping[str, str] = LABELS) -> bool:
    """Whether a guard ought to trip; a span of a type that is left out is no reason to."""
    if sample.spans is None:
        return sample.positive
    return any(labels.get(span.type, span.type) != LEFT_OUT for span in sample.spans)


def measure_latency(spent_ms: Sequence[float]) -> dict[str, float]:
    """Percentiles, mean and maximum, in milliseconds."""
    told = {f"p{p}": float(np.percentile(spent_ms, p)) for p in _PERCENTILES}
    return {**told, "mean": float(np.mean(spent_ms)), "max": float(np.max(spent_ms))}


def _cut_slices(
    samples: Sequence[Sample],
    matches: Sequence[Matches],
    scores: Scores,
    positive: Flags,
    tripped: Flags,
) -> tuple[Slice, ...]:
    """One slice of every file and of every value that records give of themselves."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        for key in (("file", sample.file), *sample.slices):
            places[key].append(index)
    slices = []
    for (by, value), inside in places.items():
        spans = None
        if matches:
            tally = SpanTally()
            for index in inside:
                tally.add(matches[index])
            spans = tally.overall
        figures = measure(scores[inside], positive[inside], tripped[inside])
        slices.append(Slice(by, value, figures, spans))
    return tuple(slices)


def _report_spans(matches: Sequence[Matches], labels: Mapping[str, str]) -> SpanReport:
    tally = SpanTally()
    for match in matches:
        tally.add(match)
    return SpanReport(
        overall=tally.overall,
        by_label={label: weigh(tally.labels[label]) for label in _by_size(tally.labels)},
        by_type={
            kind: (labels.get(kind, kind), count.known, divide(count.found, count.known))
            for kind, count in ((kind, tally.types[kind]) for kind in _by_size(tally.types))
        },
        hidden=divide(tally.hidden, tally.known),
        hidden_precision=divide(tally.hidden, tally.hidden + tally.in_vain),
    )


def _by_size(counts: Mapping[str, Count]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name].known, -counts[name].said, name))
