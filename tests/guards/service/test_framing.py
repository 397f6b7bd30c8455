"""Texts as rows of tokens: nothing left out, whatever a tokenizer puts around them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from watchpost.errors import ConfigError
from watchpost_guards.service.framing import Frame, Row

LETTERS = "abcdefgh"
CLS, SEP = 1, 2


def make_tokenizer(*, single: str, pair: str) -> Tokenizer:
    """A word is a token; set to cut and to fill, as some on the hub are."""
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    return tokenizer


BERT = make_tokenizer(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1")
ROBERTA = make_tokenizer(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]")
BARE = make_tokenizer(single="$A", pair="$A $B")

texts = st.lists(st.sampled_from(LETTERS), max_size=80).map(" ".join)


def read_tokens(row: Row) -> tuple[int, ...]:
    return row.ids[row.first : row.first + len(row.places)]


@given(texts, st.sampled_from([BERT, ROBERTA, BARE]), st.integers(20, 40))
@settings(deadline=None, max_examples=50)
def test_every_token_of_a_text_is_in_a_row_at_its_place(
    text: str, tokenizer: Tokenizer, width: int
) -> None:
    rows = list(Frame(tokenizer, width, "test").cut(text))
    expected = {(i, i + 1): tokenizer.token_to_id(text[i]) for i in range(0, len(text), 2)}
    seen: dict[tuple[int, int], int] = {}
    for row in rows:
        assert len(row.ids) == len(row.types) <= width
        found = dict(zip(row.places, read_tokens(row), strict=True))
        assert all(seen.get(place, token) == token for place, token in found.items())
        seen |= found
    assert seen == expected


@given(texts, st.lists(texts, min_size=1, max_size=3), st.integers(20, 40))
@settings(deadline=None, max_examples=50)
def test_beside_other_texts_every_token_meets_every_token(
    text: str, others: list[str], width: int
) -> None:
    grid = Frame(BERT, width, "test").cut_beside(others, text)
    met = {
        (place, token)
        for rows in grid
        for row in rows
        for place in row.places
        for token in row.ids[1 : row.first - 1]
    }
    places = [(i, i + 1) for i in range(0, len(text), 2)]
    tokens = {BERT.token_to_id(letter) for other in others for letter in other.split()}
    assert met == {(place, token) for place in places for token in tokens}
    assert all(len(row.ids) <= width for rows in grid for row in rows)


@pytest.mark.parametrize(
    ("tokenizer", "ids", "types"),
    [
        (BERT, (CLS, 3, SEP, 4, SEP), (0, 0, 0, 1, 1)),
        (ROBERTA, (CLS, 3, SEP, SEP, 4, SEP), (0,) * 6),
        (BARE, (3, 4), (0, 0)),
    ],
)
def test_marks_and_types_are_those_the_tokenizer_writes(
    tokenizer: Tokenizer, ids: tuple[int, ...], types: tuple[int, ...]
) -> None:
    ((row,),) = Frame(tokenizer, 20, "test").cut_beside(["a"], "b")
    assert (row.ids, row.types) == (ids, types)


def test_a_very_long_text_without_a_space_near_a_border_is_read_whole() -> None:
    text = " ".join("abcdefgh"[number % 8] for number in range(60_000))
    tokens = Frame(BERT, 20, "test").read(text)
    assert list(tokens.places) == [(i, i + 1) for i in range(0, len(text), 2)]


def test_rows_too_short_for_two_texts_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        Frame(BERT, 18, "--catalogue tiny")
    assert error.value.setting == "--catalogue tiny width"
