"""Readings of a text without its disguise, and where everything in them stands in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchpost.screening.decision import mask
from watchpost.screening.disguise import find_through, fold_letters, plain_length, read_disguises
from watchpost.screening.guard import Finding

NUMBER = "4111 1111 1111 1111"
MAIL = "ada@example.com"


def look_for(*words: str, score: float = 1.0) -> Callable[[str], Iterator[Finding]]:
    """Finds words as they stand."""

    def find(text: str) -> Iterator[Finding]:
        for match in re.finditer("|".join(map(re.escape, words)), text):
            yield Finding(*match.span(), "WORD", score)

    return find


@pytest.mark.parametrize(
    "hidden",
    [
        "4111\u200b 1111\u200d\u2060 11\ufeff11 1111",
        NUMBER.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        NUMBER.translate({0x30 + digit: 0x660 + digit for digit in range(10)}),
        "\U0001d7dc\U0001d7d9\U0001d7d9\U0001d7d9 1111 \u2460\u2460\u2460\u2460 1111",
        "4 1 1 1   1 1 1 1   1 1 1 1   1 1 1 1",
        "4111\u00a01111\u00a01111\u00a01111",
        "&#52;111 1111\u200b 1111 1111",
        "".join(chr(0xE0000 + ord(c)) for c in NUMBER),
    ],
    ids=["unseen", "wide", "arabic", "fancy", "spaced", "no break", "escaped", "tags"],
)
def test_a_number_in_disguise_is_masked_where_it_stands_and_nothing_else(hidden: str) -> None:
    text = f"\u6211\u7684\u5361 {hidden} ok\u2026 \u00e9"
    found = find_through(look_for(NUMBER), text)
    shown = mask(text, found).replace("\u200b", "")
    assert shown == "\u6211\u7684\u5361 [WORD] ok\u2026 \u00e9"


@pytest.mark.parametrize(
    "hidden",
    [
        MAIL.replace("a", "\u0430").replace("e", "\u0435"),
        "\u200b".join(MAIL),
        " ".join(MAIL),
        MAIL.replace("@", "\uff20"),
    ],
    ids=["look-alike", "unseen", "spaced", "wide sign"],
)
def test_an_address_in_disguise_is_found(hidden: str) -> None:
    text = f"write to {hidden} soon"
    assert mask(text, find_through(look_for(MAIL), text)) == "write to [WORD] soon"


def test_what_was_joined_by_guess_counts_only_where_it_proves_itself() -> None:
    text = "1 2 3 4 5 6 7 8 9"
    assert not list(find_through(look_for("123456789", score=0.9), text))
    assert list(find_through(look_for("123456789", score=1.0), text))


@pytest.mark.parametrize(
    "text",
    [
        "plain words, 12 of them: nothing hidden",
        "\u0441\u0442\u043e\u0440\u043e\u043d\u0430 \u0438 \u043c\u043e\u0440\u0435",
        "it\u2019s \u201cfine\u201d \u2014 caf\u00e9",
        "a b c d e f",
        "\u6211\u662f\u4eba",
    ],
)
def test_ordinary_texts_have_no_other_reading(text: str) -> None:
    assert not list(read_disguises(text))


@given(st.text(st.sampled_from("ab1 \u200b\ufeff\uff14\u00bd\ufb01\u0301\u1112\u1161\u4e2d\u2026")))
def test_every_part_of_a_folded_text_knows_its_place(text: str) -> None:
    folded = fold_letters(text)
    places = [folded.locate(place, place + 1) for place in range(len(folded.text))]
    assert places == sorted(places)
    assert all(0 <= start <= end <= len(text) for start, end in places)
    for character, (start, end) in zip(folded.text, places, strict=True):
        if character in "ab1\u4e2d" and end - start == 1:
            assert fold_letters(text[start:end]).text.startswith(character)


@pytest.mark.parametrize(
    ("text", "length"),
    [("plain", 5), ("a%20b", 3), ("4\u200b\u200b1", 2), ("1 2 3 4 5 6 7 8", 8), ("1 2 3", 5)],
)
def test_padding_counts_for_nothing(text: str, length: int) -> None:
    assert plain_length(text) == length
