"""All that OpenAI's client can ask for: each call leaves its model, tokens and dollars behind."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
from openai_calls import (
    CALLS,
    EMBEDDED,
    HEARD,
    SPOKEN_TEXT,
    Called,
    chat,
    chat_reply,
    chat_stream,
    usage_of,
)
from openai_cases import Responses
from openai_line import Word, ask, attributes_of, texts_of
from provider_cases import Said
from provider_features import shows
from wire_server import WireServer, json_reply

import watchpost
from watchpost.screening.policy import Policy
from watchpost.testing.exchange import Answer

STREAMS = tuple(call for call in CALLS if call.streaming)


@shows("result", "async", "stream", "async stream", "tokens", "dollars")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("call", CALLS, ids=repr)
async def test_every_kind_of_call_leaves_its_tokens_and_dollars(
    call: Called, is_async: bool, connect: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(call.reply)
    await ask(call, connect(is_async))

    found = attributes_of(recorder)
    assert found["gen_ai.operation.name"] == call.operation
    assert found["gen_ai.provider.name"] == "openai"
    assert found["gen_ai.request.model"] == call.model
    assert found["gen_ai.request.stream"] is call.streaming
    if call.tokens is not None:
        assert found["watchpost.usage.source"] == "provider"
        tokens = found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]
        assert tokens == call.tokens
    cost = found.get("watchpost.cost.usd")
    if not call.streaming or call.cost:
        assert (Decimal(cost) if cost else None) == (Decimal(call.cost) if call.cost else None)
    if call.asked is not None:
        assert texts_of(found, "input")[0] == call.asked
    assert "".join(texts_of(found, "output")) == (call.said or "")
    assert {name: found.get(name) for name in call.found} == dict(call.found)


@pytest.mark.parametrize("call", [EMBEDDED, SPOKEN_TEXT, HEARD], ids=repr)
async def test_what_is_made_and_heard_is_counted_and_not_copied(
    call: Called, connect: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(call.reply)
    await ask(call, connect())

    assert len(json.dumps(attributes_of(recorder))) < 2500


@shows("errors")
@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("call", [EMBEDDED, SPOKEN_TEXT, HEARD], ids=repr)
async def test_errors_pass_unchanged_and_are_recorded(
    call: Called, status: int, connect: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply({"error": {"message": "no such thing"}}, status))
    with pytest.raises(openai.APIStatusError, match="no such thing") as caught:
        await ask(call, connect(max_retries=0))

    found = attributes_of(recorder)
    assert found["error.type"] == type(caught.value).__name__
    assert found["http.response.status_code"] == status
    assert found["watchpost.usage.source"] == "none"
    assert "watchpost.cost.usd" not in found


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_timeout_passes_unchanged_and_is_recorded(
    is_async: bool, provider: Any, connect: Any, recorder: Any
) -> None:
    provider.answer(Answer(text="too late", delay_s=1.0))
    client = connect(is_async, base_url=provider.openai_url, timeout=0.05, max_retries=0)
    late = Called("late", chat, json_reply({}), "chat", "gpt-4o")
    with pytest.raises(openai.APITimeoutError):
        await ask(late, client)

    assert attributes_of(recorder)["error.type"] == "APITimeoutError"


@shows("stream left early")
@pytest.mark.parametrize("call", STREAMS, ids=repr)
async def test_a_stream_closed_early_ends_with_what_was_seen(
    call: Called, connect: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(call.reply)
    with call.ask(connect()) as stream:
        next(stream)

    found = attributes_of(recorder)
    assert found["watchpost.stream.end"] == "closed"
    assert found["watchpost.usage.source"] != "provider"


async def test_embeddings_and_speech_read_by_hand_are_recorded(
    connect: Any, wire: WireServer, recorder: Any, tmp_path: Any
) -> None:
    client = connect()
    wire.answer(EMBEDDED.reply, EMBEDDED.reply, SPOKEN_TEXT.reply)
    sent = {"model": "text-embedding-3-small", "input": "one"}
    raw = client.embeddings.with_raw_response.create(**sent)
    with client.embeddings.with_streaming_response.create(**sent) as response:
        assert response.parse().usage.prompt_tokens == 8
    spoken = {"model": "tts-1", "voice": "alloy", "input": "Hello there"}
    with client.audio.speech.with_streaming_response.create(**spoken) as response:
        response.stream_to_file(tmp_path / "said.mp3")

    assert raw.parse().usage.prompt_tokens == 8
    assert (tmp_path / "said.mp3").read_bytes().startswith(b"ID3")
    costs = [span.attributes["watchpost.cost.usd"] for span in recorder.spans]
    assert [Decimal(cost) for cost in costs] == [
        Decimal("0.00000016"),
        Decimal("0.00000016"),
        Decimal("0.000165"),
    ]


@shows("result", "tokens", "dollars", "unpatched: `record`", of=["openai background responses"])
async def test_a_response_made_in_the_background_is_counted_when_it_is_there(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    case = Responses()
    wire.answer(json_reply(case.body([], "queued")), case.whole(Said()))
    client = connect()
    asked = client.responses.create(model=case.model, input="How warm is it?", background=True)
    with watchpost.span("later"):
        watchpost.current().record(client.responses.retrieve(asked.id))

    first, later = [dict(span.attributes) for span in recorder.spans]
    assert first["watchpost.usage.source"] == "none"
    assert "watchpost.cost.usd" not in first
    assert first["gen_ai.response.id"] == later["gen_ai.response.id"] == case.response_id
    assert later["gen_ai.usage.input_tokens"] == case.input_tokens
    assert Decimal(later["watchpost.cost.usd"]) == Decimal(case.cost_usd or 0)


# --- what only chat has ---------------------------------------------------------------------------


@shows("choices", "log-probabilities", of=["openai chat"])
async def test_several_choices_and_their_log_probabilities_are_one_call(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    choices = [
        {
            "index": index,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": [{"token": text, "logprob": logprob, "top_logprobs": []}]},
        }
        for index, (text, logprob) in enumerate([("yes", -0.5), ("no", -1.5)])
    ]
    wire.answer(chat_reply({}, usage_of(10, 2), choices=choices))
    chat(connect(), n=2)

    found = attributes_of(recorder)
    assert texts_of(found, "output") == ["yes", "no"]
    assert found["gen_ai.request.choice.count"] == 2
    assert found["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert (found["watchpost.logprob.mean"], found["watchpost.logprob.min"]) == (-1.0, -1.5)


TOOL_CALLS = (
    {"tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "sel 1"}}]},
    {"function_call": {"name": "sql", "arguments": "sel 1"}},
    {
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "sql", "arguments": "sel 1"}}
        ]
    },
)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("called", TOOL_CALLS, ids=["custom", "older", "function"])
async def test_every_kind_of_tool_call_is_read_and_redacted(
    called: dict[str, Any], streaming: bool, connect: Any, wire: WireServer, recorder: Any
) -> None:
    pieces = {**called}
    if "tool_calls" in pieces:
        pieces["tool_calls"] = [{**pieces["tool_calls"][0], "index": 0}]
    wire.answer(chat_stream(pieces) if streaming else chat_reply({"content": None, **called}))
    with watchpost.span("asked", policy=Policy(redact=[Word("1")])):
        answer = chat(connect(), stream=streaming)
        shown = str([c.model_dump() for c in answer] if streaming else answer.model_dump())

    (part,) = recorder.messages("output")[0]["parts"]
    assert (part["name"], part["arguments"]) == ("sql", "sel [WORD]")
    assert "sel [WORD]" in shown
    assert "sel 1" not in shown


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
async def test_thoughts_of_servers_that_speak_openais_protocol_are_read(
    name: str, streaming: bool, connect: Any, wire: WireServer, recorder: Any
) -> None:
    # As vLLM answers, with fields nobody else has.
    said = {name: "Let me see.", "content": "Ada is 14."}
    usage = usage_of(10, 5, prompt=None)  # type: ignore[arg-type]
    extra = {"prompt_logprobs": None, "kv_transfer_params": None}
    wire.answer(
        chat_stream({name: "Let me "}, {name: "see."}, {"content": "Ada is 14."}, usage=usage)
        if streaming
        else chat_reply(said, usage, model="Qwen/Qwen3-8B", **extra)
    )
    with watchpost.span("asked", policy=Policy(redact=[Word("Ada"), Word("Let")])):
        answer = chat(connect(), model="Qwen/Qwen3-8B", stream=streaming)
        shown = str([c.model_dump() for c in answer] if streaming else answer.model_dump())

    thought, spoken = recorder.messages("output")[0]["parts"]
    assert thought == {"type": "reasoning", "content": "[WORD] me see."}
    assert spoken == {"type": "text", "content": "[WORD] is 14."}
    assert "Let" not in shown
    assert recorder.generation["gen_ai.usage.input_tokens"] == 10


@shows("unpatched: `record`")
@pytest.mark.parametrize("call", [c for c in CALLS if not c.streaming], ids=repr)
async def test_results_of_clients_nobody_patched_are_recorded(
    call: Called, wire: WireServer, recorder: Any
) -> None:
    wire.answer(call.reply)
    with openai.OpenAI(
        base_url=f"{wire.url}/v1", api_key="t", http_client=httpx.Client(verify=False)
    ) as client:
        answer = call.ask(client)
    with watchpost.span("asked"):
        watchpost.current().record(answer)

    found = attributes_of(recorder)
    if call.tokens:
        assert found["gen_ai.operation.name"] == call.operation
        assert found["gen_ai.usage.input_tokens"] == call.tokens[0]
