"""What only Mistral's client does: parsed answers, agents, gaps to fill, streams to enter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pydantic
import pytest
from mistral_cases import USAGE, Chat
from mistralai.client import Mistral, models
from provider_cases import Said
from provider_features import shows
from wire_server import WireServer, json_reply, sse_reply
from word_guard import WordGuard

import watchpost
from watchpost.errors import GuardUnavailable
from watchpost.patching import unpatch
from watchpost.screening.policy import Policy

CASE = Chat()
ASKED = [{"role": "user", "content": "hi"}]


class Person(pydantic.BaseModel):
    name: str


@pytest.fixture
async def client(wire: WireServer) -> AsyncIterator[Any]:
    made = watchpost.patch(CASE.connect(wire.url, False))
    yield made
    await CASE.close(made, False)


def test_a_parsed_answer_is_one_generation(client: Any, wire: WireServer, recorder: Any) -> None:
    wire.answer(CASE.whole(Said(('{"name": "Ada"}',))))
    answer = client.chat.parse(Person, model=CASE.model, messages=ASKED)

    assert answer.choices[0].message.parsed == Person(name="Ada")
    assert recorder.generation["gen_ai.output.type"] == "json"


def test_what_is_redacted_is_parsed_as_redacted(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(CASE.whole(Said(('{"name": "Ada"}',))))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.chat.parse(Person, model=CASE.model, messages=ASKED)

    assert answer.choices[0].message.parsed == Person(name="[WORD]")


def test_a_stream_is_still_the_clients_own_and_a_context(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(CASE.stream(Said()))
    with client.chat.stream(model=CASE.model, messages=ASKED) as stream:
        assert stream.response.status_code == 200
        first = next(iter(stream))

    assert type(first) is models.CompletionEvent
    assert recorder.generation["watchpost.stream.end"] == "closed"


def test_a_conversation_with_tools_is_recorded_in_its_order(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    wire.answer(CASE.whole(Said()))
    client.chat.complete(
        model=CASE.model,
        random_seed=7,
        messages=[
            models.SystemMessage(content="be brief"),
            {"role": "user", "content": "How warm?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            models.ToolMessage(content="14", tool_call_id="c1", name="weather"),
        ],
    )

    found = recorder.generation
    assert json.loads(found["gen_ai.system_instructions"])[0]["content"] == "be brief"
    assert found["gen_ai.request.seed"] == 7
    kinds = [[part["type"] for part in m["parts"]] for m in recorder.messages("input")]
    assert kinds == [["text"], ["tool_call"], ["tool_call_response"]]
    assert recorder.messages("input")[2]["parts"][0]["id"] == "c1"


def test_a_guard_sees_what_tools_gave_back_and_what_was_thought(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "about Ada"}]}
    messages = [
        {"role": "assistant", "content": [thought]},
        models.ToolMessage(content="found Ada", tool_call_id="c1"),
    ]
    wire.answer(CASE.whole(Said(thought="of Ada", pieces=("hello",))))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.chat.complete(model=CASE.model, messages=messages)

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 2
    assert "Ada" not in str(answer)
    assert messages[1].content == "found Ada"


def test_what_an_agent_was_asked_names_the_agent(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(CASE.whole(Said()))
    client.agents.complete(agent_id="ag-1", messages=ASKED)

    assert recorder.generation["gen_ai.agent.id"] == "ag-1"


def test_code_around_a_gap_is_asked_whole(client: Any, wire: WireServer, recorder: Any) -> None:
    wire.answer(CASE.whole(Said(("return a + b",))))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("secret")])):
        client.fim.complete(model="codestral-2508", prompt="def add(a, b):", suffix="# secret")

    sent = wire.requests[0].body
    assert (sent["prompt"], sent["suffix"]) == ("def add(a, b):", "# [WORD]")
    texts = [message["parts"][0]["content"] for message in recorder.messages("input")]
    assert texts == ["def add(a, b):", "# [WORD]"]


def test_messages_that_can_be_read_only_once_pass_no_guard(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    with (
        watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])),
        pytest.raises(GuardUnavailable),
    ):
        client.chat.complete(model=CASE.model, messages=iter(ASKED))

    assert wire.requests == []


def test_a_predicted_answer_is_guarded_like_a_question(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(CASE.whole(Said()))
    predicted = models.Prediction(content="hello Ada")
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.chat.complete(model=CASE.model, messages=ASKED, prediction=predicted)

    assert wire.requests[0].body["prediction"]["content"] == "hello [WORD]"


def test_cached_tokens_are_found_under_either_name(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}
    usage = {**USAGE, "prompt_tokens_details": None, "num_cached_tokens": 640}
    head = {"id": "i", "object": "chat.completion", "model": CASE.model, "created": 1}
    wire.answer(json_reply({**head, "choices": [said], "usage": usage}))
    client.chat.complete(model=CASE.model, messages=ASKED)

    assert recorder.generation["gen_ai.usage.cache_read.input_tokens"] == 640


@shows("choices", of=["mistral"])
def test_several_choices_of_a_stream_are_kept_apart(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    def event(index: int, text: str, reason: str | None = None) -> Any:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": reason}
        return {"id": "i", "model": CASE.model, "choices": [choice]}

    events = [event(0, "a"), event(1, "x"), event(0, "b", "stop"), event(1, "y", "length")]
    wire.answer(sse_reply(events, done=True))
    list(client.chat.stream(model=CASE.model, messages=ASKED, n=2))

    texts = [message["parts"][0]["content"] for message in recorder.messages("output")]
    assert texts == ["ab", "xy"]
    found = recorder.generation
    assert found["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert found["gen_ai.request.choice.count"] == 2


async def test_clients_that_share_a_connection_count_their_own_tries(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    http = client.sdk_configuration.client
    retries = client.sdk_configuration.retry_config
    other = Mistral(api_key="test", server_url=wire.url, client=http, retry_config=retries)
    watchpost.patch(other)
    wire.answer(CASE.error(503), CASE.whole(Said()), CASE.whole(Said()))
    other.chat.complete(model=CASE.model, messages=ASKED)
    client.chat.complete(model=CASE.model, messages=ASKED)
    unpatch(other)
    unpatch(client)

    found = [span.attributes.get("watchpost.retries", 0) for span in recorder.generations]
    assert found == [1, 0]
    assert "send" not in vars(http)
