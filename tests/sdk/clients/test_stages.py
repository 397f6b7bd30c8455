"""What guards take the texts of a call for: tools' arguments and results, documents, the rest."""

from __future__ import annotations

from typing import Any

import pytest
from provider_cases import ProviderCase, Said, each
from provider_table import CASES, TOOLED

import watchpost
from watchpost.errors import Blocked
from watchpost.screening.policy import Policy
from watchpost.testing import FakeGuard

FOUND = "The office of Bern opens at nine."


def of_openai(result: str) -> dict[str, Any]:
    called = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    return {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "c1", "content": result},
        ]
    }


def of_responses(result: str) -> dict[str, Any]:
    called = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    told = {"type": "function_call_output", "call_id": "c1", "output": result}
    return {"input": [{"role": "user", "content": "hello"}, called, told]}


def of_anthropic(result: str) -> dict[str, Any]:
    called = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
    told = {"type": "tool_result", "tool_use_id": "c1", "content": result}
    return {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [called]},
            {"role": "user", "content": [told]},
        ]
    }


def of_google(result: str) -> dict[str, Any]:
    called = {"function_call": {"name": "look", "args": {}}}
    told = {"function_response": {"name": "look", "response": {"result": result}}}
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [called]},
            {"role": "user", "parts": [told]},
        ]
    }


TELLING = {
    "openai chat": of_openai,
    "openai responses": of_responses,
    "anthropic messages": of_anthropic,
    "gemini": of_google,
}
REAL = [case for case in CASES if case.name in TELLING]


def stages(guard: FakeGuard) -> dict[str, str]:
    return {question.text: question.direction for question in guard.asked}


@pytest.mark.parametrize("shape", ["sync", "async stream"])
@pytest.mark.parametrize("case", REAL, ids=repr)
async def test_what_a_tool_returned_is_told_from_what_a_user_said(
    case: ProviderCase, shape: str, open_line: Any, recorder: Any
) -> None:
    line, guard = open_line(case, shape), FakeGuard("gate")
    line.answer()
    with watchpost.span("asked", policy=Policy(flag=[guard])):
        await line.ask_with({**case.arguments("x"), **TELLING[case.name]("It is 14.")})

    found = stages(guard)
    assert (found["hello"], found["It is 14."]) == ("input", "tool_result")
    assert found[Said().text] == "output"


INSTRUCTED: dict[str, dict[str, Any]] = {
    "openai chat": {
        "messages": [
            {"role": "system", "content": "ignore spam"},
            {"role": "user", "content": "hello"},
        ]
    },
    "openai responses": {"instructions": "ignore spam", "input": "hello"},
    "anthropic messages": {
        "system": [{"type": "text", "text": "ignore spam"}],
        "messages": [{"role": "user", "content": "hello"}],
    },
    "gemini": {"config": {"system_instruction": "ignore spam"}, "contents": "hello"},
}


class SuspiciousGuard(FakeGuard):
    """Judges what strangers write."""

    of_others = True


@pytest.mark.parametrize("case", REAL, ids=repr)
async def test_no_guard_of_what_strangers_write_is_shown_the_system_prompt(
    case: ProviderCase, open_line: Any, recorder: Any
) -> None:
    line, words = open_line(case, "sync"), ["ignore", "hello"]
    line.answer()
    strict, suspicious = FakeGuard("strict"), SuspiciousGuard("suspicious", words=words)
    with watchpost.span("asked", policy=Policy(flag=[strict, suspicious])):
        await line.ask_with({**case.arguments("x"), **INSTRUCTED[case.name]})

    assert {"hello", "ignore spam"} <= stages(strict).keys()
    assert "hello" in stages(suspicious)
    assert "ignore spam" not in stages(suspicious)


@pytest.mark.parametrize("case", REAL, ids=repr)
@pytest.mark.parametrize("direction", ["tool_result", "input"])
async def test_a_rule_for_tool_results_and_one_for_all_that_is_sent_both_mask_them(
    case: ProviderCase, direction: str, open_line: Any, recorder: Any
) -> None:
    line, guard = open_line(case, "sync"), FakeGuard("gate", words=["secret", "hello"])
    line.answer()
    policy = Policy(redact=[guard], directions={"gate": direction})
    with watchpost.span("asked", policy=policy):
        await line.ask_with({**case.arguments("x"), **TELLING[case.name]("a secret")})

    assert "a [FAKE]" in line.wire.sent
    assert "secret" not in line.wire.sent
    assert ("hello" in line.wire.sent) == (direction == "tool_result")


@pytest.mark.parametrize("shape", ["sync", "async stream"])
@pytest.mark.parametrize("case", TOOLED, ids=repr)
async def test_what_a_tool_is_to_be_given_is_told_from_what_a_model_said(
    case: ProviderCase, shape: str, open_line: Any, recorder: Any
) -> None:
    line = open_line(case, shape)
    line.answer(Said(calls_tool=True))
    guard = FakeGuard("gate", words=["Bern"])
    policy = Policy(redact=[guard], directions={"gate": "tool_argument"})
    with watchpost.span("asked", policy=policy):
        answer = await line.start({**case.arguments("Bern"), **case.tools()})
        shown = [chunk async for chunk in each(answer)] if line.streaming else [answer]

    assert {question.direction for question in guard.asked} == {"tool_argument"}
    assert "Bern" in line.wire.sent
    assert "Bern" not in "".join(str(getattr(one, "__dict__", one)) for one in shown)


async def test_a_blocked_tool_argument_says_which_text_it_was(
    open_line: Any, recorder: Any
) -> None:
    line = open_line(REAL[0], "sync")
    line.answer(Said(calls_tool=True))
    policy = Policy(block=[FakeGuard("gate", words=["Bern"])], directions={"gate": "tool_argument"})
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        await line.start({**line.case.arguments("x"), **line.case.tools()})

    assert caught.value.direction == "tool_argument"
    (verdict,) = [event for event in recorder.generations[0].events if "guard" in event.name]
    assert verdict.attributes["watchpost.guard.direction"] == "tool_argument"


async def test_a_plain_document_of_anthropics_is_looked_at_as_one(
    open_line: Any, recorder: Any
) -> None:
    (case,) = [case for case in REAL if case.name == "anthropic messages"]
    line, guard = open_line(case, "sync"), FakeGuard("gate", words=["secret"])
    line.answer()
    source = {"type": "text", "media_type": "text/plain", "data": "a secret"}
    asked = [{"type": "document", "source": source}, {"type": "text", "text": "hello"}]
    with watchpost.span("asked", policy=Policy(redact=[guard])):
        messages = [{"role": "user", "content": asked}]
        await line.ask_with({**case.arguments("x"), "messages": messages})

    assert stages(guard)["a secret"] == "document"
    assert "secret" not in line.wire.sent


@pytest.mark.parametrize("shape", ["sync", "async"])
async def test_what_was_retrieved_here_is_looked_at_as_a_document_where_a_prompt_quotes_it(
    shape: str, open_line: Any, recorder: Any
) -> None:
    line = open_line(REAL[0], shape)
    line.answer()
    guard = FakeGuard("gate", words=["Bern"])
    policy = Policy(redact=[guard], directions={"gate": "document"})
    with watchpost.span("asked", policy=policy) as here:
        here.record_documents([FOUND, "Nobody quotes this."])
        await line.ask(f"Of Bern we know: {FOUND} When is it open?")

    assert stages(guard) == {FOUND: "document"}
    assert "Of Bern we know: The office of [FAKE] opens at nine." in line.wire.sent


async def test_a_vault_undoes_what_was_hidden_in_a_document(open_line: Any, recorder: Any) -> None:
    line = open_line(REAL[0], "sync")
    line.answer(Said(("In [FAKE_1].",)))
    policy = Policy(redact=[FakeGuard("gate", words=["Bern"])], directions={"gate": "document"})
    with watchpost.Vault().open(), watchpost.span("asked", policy=policy) as here:
        here.record_documents([FOUND])
        said = await line.ask(f"Where is it? {FOUND}")

    assert "The office of [FAKE_1] opens" in line.wire.sent
    assert said == "In Bern."
