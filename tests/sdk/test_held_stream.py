"""Streams under guards that tell their reach: shown as they are settled, in every protocol."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from word_guard import WordGuard

import watchpost
from watchpost.errors import Blocked, GuardUnavailable
from watchpost.screening.guard import Question, Verdict
from watchpost.screening.policy import Policy
from watchpost.testing.exchange import Answer, ToolCall

LINES = [(p, s) for p in ("chat", "responses", "messages") for s in ("stream", "async stream")]
# Cut inside the name, and inside a pair of surrogates.
PIECES = ["hello Ada Lo", "vela", "ce \U0001f600 and "] + ["more words, ", "and "] * 40


async def each(stream: Any) -> Any:
    if hasattr(stream, "__anext__"):
        async for chunk in stream:
            yield chunk
    else:
        for chunk in stream:
            yield chunk


async def collect(streaming: Any, shown: list[str]) -> None:
    """Ask, and note every piece of text that is shown."""
    async for chunk in each(await streaming.start("hello")):
        shown.append(text_of(chunk))


def text_of(chunk: Any) -> str:
    """What a chunk of any of the protocols adds to the text."""
    if choices := getattr(chunk, "choices", None):
        return choices[0].delta.content or ""
    if getattr(chunk, "type", "") == "response.output_text.delta":
        return str(chunk.delta)
    return getattr(getattr(chunk, "delta", None), "text", None) or ""


@pytest.fixture(params=LINES, ids=" ".join)
def streaming(request: Any, make_caller: Any) -> Any:
    return make_caller(*request.param)


async def test_what_is_settled_is_shown_before_the_stream_ends(
    streaming: Any, recorder: Any
) -> None:
    streaming.provider.answer(Answer(text="".join(PIECES), pieces=PIECES))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        stream = await streaming.start("hello")
        chunks = each(stream)
        shown = ""
        while "hello [WORD] \U0001f600" not in shown:
            shown += text_of(await anext(chunks))
        assert recorder.generations == []
        shown += "".join([text_of(chunk) async for chunk in chunks])

    expected = "".join(PIECES).replace("Ada Lovelace", "[WORD]")
    assert shown == expected
    assert recorder.messages("output")[0]["parts"][0]["content"] == expected
    found = recorder.generation
    assert 12 <= found["watchpost.stream.held.characters"] < len(expected)
    assert found["watchpost.stream.held.ms"] >= 0
    assert found["watchpost.guard.action"] == "redact"


async def test_a_stream_blocked_midway_keeps_what_was_shown_and_why_it_ended(
    streaming: Any, recorder: Any
) -> None:
    text = "".join(PIECES) + "the secret is 42 " + "".join(PIECES)
    streaming.provider.answer(Answer(text=text))
    policy = Policy(block=[WordGuard("secret")], directions={"word": "output"})
    seen: list[str] = []
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        await collect(streaming, seen)
    shown = "".join(seen)

    assert caught.value.direction == "output"
    assert text.startswith(shown)
    assert len(shown) > 100
    assert "the secret" not in shown
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert found["watchpost.stream.end"] == "error"
    assert found["error.type"] == "Blocked"
    assert recorder.messages("output")[0]["parts"][0]["content"] == shown
    assert "secret" not in str(recorder.generations[0].to_json())


async def test_arguments_of_a_tool_streamed_as_pieces_of_json_are_masked_across_them(
    streaming: Any, recorder: Any
) -> None:
    arguments = {"who": "Ada Lovelace", "what": "plain words, " * 20, "whom": "Ada Lovelace"}
    streaming.provider.answer(
        Answer(text="I look. " * 20, tool_calls=[ToolCall("find", arguments)])
    )
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        spelled = [str(chunk) async for chunk in each(await streaming.start("hello"))]

    assert "Lovelace" not in "".join(spelled)
    (call,) = [p for p in recorder.messages("output")[0]["parts"] if p["type"] == "tool_call"]
    masked = {**arguments, "who": "[WORD]", "whom": "[WORD]"}
    given = call["arguments"]
    assert (json.loads(given) if isinstance(given, str) else given) == masked


async def test_a_guard_that_does_not_tell_its_reach_keeps_the_stream_whole(
    streaming: Any, recorder: Any
) -> None:
    guard = WordGuard("Ada Lovelace")
    del guard.reach
    streaming.provider.answer(Answer(text="".join(PIECES), pieces=PIECES))
    with watchpost.span("asked", policy=Policy(redact=[guard])):
        chunks = each(await streaming.start("hello"))
        await anext(chunks)
        assert len(recorder.generations) == 1
        async for _ in chunks:
            pass

    assert recorder.generation["watchpost.stream.held.characters"] == len("".join(PIECES))


class FlagGuard:
    """Says of every text that it saw it."""

    name = "flag"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def check(self, question: Question) -> Verdict:
        self.asked.append(question.text)
        return Verdict("flag", "SEEN", 1.0, tripped=True)


async def test_a_guard_that_only_flags_sees_the_text_whole_and_as_the_model_wrote_it(
    streaming: Any, recorder: Any
) -> None:
    flag = FlagGuard()
    streaming.provider.answer(Answer(text="".join(PIECES), pieces=PIECES))
    policy = Policy(redact=[WordGuard("Ada Lovelace")], flag=[flag], directions={"flag": "output"})
    with watchpost.span("asked", policy=policy):
        async for _ in each(await streaming.start("hello")):
            pass

    assert flag.asked == ["".join(PIECES)]
    said = {e.attributes["watchpost.guard.name"] for e in recorder.generations[0].events}
    assert said == {"word", "flag"}


class DyingGuard(WordGuard):
    """Answers once, and then no more."""

    def check(self, question: Question) -> Verdict:
        if question.text.startswith("hello"):
            return super().check(question)
        raise OSError("gone")


async def test_a_guard_that_dies_midway_stops_the_stream_when_the_policy_says_closed(
    streaming: Any, recorder: Any
) -> None:
    streaming.provider.answer(Answer(text="".join(PIECES * 3)))
    policy = Policy(
        redact=[DyingGuard("Ada Lovelace")],
        on_failure={"word": "closed"},
        directions={"word": "output"},
    )
    seen: list[str] = []
    with watchpost.span("asked", policy=policy), pytest.raises(GuardUnavailable):
        await collect(streaming, seen)
    shown = "".join(seen)

    assert re.match(r"hello \[WORD\]", shown)
    assert "Lovelace" not in shown
    assert recorder.generation["watchpost.blocked"] is True


async def test_a_stream_that_is_left_early_records_what_was_shown_alone(
    streaming: Any, recorder: Any
) -> None:
    streaming.provider.answer(Answer(text="".join(PIECES * 2) + "Ada Lovelace"))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        stream = await streaming.start("hello")
        shown = ""
        async for chunk in each(stream):
            shown += text_of(chunk)
            if len(shown) > 100:
                break
        closed = stream.close()
        if closed is not None:
            await closed

    recorded = recorder.messages("output")[0]["parts"][0]["content"]
    assert recorded.startswith(shown)
    assert "Lovelace" not in recorded
    assert recorder.generation["watchpost.stream.end"] == "closed"
