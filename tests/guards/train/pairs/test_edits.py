"""Edits of sentences: what they break is marked, what they keep is not."""

import random

import pytest

from watchpost_guards.train.pairs.edits import BREAKING, KEEPING, Edit, Setting, read_marks
from watchpost_guards.train.pairs.words import read_words

DOCUMENT = (
    "In 2014, Maria Lopez bought a large house in Porto (near the river) for 250 pounds. "
    "The river is wide and may flood. Peter Stone sold it to Maria Lopez because prices rose in "
    "Lisbon. Anna: I will paint it for free. Bob: It was built in 1921 by workers from Madrid."
)
OTHER = (
    "The museum opened in Vienna with 40 paintings against the will of Karl Huber. It was closed."
)
SENTENCES = (
    "In 2014, Maria Lopez bought a large house in Porto (near the river) for 250 pounds.",
    "Yesterday Peter Stone sold it to Maria Lopez because prices rose in Lisbon.",
    "Bob says: It was built in 1921 by workers from Madrid.",
    "The river is wide and may flood.",
)


def apply(edit: Edit) -> list[str]:
    setting = Setting.of(DOCUMENT, OTHER)
    tried = (
        (sentence, edit(sentence, setting, random.Random(seed)))
        for sentence in SENTENCES
        for seed in range(30)
    )
    return [told for sentence, told in tried if told is not None and told != sentence]


@pytest.mark.parametrize("edit", sorted(set(BREAKING), key=lambda edit: edit.__name__))
def test_an_edit_that_breaks_a_sentence_says_where(edit: Edit) -> None:
    told = apply(edit)
    assert told
    for marked in told:
        plain, places = read_marks(marked)
        assert plain not in SENTENCES
        assert places
        assert all(0 <= start < end <= len(plain) for start, end in places)


@pytest.mark.parametrize("edit", sorted(set(KEEPING), key=lambda edit: edit.__name__))
def test_an_edit_that_keeps_what_is_said_marks_nothing(edit: Edit) -> None:
    told = apply(edit)
    assert told
    assert all(read_marks(text) == (text, []) for text in told)


def test_no_word_may_and_must_not_stand_for_another() -> None:
    words = read_words()
    assert words.same["bought"] == ("acquired", "purchased")
    assert "sold" in words.other["bought"]
    assert "tuesday" in words.other["monday"]
    assert not any(set(held) & set(words.other.get(word, ())) for word, held in words.same.items())
