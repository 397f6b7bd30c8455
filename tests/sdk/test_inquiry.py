"""What a guard is told beside the text: the request it answers, and what the user hands over."""

from __future__ import annotations

from typing import Any

import pytest

import watchpost
from watchpost.errors import ConfigError
from watchpost.screening.guard import TokenScore
from watchpost.testing.guards import FakeGuard

BRIEF = "Answer in one word."


@pytest.mark.parametrize("shape", ["sync", "async stream"])
async def test_of_an_answer_a_guard_is_told_what_was_asked_and_under_which_system_prompt(
    make_caller: Any, protocol: str, shape: str, recorder: Any
) -> None:
    caller = make_caller(protocol, shape)
    guard = FakeGuard("gate")
    recorder.install(policy=watchpost.Policy(block=[guard]))
    said = {
        "chat": {"messages": [{"role": "system", "content": BRIEF}, *_turns()]},
        "messages": {"messages": _turns(), "system": BRIEF},
        "responses": {"input": _turns(), "instructions": BRIEF},
    }[protocol]
    await caller.ask("", **said)

    told = {question.direction: question for question in guard.asked}
    assert (told["output"].prompt, told["output"].system) == ("And in Rome?", BRIEF)
    assert (told["input"].prompt, told["input"].system) == (None, None)
    assert told["output"].model == caller.model


async def test_what_a_policy_took_out_of_a_request_is_not_told_of_its_answer(
    make_caller: Any, recorder: Any
) -> None:
    guard = FakeGuard("gate", words=["Bern"])
    recorder.install(policy=watchpost.Policy(redact=[guard]))
    await make_caller("chat", "sync").ask("How warm is it in Bern?")
    assert guard.asked[-1].prompt == "How warm is it in [FAKE]?"


def test_a_text_screened_by_hand_comes_with_what_its_user_says_of_it(recorder: Any) -> None:
    guard = FakeGuard("gate")
    watchpost.screen(
        "It is 14.",
        watchpost.Policy(flag=[guard]),
        stage="output",
        prompt="How warm is it?",
        system=BRIEF,
        logprobs=[("It is", -0.25), (" 14.", -2.0)],
        samples=["It is 15."],
    )
    (question,) = guard.asked
    assert (question.prompt, question.system) == ("How warm is it?", BRIEF)
    assert question.tokens == (TokenScore(0, 5, -0.25), TokenScore(5, 9, -2.0))
    assert question.samples == ("It is 15.",)


def test_tokens_of_another_text_are_refused(recorder: Any) -> None:
    with pytest.raises(ConfigError, match="1 tokens"):
        watchpost.screen("one", watchpost.Policy(), logprobs=[("two", -0.5)])


def test_what_was_asked_does_not_show_where_a_question_is_printed(recorder: Any) -> None:
    guard = FakeGuard("gate")
    watchpost.screen("yes", watchpost.Policy(flag=[guard]), prompt="my number", system=BRIEF)
    assert "my number" not in repr(guard.asked[0])
    assert BRIEF not in repr(guard.asked[0])


def _turns() -> list[Any]:
    return [
        {"role": "user", "content": "How warm is it in Bern?"},
        {"role": "assistant", "content": "Mild."},
        {"role": "user", "content": "And in Rome?"},
    ]
