"""Places found against places known: overlap in characters, by label and over all.

A known span counts as found when findings of its label cover at least half of it, and a finding
as right when at least half of it lies in known spans of its label: neither a name cut in two nor
one finding around a whole text passes unnoticed. Labels of data sets are brought to ours first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from watchpost.screening.guard import Finding
from watchpost_guards.harness.measures import divide
from watchpost_guards.harness.sample import Sample

COVERED = 0.5
# Names other data sets and guards use for the same thing. A type that is not here is its own.
LABELS: Mapping[str, str] = {
    **dict.fromkeys(("NAME", "PER", "FIRST_NAME", "LAST_NAME"), "PERSON"),
    **dict.fromkeys(("LOCATION", "LOC", "GPE", "STREET_ADDRESS", "CITY", "ZIP_CODE"), "ADDRESS"),
    **dict.fromkeys(("ORG", "ORGANISATION", "COMPANY"), "ORGANIZATION"),
    **dict.fromkeys(("DATE", "TIME", "BIRTHDAY", "DATE_OF_BIRTH"), "DATE_TIME"),
    **dict.fromkeys(("EMAIL",), "EMAIL_ADDRESS"),
    **dict.fromkeys(("PHONE",), "PHONE_NUMBER"),
    **dict.fromkeys(("SSN",), "US_SSN"),
    **dict.fromkeys(("IBAN",), "IBAN_CODE"),
    **dict.fromkeys(("DOMAIN_NAME",), "URL"),
}
LEFT_OUT = ""


@dataclass(slots=True)
class Count:
    """Known spans, those found of them, findings, those right of them."""

    known: int = 0
    found: int = 0
    said: int = 0
    right: int = 0

    def add(self, other: Count) -> None:
        """Take another count in."""
        self.known += other.known
        self.found += other.found
        self.said += other.said
        self.right += other.right


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """Measures of one label, or of all: F-scores of span recall and finding precision."""

    known: int
    said: int
    precision: float | None
    recall: float | None
    f1: float | None
    f2: float | None


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found in one text: counts by our label, recall by the data's type, characters.

    `characters` are known, hidden of those, and marked in vain, whatever they were called.
    """

    labels: Mapping[str, Count]
    types: Mapping[str, Count]
    characters: tuple[int, int, int]


@dataclass(slots=True)
class SpanTally:
    """The sums over many texts."""

    labels: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    types: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    known: int = 0
    hidden: int = 0
    in_vain: int = 0

    def add(self, matches: Matches) -> None:
        """Take the matches of one text in."""
        for label, count in matches.labels.items():
            self.labels[label].add(count)
        for kind, count in matches.types.items():
            self.types[kind].add(count)
        known, hidden, in_vain = matches.characters
        self.known += known
        self.hidden += hidden
        self.in_vain += in_vain

    @property
    def overall(self) -> SpanFigures:
        """All labels taken together, each span weighing the same."""
        whole = Count()
        for count in self.labels.values():
            whole.add(count)
        return weigh(whole)


def weigh(count: Count) -> SpanFigures:
    """The measures of a count.

    Spans and findings need not pair off (one finding may hold two names), so that F is taken of
    the two rates: (1 + b^2) P R / (b^2 P + R).
    """
    precision, recall = divide(count.right, count.said), divide(count.found, count.known)
    return SpanFigures(
        known=count.known,
        said=count.said,
        precision=precision,
        recall=recall,
        f1=_combine(1.0, precision, recall),
        f2=_combine(2.0, precision, recall),
    )


def read_labels(changes: Iterable[str]) -> dict[str, str]:
    """The mapping with a user's `TYPE=LABEL` over it; `TYPE=` leaves a type out.

    Raises ValueError, naming it, for one without an equals sign.
    """
    labels = dict(LABELS)
    for change in changes:
        kind, equals, label = change.partition("=")
        if not kind or not equals:
            raise ValueError(change)
        labels[kind] = label
    return labels


def match_spans(
    sample: Sample, findings: Sequence[Finding], labels: Mapping[str, str] = LABELS
) -> Matches:
    """Compare one text's known spans with what a guard found in it."""
    counts: dict[str, Count] = defaultdict(Count)
    types: dict[str, Count] = defaultdict(Count)
    known: dict[str, list[tuple[int, int]]] = defaultdict(list)
    said: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for span in sample.spans or ():
        known[labels.get(span.type, span.type)].append((span.start, span.end))
    for finding in findings:
        said[labels.get(finding.label, finding.label)].append((finding.start, finding.end))
    said_at = {label: _join(places) for label, places in said.items()}
    known_at = {label: _join(places) for label, places in known.items()}
    for span in sample.spans or ():
        label = labels.get(span.type, span.type)
        if label != LEFT_OUT:
            one = Count(known=1, found=_is_covered((span.start, span.end), said_at.get(label, ())))
            counts[label].add(one)
            types[span.type].add(one)
    left_out = known_at.get(LEFT_OUT, ())
    for label, places in said.items():
        for place in places:
            if label != LEFT_OUT and not _is_covered(place, left_out):
                is_right = _is_covered(place, known_at.get(label, ()))
                counts[label].add(Count(said=1, right=is_right))
    return Matches(counts, types, _count_characters(known, said, left_out))


def _count_characters(
    known: Mapping[str, list[tuple[int, int]]],
    said: Mapping[str, list[tuple[int, int]]],
    left_out: Sequence[tuple[int, int]],
) -> tuple[int, int, int]:
    wanted = _join(place for label, places in known.items() if label for place in places)
    marked = _join(place for label, places in said.items() if label for place in places)
    hidden = sum(_overlap(place, marked) for place in wanted)
    excused = _join((*wanted, *left_out))
    in_vain = sum(end - start - _overlap((start, end), excused) for start, end in marked)
    return sum(end - start for start, end in wanted), hidden, in_vain


def _is_covered(place: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return _overlap(place, others) >= COVERED * (place[1] - place[0]) > 0


def _overlap(place: tuple[int, int], others: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(place[1], end) - max(place[0], start)) for start, end in others)


def _join(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same characters as stretches that do not overlap."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _combine(beta: float, precision: float | None, recall: float | None) -> float | None:
    if recall is None:
        return None
    if not precision:
        return 0.0
    weight = beta * beta
    return divide((1 + weight) * precision * recall, weight * precision + recall) or 0.0
