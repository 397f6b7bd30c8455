"""Guards before and after calls of every provider's real client: what is sent, what is shown."""

from __future__ import annotations

from typing import Any

import pytest
from provider_cases import Line, Said, each
from provider_features import shows
from word_guard import WordGuard

import watchpost
from watchpost.errors import Blocked
from watchpost.screening.policy import Policy


def spell(shown: Any) -> str:
    """Everything an answer holds, as text."""
    return str(shown.model_dump() if hasattr(shown, "model_dump") else shown)


@shows("question blocked")
async def test_a_blocked_question_is_never_sent(line: Line, recorder: Any) -> None:
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        await line.ask("tell me the secret")

    assert line.wire.requests == []
    assert caught.value.direction == "input"
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert "secret" not in str(found)


@shows("question redacted")
@pytest.mark.parametrize("typed", [False, True], ids=["plain", "typed"])
async def test_a_redacted_question_is_what_is_sent_and_the_callers_stays(
    either: Line, typed: bool, recorder: Any
) -> None:
    arguments = either.case.arguments("my name is Ada, hello", typed=typed)
    before = repr(arguments)
    either.answer()
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        await either.ask_with(arguments)

    assert "my name is [WORD], hello" in either.wire.sent
    assert "Ada" not in either.wire.sent
    assert repr(arguments) == before
    assert recorder.messages("input")[0]["parts"][0]["content"] == "my name is [WORD], hello"


async def test_a_guard_that_finds_nothing_changes_nothing_that_is_sent(either: Line) -> None:
    sent = []
    for policy in (None, Policy(redact=[WordGuard("Ada")])):
        either.wire.reset()
        either.answer()
        with watchpost.span("asked", policy=policy):
            await either.ask()
        sent.append(either.wire.sent)

    assert sent[0] == sent[1]


@shows("answer blocked")
async def test_a_blocked_answer_is_never_shown_but_its_tokens_count(
    line: Line, recorder: Any
) -> None:
    line.answer(
        Said(
            (
                "the sec",
                "ret is 42",
            )
        )
    )
    policy = Policy(block=[WordGuard("secret")], directions={"word": "output"})
    shown = []
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        shown.append(await line.ask())

    assert shown == []
    assert caught.value.direction == "output"
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert found["gen_ai.usage.input_tokens"] == line.case.input_tokens
    assert "gen_ai.output.messages" not in found


@shows("answer redacted")
async def test_a_redacted_answer_is_what_is_shown_and_what_is_recorded(
    line: Line, recorder: Any
) -> None:
    # The name is cut across pieces.
    line.answer(Said(("hello Ada", " Love", "lace there")))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        said = await line.ask()

    assert said == "hello [WORD] there"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "hello [WORD] there"


@shows("tool arguments redacted")
async def test_a_tools_arguments_are_redacted_too(tooled: Line, recorder: Any) -> None:
    tooled.answer(Said(calls_tool=True))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Bern")])):
        answer = await tooled.start({**tooled.case.arguments("hi"), **tooled.case.tools()})
        shown = [answer] if not tooled.streaming else [chunk async for chunk in each(answer)]

    spelled = "".join(map(spell, shown))
    assert "Bern" not in spelled
    assert "[WORD]" in spelled
    assert "Bern" not in recorder.generation["gen_ai.output.messages"]
