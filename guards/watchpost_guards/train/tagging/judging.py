"""What a tagger finds in labelled passages: thresholds chosen by it, and figures of it.

Findings count as the harness counts them, by half of their characters. It does not know how the
tagger was learned.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from watchpost.screening.guard import Finding, Question
from watchpost_guards.harness.sample import Sample, TypedSpan
from watchpost_guards.harness.spans import SpanFigures, SpanTally, match_spans, weigh
from watchpost_guards.models.tagger import Kind, Tagger, Word, join_words
from watchpost_guards.train.tagging.passages import Passage

_STEPS = tuple(number / 50 for number in range(2, 48))
_LEAST_PRECISION = 0.85
_SURE = 0.5
_CAPITALISED = re.compile(r"(?<![.!?\n]\s)(?<!\A)\b[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")

Find = Callable[[str], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures over a set, over all kinds and for each."""

    overall: SpanFigures
    by_kind: Mapping[str, SpanFigures]


def measure_finder(find: Find, passages: Sequence[Passage], kinds: Sequence[str]) -> Measured:
    """Figures of whatever finds something in texts; findings of other kinds do not count."""
    tally = SpanTally()
    for passage in passages:
        found = [finding for finding in find(passage.text) if finding.label in kinds]
        tally.add(match_spans(_as_sample(passage, kinds), found))
    by_kind = {label: weigh(count) for label, count in sorted(tally.labels.items())}
    return Measured(tally.overall, MappingProxyType(by_kind))


def find_sure(tagger: Tagger) -> Find:
    """What a tagger finds at its own thresholds."""
    return lambda text: [finding for finding in tagger.find(text) if finding.score >= _SURE]


def find_capitalised(text: str) -> Iterable[Finding]:
    """Every run of capitalised words but those that begin a sentence: what needs no model."""
    return [Finding(*run.span(), "PERSON", 1.0) for run in _CAPITALISED.finditer(text)]


def choose_thresholds(
    tagger: Tagger, kinds: Sequence[Kind], passages: Sequence[Passage]
) -> tuple[Kind, ...]:
    """The kinds with thresholds at which F2 is best, of those that keep precision up."""
    read: list[tuple[Passage, list[Word]]] = [
        (passage, tagger.read_words(passage.text)) for passage in passages
    ]
    return tuple(replace(kind, threshold=_choose(kinds, kind, read)) for kind in kinds)


def _choose(kinds: Sequence[Kind], kind: Kind, read: Sequence[tuple[Passage, list[Word]]]) -> float:
    best = (False, 0.0, kind.threshold)
    # A score of one half is at the threshold, so the steps are made by moving it.
    found = [
        [item for item in join_words(passage.text, words, kinds) if item.label == kind.label]
        for passage, words in read
    ]
    for step in _STEPS:
        limit = replace(kind, threshold=0.5, scale=1.0).score(step)
        tally = SpanTally()
        for (passage, _), items in zip(read, found, strict=True):
            told = [item for item in items if item.score >= limit]
            tally.add(match_spans(_as_sample(passage, (kind.label,)), told, {}))
        figures = tally.overall
        is_precise = (figures.precision or 0.0) >= _LEAST_PRECISION
        best = max(best, (is_precise, figures.f2 or 0.0, step))
    return best[2]


def _as_sample(passage: Passage, kinds: Sequence[str]) -> Sample:
    spans = tuple(TypedSpan(*span) for span in passage.spans if span[2] in kinds)
    return Sample(Question(passage.text), bool(spans), spans, "", (), passage.source, 0)
