"""Cutting a text into segments: near things alone decide, and nothing but blobs is left out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost_guards.models.segments import REACH, SHORT, cut_segments

PROSE = "It was said that nothing of the kind had ever been seen near the harbour before. "
PARTS = st.sampled_from(
    (
        *(PROSE, PROSE * 3, "Ada Lovelace, 12 Long Street\nLondon\n\n", "1, 2, 3 ; "),
        *("日本語の文章です。" * 20, "a b c d e " * 30, '{"id": 7, "k": [1, 2]}\n'),
        *("\n\n\n   ", "x" * 900 + " "),
    )
)
TEXTS = st.lists(PARTS, min_size=4, max_size=30).map("".join)


def find_segment(text: str, place: int) -> tuple[int, int] | None:
    return next((s for s in cut_segments(text) if s[0] <= place < s[1]), None)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.data())
def test_a_place_is_cut_the_same_wherever_the_text_around_it_begins_and_ends(
    text: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, max(0, len(text) - 1)))
    start = data.draw(st.integers(0, max(0, place - REACH)))
    end = data.draw(st.integers(min(len(text), place + REACH), len(text)))
    # What is no longer than a segment is one, and no stream is looked at before it is longer.
    if end - start <= SHORT:
        return
    part = find_segment(text[start:end], place - start)
    shifted = None if part is None else (part[0] + start, part[1] + start)
    if place - start >= REACH or start == 0:
        assert shifted == find_segment(text, place)


def test_a_short_text_is_one_segment_and_an_empty_one_none() -> None:
    assert cut_segments(PROSE) == [(0, len(PROSE))]
    assert cut_segments("") == []


def test_segments_of_prose_hold_all_of_it_in_order() -> None:
    text = PROSE * 40
    segments = cut_segments(text)
    assert "".join(text[start:end] for start, end in segments) == text
    assert len(segments) > 5


def test_sentences_and_paragraphs_are_where_a_text_is_cut() -> None:
    text = f"{PROSE * 4}\n\n" * 6
    assert all(text[:end].rstrip().endswith(".") for _, end in cut_segments(text))


def test_an_encoded_file_is_in_no_segment() -> None:
    text = f"{PROSE * 8}{'QUJD' * 500} {PROSE * 8}"
    assert all("QUJDQUJD" not in text[start:end] for start, end in cut_segments(text))


def test_marks_before_the_first_word_change_nothing() -> None:
    assert cut_segments(f"= {PROSE}") == [(2, len(PROSE) + 2)]
    assert cut_segments(" \n = ") == []
