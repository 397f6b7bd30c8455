"""Borrowed sentences: which are empty, and where a name can be put."""

import random

from watchpost_guards.train.tagging.prose import keep_empty, open_slots

COMMON = ["the weather is nice and the sea is calm today"] * 5


def test_a_sentence_with_a_capital_inside_may_hold_a_name() -> None:
    said = ["The weather is nice", "The weather in Paris is nice"]
    kept = keep_empty([*COMMON, *said])
    assert said[0] in kept
    assert said[1] not in kept


def test_a_first_word_that_is_seldom_written_small_may_be_a_name() -> None:
    assert "Ada is nice today" not in keep_empty([*COMMON, "Ada is nice today"])


def test_a_word_that_is_mostly_capitalised_is_a_name_even_in_small_letters() -> None:
    known = ["the weather in Paris is nice"] * 3
    assert "the weather in paris is nice" not in keep_empty(
        [*COMMON, *known, *["the weather in paris is nice"] * 5]
    )


def test_pronouns_and_roles_become_slots() -> None:
    rng = random.Random(1)
    made = open_slots("He told the company that it was late", rng)
    assert made is not None
    assert made.startswith("{")
    assert "{org}" in made
    assert open_slots("the weather is nice", rng) is None
