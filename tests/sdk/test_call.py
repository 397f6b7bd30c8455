"""One call: what is kept of its answer and of its error until somebody reads the span."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import openai
import pytest
from openai_calls import HEAD
from wire_server import WireServer, json_reply

import watchpost
from watchpost.deferred import weight_of

TOKENS = 2000


@pytest.mark.parametrize("shape", ["sync", "async"])
async def test_what_a_caller_changes_in_an_answer_afterwards_is_not_recorded(
    make_caller: Any, protocol: str, shape: str, recorder: Any
) -> None:
    caller = make_caller(protocol, shape)
    answer = await caller.start("hello")
    said = {
        "chat": lambda: answer.choices[0].message,
        "messages": lambda: answer.content[0],
        "responses": lambda: answer.output[0].content[0],
    }[protocol]()
    setattr(said, "content" if protocol == "chat" else "text", "changed")
    answer.usage = None
    answer.model = "another"

    found = recorder.generation
    assert "stand-in" in recorder.messages("output")[0]["parts"][0]["content"]
    assert found["watchpost.usage.source"] == "provider"
    assert found["gen_ai.response.model"] == caller.model


async def test_an_answer_in_very_many_parts_is_read_at_once_and_not_kept(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    tokens = [{"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}] * TOKENS
    said = {"role": "assistant", "content": "a" * TOKENS}
    choice = {"index": 0, "message": said, "logprobs": {"content": tokens}}
    wire.answer(json_reply({**HEAD, "choices": [choice]}))
    answer = connect().chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello"}], logprobs=True
    )
    answer.choices[0].logprobs.content.clear()

    (span,) = recorder.spans
    assert (weight_of(span) or 0) < TOKENS
    assert recorder.generation["watchpost.logprob.mean"] == -0.5


@pytest.mark.usefixtures("collecting_alone")
async def test_a_failed_calls_error_is_not_kept_with_its_span(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "sync")
    caller.provider.fail(400, "no such thing")
    caught = weakref.WeakSet[BaseException]()
    try:
        await caller.ask("hello")
    except openai.BadRequestError as error:
        caught.add(error)
    gc.collect()

    assert len(recorder.spans) == 1
    assert not caught
    assert recorder.generation["http.response.status_code"] == 400


@pytest.mark.usefixtures("collecting_alone")
def test_an_observed_functions_error_is_not_kept_with_its_span(recorder: Any) -> None:
    class RefusedError(Exception):
        """One that can be watched."""

    caught = weakref.WeakSet[BaseException]()

    @watchpost.observe("refuses")
    def refuse() -> None:
        raise RefusedError

    try:
        refuse()
    except RefusedError as error:
        caught.add(error)
    gc.collect()

    assert not caught
    assert recorder.named("refuses").attributes["error.type"].endswith("RefusedError")
