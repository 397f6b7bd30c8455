"""The guard `length`: limits in characters and tokens, and the model's own window."""

import pytest

from watchpost import Policy
from watchpost.screening.guard import Question
from watchpost.screening.screen import screen_all
from watchpost_guards.length import LengthGuard, find_window


def test_a_text_over_its_characters_trips_and_one_under_does_not() -> None:
    guard = LengthGuard(max_chars=10)
    assert guard.check(Question("x" * 11)).label == "TOO_LONG"
    assert not guard.check(Question("x" * 10)).tripped


def test_a_request_longer_than_its_models_window_trips() -> None:
    window = find_window("gpt-4")
    assert window is not None
    verdict = LengthGuard().check(Question("word " * (window + 1000), model="gpt-4"))
    assert verdict.label == "CONTEXT_OVERFLOW"
    assert str(window) in verdict.reason


def test_an_answer_is_not_measured_against_the_window() -> None:
    window = find_window("gpt-4")
    assert window is not None
    text = "word " * (window + 1000)
    assert not LengthGuard().check(Question(text, "output", model="gpt-4")).tripped


@pytest.mark.parametrize("model", [None, "nobody-knows-this-model"])
def test_without_a_known_window_nothing_trips(model: str | None) -> None:
    assert not LengthGuard().check(Question("x" * 100_000, model=model)).tripped


def test_the_texts_of_a_request_are_measured_together() -> None:
    policy = Policy(block=(LengthGuard(max_chars=25),))
    assert screen_all(policy, [Question("x" * 10)] * 2).action == "allow"
    decision = screen_all(policy, [Question("x" * 10)] * 3)
    assert decision.action == "block"
    assert len(decision.rulings) == 1


def test_one_endless_word_is_measured() -> None:
    verdict = LengthGuard(max_tokens=100).check(Question("a" * 200_000))
    assert verdict.tripped
