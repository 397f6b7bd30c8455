"""The guard `context_window`: requests against a model's window, known, set or unknown."""

from collections.abc import Mapping

import pytest

from watchpost import Policy
from watchpost.errors import ConfigError
from watchpost.screening.guard import Question
from watchpost.screening.screen import screen_all
from watchpost_guards.context_window import ContextWindow
from watchpost_guards.length import find_window


def test_a_request_longer_than_a_known_window_trips_and_a_shorter_one_does_not() -> None:
    window = find_window("gpt-4")
    assert window is not None
    verdict = ContextWindow().check(Question("word " * (window + 1000), model="gpt-4"))
    assert (verdict.label, verdict.tripped) == ("CONTEXT_OVERFLOW", True)
    assert f"{window:,}" in verdict.reason
    assert not ContextWindow().check(Question("word", model="gpt-4")).tripped


@pytest.mark.parametrize("model", [None, "nobody-knows-this-model"])
def test_of_an_unknown_window_it_says_that_it_cannot_tell(model: str | None) -> None:
    verdict = ContextWindow().check(Question("word " * 100_000, model=model))
    assert (verdict.label, verdict.tripped) == ("not_checkable", False)
    assert "set `window`" in verdict.reason


@pytest.mark.parametrize("window", [10, {"own": 10}])
def test_a_window_that_is_set_counts(window: int | Mapping[str, int]) -> None:
    guard = ContextWindow(window=window)
    assert guard.check(Question("one two three four five " * 10, model="own")).tripped
    assert not guard.check(Question("one two", model="own")).tripped


def test_room_for_the_answer_is_kept() -> None:
    text = "one two three four five six seven"
    assert not ContextWindow(window=20).check(Question(text, model="gpt-4")).tripped
    verdict = ContextWindow(window=20, reserve=15).check(Question(text, model="gpt-4"))
    assert verdict.reason.endswith("15 kept for the answer")


def test_a_character_of_many_bytes_may_be_many_tokens() -> None:
    assert ContextWindow(window=40).check(Question("\U0001f9ff" * 39, model="gpt-4")).tripped


def test_the_texts_of_a_request_count_together_and_answers_not_at_all() -> None:
    policy = Policy(block=[ContextWindow(window=10)])
    assert screen_all(policy, [Question("one two three four")]).action == "allow"
    assert screen_all(policy, [Question("one two three four")] * 4).action == "block"
    assert screen_all(policy, [Question("one two three four " * 9, "output")]).action == "allow"


@pytest.mark.parametrize(
    "settings",
    [{"window": 0}, {"window": {"a": "b"}}, {"reserve": -1}, {"window": 5, "reserve": 5}],
)
def test_a_setting_that_cannot_be_used_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"context_window\((window|reserve)="):
        ContextWindow(**settings)  # type: ignore[arg-type]
