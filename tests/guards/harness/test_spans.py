"""Places found against places known: half an overlap counts, less does not, labels must agree."""

from __future__ import annotations

import pytest

from watchpost.screening.guard import Finding, Question
from watchpost_guards.harness.sample import Sample, TypedSpan
from watchpost_guards.harness.spans import (
    LABELS,
    SpanFigures,
    SpanTally,
    match_spans,
    read_labels,
    weigh,
)

TEXT = "Ann Lee lives in Rome"


def sample(*spans: tuple[int, int, str]) -> Sample:
    typed = tuple(TypedSpan(*span) for span in spans)
    return Sample(Question(TEXT), bool(typed), typed, "", (), "file", 1)


def tally(*pairs: tuple[Sample, list[tuple[int, int, str]]], labels=LABELS) -> SpanTally:
    found = SpanTally()
    for one, findings in pairs:
        found.add(match_spans(one, [Finding(*place, 1.0) for place in findings], labels))
    return found


def test_what_is_found_under_another_name_for_the_same_label_counts() -> None:
    one = tally((sample((0, 7, "NAME"), (17, 21, "GPE")), [(0, 7, "PERSON"), (17, 21, "LOCATION")]))
    assert (one.overall.recall, one.overall.precision, one.overall.f2) == (1.0, 1.0, 1.0)
    assert set(one.labels) == {"PERSON", "ADDRESS"}
    assert set(one.types) == {"NAME", "GPE"}


def test_half_of_a_span_finds_it_and_less_does_not() -> None:
    known = sample((0, 7, "PERSON"))
    assert tally((known, [(0, 4, "PERSON")])).overall.recall == 1.0
    assert tally((known, [(0, 3, "PERSON")])).overall.recall == 0.0
    # Together they cover it.
    assert tally((known, [(0, 3, "PERSON"), (4, 7, "PERSON")])).overall.recall == 1.0


def test_marking_the_whole_text_finds_everything_and_is_not_right() -> None:
    figures = tally((sample((0, 7, "PERSON")), [(0, 21, "PERSON")])).overall
    assert (figures.recall, figures.precision, figures.f2) == (1.0, 0.0, 0.0)


def test_a_wrong_label_is_a_miss_and_a_false_finding_but_its_characters_are_hidden() -> None:
    found = tally((sample((0, 7, "PERSON")), [(0, 7, "ORGANIZATION")]))
    assert (found.overall.recall, found.overall.precision) == (0.0, 0.0)
    assert weigh(found.labels["PERSON"]).recall == 0.0
    assert weigh(found.labels["ORGANIZATION"]).precision == 0.0
    assert (found.known, found.hidden, found.in_vain) == (7, 7, 0)


def test_characters_marked_in_vain_are_counted_once() -> None:
    found = tally((sample((0, 7, "PERSON")), [(5, 10, "PERSON"), (6, 10, "URL")]))
    assert (found.known, found.hidden, found.in_vain) == (7, 2, 3)


def test_a_type_left_out_is_neither_missed_nor_wrongly_found() -> None:
    labels = read_labels(["TITLE="])
    found = tally((sample((0, 3, "TITLE"), (4, 7, "NAME")), [(0, 3, "PERSON")]), labels=labels)
    assert found.overall == SpanFigures(1, 0, None, 0.0, 0.0, 0.0)
    assert found.in_vain == 0


def test_f2_counts_recall_four_times_as_much() -> None:
    two = sample((0, 7, "PERSON"), (17, 21, "ADDRESS"))
    figures = tally((two, [(0, 7, "PERSON")])).overall
    assert (figures.precision, figures.recall) == (1.0, 0.5)
    assert figures.f1 == pytest.approx(2 * 0.5 / 1.5)
    assert figures.f2 == pytest.approx(5 * 0.5 / 4.5)


def test_a_users_mapping_stands_over_ours_and_a_word_without_equals_is_refused() -> None:
    assert read_labels(["GPE=PLACE"])["GPE"] == "PLACE"
    assert read_labels([])["ORG"] == "ORGANIZATION"
    with pytest.raises(ValueError, match="GPE"):
        read_labels(["GPE"])
