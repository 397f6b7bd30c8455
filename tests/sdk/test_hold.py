"""Guards around calls: what is sent, what is shown, what is recorded, in every shape."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import watchpost
from watchpost.errors import Blocked, GuardUnavailable
from watchpost.screening.guard import Finding, Question, Verdict
from watchpost.screening.policy import Policy
from watchpost.testing.exchange import Answer, Usage


class WordGuard:
    """Trips on one word, and says where it stands."""

    def __init__(self, name: str, word: str) -> None:
        self.name = name
        self.word = word
        self.threads: list[threading.Thread] = []
        self.asked: list[str] = []

    def check(self, question: Question) -> Verdict:
        self.threads.append(threading.current_thread())
        self.asked.append(question.text)
        start = question.text.find(self.word)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),) if start >= 0 else ()
        return Verdict(
            self.name, "WORD", float(bool(found)), tripped=bool(found), findings=found, revision="1"
        )


class DeadGuard:
    name = "dead"

    def check(self, question: Question) -> Verdict:
        raise OSError("no weights")


def verdict_events(span: Any) -> list[dict[str, Any]]:
    return [dict(e.attributes) for e in span.events if e.name == "watchpost.guard.verdict"]


async def test_a_blocked_question_is_never_sent_and_still_recorded(
    caller: Any, recorder: Any
) -> None:
    policy = Policy(block=[WordGuard("word", "secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        await caller.ask("tell me the secret")

    assert caller.provider.requests == []
    assert caught.value.direction == "input"
    (span,) = recorder.generations
    assert span.attributes["watchpost.blocked"] is True
    assert span.attributes["watchpost.guard.action"] == "block"
    assert span.attributes["watchpost.usage.source"] == "none"
    assert span.attributes["gen_ai.request.model"] == caller.model
    assert "secret" not in str(dict(span.attributes))
    (event,) = verdict_events(span)
    assert event["watchpost.guard.name"] == "word"
    assert event["watchpost.guard.direction"] == "input"
    assert event["watchpost.guard.tripped"] is True


async def test_a_redacted_question_is_what_is_sent_and_what_is_recorded(
    caller: Any, recorder: Any
) -> None:
    asked = "my name is Ada, hello"
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("word", "Ada")])):
        await caller.ask(asked)

    sent = str(caller.provider.requests[0].body)
    assert "Ada" not in sent
    assert "my name is [WORD], hello" in sent
    assert recorder.messages("input")[0]["parts"][0]["content"] == "my name is [WORD], hello"
    assert recorder.generation["watchpost.guard.action"] == "redact"
    assert asked == "my name is Ada, hello"


async def test_a_blocked_answer_is_never_shown_but_its_tokens_count(
    caller: Any, recorder: Any
) -> None:
    caller.provider.answer(Answer(text="the secret is 42", usage=Usage(11, 7)))
    policy = Policy(block=[WordGuard("word", "secret")], directions={"word": "output"})
    shown = []
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked) as caught:
        shown.append(await caller.ask("hello"))

    assert shown == []
    assert caught.value.direction == "output"
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert found["gen_ai.usage.input_tokens"] == 11
    assert found["gen_ai.usage.output_tokens"] == 7
    assert "gen_ai.output.messages" not in found
    (event,) = verdict_events(recorder.generations[0])
    assert event["watchpost.guard.direction"] == "output"


async def test_a_redacted_answer_is_what_is_shown_and_what_is_recorded(
    caller: Any, recorder: Any
) -> None:
    # Word by word, so that the name is cut across chunks.
    caller.provider.answer(Answer(text="hello Ada Lovelace there"))
    policy = Policy(redact=[WordGuard("word", "Ada Lovelace")])
    with watchpost.span("asked", policy=policy):
        said = await caller.ask("hello")

    assert said == "hello [WORD] there"
    assert recorder.messages("output")[0]["parts"][0]["content"] == "hello [WORD] there"


async def test_a_flagged_stream_flows_and_is_checked_when_it_has_passed(
    make_caller: Any, recorder: Any, protocol: str
) -> None:
    caller = make_caller(protocol, "stream")
    guard = WordGuard("word", "stand-in")
    policy = Policy(flag=[guard], directions={"word": "output"})
    with watchpost.span("asked", policy=policy):
        stream = await caller.start("hello")
        next(stream)
        assert guard.asked == []
        list(stream)

    assert guard.asked == ["Hello, this is the stand-in provider."]
    assert recorder.generation["watchpost.guard.action"] == "flag"


async def test_no_guard_runs_on_the_event_loops_thread(make_caller: Any, recorder: Any) -> None:
    guard = WordGuard("word", "nothing")
    for shape in ("async", "async stream"):
        caller = make_caller("chat", shape)
        with watchpost.span("asked", policy=Policy(block=[guard])):
            await caller.ask("hello")

    assert len(guard.threads) == 4
    assert threading.current_thread() not in guard.threads


async def test_a_dead_guard_stops_the_call_only_when_the_policy_says_closed(
    caller: Any, recorder: Any
) -> None:
    with watchpost.span("open", policy=Policy(block=[DeadGuard()])):
        await caller.ask("hello")
    closed = Policy(block=[DeadGuard()], on_failure={"dead": "closed"})
    with watchpost.span("closed", policy=closed), pytest.raises(GuardUnavailable):
        await caller.ask("hello")

    assert len(caller.provider.requests) == 1
    opened, stopped = recorder.generations
    assert "watchpost.blocked" not in opened.attributes
    assert stopped.attributes["watchpost.blocked"] is True
    assert verdict_events(opened)[0]["watchpost.guard.failed"] is True


async def test_system_texts_and_tool_results_are_seen_by_guards(
    make_caller: Any, recorder: Any
) -> None:
    guard = WordGuard("word", "Ada")
    caller = make_caller("messages", "sync")
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "found Ada"}
    used = {"type": "tool_use", "id": "t1", "name": "find", "input": {"who": ["Ada"]}}
    messages = [
        {"role": "user", "content": "find"},
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [result]},
    ]
    with watchpost.span("asked", policy=Policy(redact=[guard])):
        await caller.ask("", system="You serve Ada.", messages=messages)

    sent = str(caller.provider.requests[0].body)
    assert "Ada" not in sent
    assert sent.count("[WORD]") == 3
    assert used["input"] == {"who": ["Ada"]}


async def test_the_configured_policy_holds_where_no_scope_has_one(
    make_caller: Any, recorder: Any
) -> None:
    recorder.install(policy=Policy(block=[WordGuard("word", "secret")]))
    caller = make_caller("chat", "sync")
    with pytest.raises(Blocked):
        await caller.ask("secret")


async def test_what_would_be_redacted_in_a_raw_answer_is_blocked(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "sync")
    policy = Policy(redact=[WordGuard("word", "stand-in")])
    raw = caller.client.chat.completions.with_raw_response
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked):
        raw.create(**caller.arguments("hello"))

    assert recorder.generation["watchpost.blocked"] is True
