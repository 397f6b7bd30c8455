"""How tokens are written: what distinguishes a name from a word to who reads no capitals."""

import pytest

from watchpost_guards.models.shapes import SIZES, describe, is_same_word


def shapes(text: str) -> list[tuple[int, int, int, int]]:
    places, position = [], 0
    for word in text.split(" "):
        places.append((position, position + len(word)))
        position += len(word) + 1
    return describe(text, places)


def test_capitals_digits_and_marks_are_told_apart() -> None:
    said = [piece for piece, *_ in shapes("ada Ada ADA A aDa 7 1852 12345 a1 Ы 語 . , @")]
    assert said[:4] == sorted(set(said[:4]), key=said.index)
    assert len(set(said)) == len(said) - 1  # A and a Cyrillic capital are the same.


def test_a_piece_knows_the_word_it_is_a_part_of() -> None:
    (first, word, *_), (second, same, gap, _) = describe("Lovelace", [(0, 4), (4, 8)])
    assert word == same
    assert first != second
    assert gap == 1
    assert is_same_word("Lovelace", (0, 4), (4, 8))
    assert not is_same_word("Love.ace", (0, 4), (4, 5))


@pytest.mark.parametrize("between", [" ", "\n", "\n\n"])
def test_what_stands_between_two_words_is_seen(between: str) -> None:
    text = f"a{between}b"
    gaps = {describe(other, [(0, 1), (len(other) - 1, len(other))])[1][2] for other in ("ab", text)}
    assert len(gaps) == 2


def test_a_text_without_capitals_says_so() -> None:
    assert {case for *_, case in shapes("all small")} != {case for *_, case in shapes("Not Small")}


def test_every_number_is_within_its_table() -> None:
    text = "\x00 ß \ufb01 \u01c4 ½ \u0663 \U0001d538 \ud800 -- '' ..."
    places = [(n, n + 1) for n in range(len(text))]
    for row in describe(text, [(0, 0), *places]):
        assert all(0 <= value < size for value, size in zip(row, SIZES, strict=True))
