"""What only Google's client does: functions it calls by itself, chats, files, refusals, Vertex."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.genai import types
from google_cases import USAGE, Gemini, Vertex, content, make_client
from provider_features import shows
from wire_server import WireServer, json_reply, sse_reply
from word_guard import WordGuard

import watchpost
from watchpost.errors import Blocked
from watchpost.patching import unpatch
from watchpost.screening.policy import Policy

MODEL = "gemini-2.5-flash"
IMAGEN = "imagen-4.0-generate-001"
CASE = Gemini()
# The library says of its own method that a later one will not have it.
goes_some_day = pytest.mark.filterwarnings("ignore:.*generate_images")


def reply(*parts: Any, **more: Any) -> Any:
    candidate = {"content": content(*parts), "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": MODEL, **more}


def weather(city: str) -> str:
    """How warm it is in a city."""
    return f"14 degrees in {city}"


@pytest.fixture
async def client(wire: WireServer) -> AsyncIterator[Any]:
    made = watchpost.patch(make_client(wire.url, api_key="test"))
    yield made
    await CASE.close(made, False)


def test_each_request_of_a_call_that_runs_functions_is_a_generation(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    called = {"functionCall": {"name": "weather", "args": {"city": "Bern"}}}
    wire.answer(json_reply(reply(called)), json_reply(reply({"text": "14 degrees"})))
    answer = client.models.generate_content(
        model=MODEL, contents="How warm?", config={"tools": [weather]}
    )

    assert answer.text == "14 degrees"
    first, second = (dict(span.attributes) for span in recorder.generations)
    assert first["gen_ai.usage.input_tokens"] == second["gen_ai.usage.input_tokens"] == 2006
    assert "How warm it is in a city." in first["gen_ai.tool.definitions"]
    asked, wanted, given = json.loads(second["gen_ai.input.messages"])
    assert asked["parts"][0]["content"] == "How warm?"
    assert wanted["parts"][0]["arguments"] == {"city": "Bern"}
    assert given["parts"][0]["response"] == {"result": "14 degrees in Bern"}


def test_a_guard_sees_what_a_function_gave_back(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    called = {"functionCall": {"name": "weather", "args": {"city": "Bern"}}}
    wire.answer(json_reply(reply(called)), json_reply(reply({"text": "warm"})))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("14 degrees")])):
        client.models.generate_content(
            model=MODEL, contents="How warm?", config={"tools": [weather]}
        )

    sent = json.dumps(wire.requests[1].body)
    assert "14 degrees" not in sent
    assert "[WORD] in Bern" in sent


async def test_every_turn_of_a_chat_is_a_generation(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(*(json_reply(reply({"text": text})) for text in ("one", "two")))
    chat = client.chats.create(model=MODEL)
    chat.send_message("first")
    chat.send_message("second")
    wire.answer(sse_reply([reply({"text": "three"})]))
    later = client.aio.chats.create(model=MODEL)
    assert [chunk.text async for chunk in await later.send_message_stream("third")] == ["three"]

    spans = [dict(span.attributes) for span in recorder.generations]
    asked = [json.loads(span["gen_ai.input.messages"]) for span in spans]
    texts = [[message["parts"][0]["content"] for message in messages] for messages in asked]
    assert texts == [["first"], ["first", "one", "second"], ["third"]]
    assert [span["gen_ai.request.stream"] for span in spans] == [False, False, True]


def test_instructions_are_recorded_and_redacted_where_they_stand(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    config = types.GenerateContentConfig(
        system_instruction="You serve Ada.",
        response_mime_type="application/json",
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
    )
    wire.answer(json_reply(reply({"text": "{}"})))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.models.generate_content(model=MODEL, contents="hi", config=config)

    assert wire.requests[0].body["systemInstruction"]["parts"] == [{"text": "You serve [WORD]."}]
    assert config.system_instruction == "You serve Ada."
    found = recorder.generation
    assert "You serve [WORD]." in found["gen_ai.system_instructions"]
    assert found["gen_ai.request.reasoning.level"] == "low"
    assert found["gen_ai.output.type"] == "json"


def test_texts_in_lists_of_lists_are_guarded_too(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply(reply({"text": "hi"})))
    contents = [["I am Ada", types.Part(text="truly Ada")], types.Part(text="yes, Ada")]
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.models.generate_content(model=MODEL, contents=contents)

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 3
    texts = [part["content"] for m in recorder.messages("input") for part in m["parts"]]
    assert texts == ["I am [WORD]", "truly [WORD]", "yes, [WORD]"]


def test_a_parsed_answer_that_was_redacted_is_withheld(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    schema = {"type": "OBJECT", "properties": {"name": {"type": "STRING"}}}
    config = {"response_mime_type": "application/json", "response_schema": schema}
    wire.answer(json_reply(reply({"text": '{"name": "Ada"}'})))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.models.generate_content(model=MODEL, contents="hi", config=config)

    assert answer.text == '{"name": "[WORD]"}'
    assert answer.parsed is None


@shows("media", of=["gemini"])
def test_images_are_counted_and_files_keep_their_link(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply(reply({"inlineData": {"mimeType": "image/png", "data": "QUFBQQ=="}})))
    shown = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    linked = types.Part.from_uri(file_uri="gs://b/a.pdf", mime_type="application/pdf")
    client.models.generate_content(model=MODEL, contents=["look", shown, linked])

    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "size_bytes": 4}
    (asked,) = recorder.messages("input")
    assert asked["parts"][1:] == [blob, {"type": "uri", "modality": "file", "uri": "gs://b/a.pdf"}]
    assert recorder.messages("output")[0]["parts"] == [blob]


def test_a_refused_prompt_has_a_reason_and_no_answer(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    refused = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": MODEL}
    wire.answer(json_reply({**refused, "usageMetadata": {"promptTokenCount": 20}}))
    client.models.generate_content(model=MODEL, contents="hi")

    found = recorder.generation
    assert found["gen_ai.response.finish_reasons"] == ("safety",)
    assert found["gen_ai.usage.input_tokens"] == 20
    assert "gen_ai.output.messages" not in found


def test_code_the_model_ran_is_seen_by_guards(client: Any, wire: WireServer, recorder: Any) -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "print('Ada')"}}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "Ada\n"}}
    wire.answer(json_reply(reply(code, ran)))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.models.generate_content(model=MODEL, contents="hi")

    first, second = answer.candidates[0].content.parts
    assert (first.executable_code.code, second.code_execution_result.output) == (
        "print('[WORD]')",
        "[WORD]\n",
    )
    kinds = [part["type"] for part in recorder.messages("output")[0]["parts"]]
    assert kinds == ["executable_code", "code_execution_result"]


def test_arguments_that_come_in_pieces_are_guarded_whole(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    def piece(text: str, **call: Any) -> Any:
        told = {"jsonPath": "$.who", "stringValue": text}
        return reply({"functionCall": {**call, "partialArgs": [told], "willContinue": True}})

    wire.answer(sse_reply([piece("Ada ", name="find", id="c1"), piece("Lovelace")]))
    vertex = watchpost.patch(Vertex().connect(wire.url, False))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada Lovelace")])):
        chunks = list(vertex.models.generate_content_stream(model=MODEL, contents="hi"))
    vertex._api_client._http_options.httpx_client.close()

    assert "Lovelace" not in str([chunk.model_dump() for chunk in chunks])
    (called,) = recorder.messages("output")[0]["parts"]
    assert (called["id"], called["name"], called["arguments"]) == ("c1", "find", "[WORD]")


@shows("log-probabilities", of=["gemini"])
def test_log_probabilities_are_kept_as_a_summary(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    tokens = [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -1.5}]
    told = reply({"text": "ab"})
    told["candidates"][0]["logprobsResult"] = {"chosenCandidates": tokens}
    wire.answer(json_reply(told))
    client.models.generate_content(model=MODEL, contents="hi")

    found = recorder.generation
    assert (found["watchpost.logprob.mean"], found["watchpost.logprob.min"]) == (-1.0, -1.5)


async def test_the_async_client_alone_can_be_patched(wire: WireServer, recorder: Any) -> None:
    whole = make_client(wire.url, api_key="test")
    watchpost.patch(whole.aio)
    wire.answer(json_reply(reply({"text": "a"})), json_reply(reply({"text": "b"})))
    await whole.aio.models.generate_content(model=MODEL, contents="hi")
    whole.models.generate_content(model=MODEL, contents="hi")
    await CASE.close(whole, True)

    assert len(recorder.generations) == 1


def test_models_are_named_without_the_path_before_them(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply(reply({"text": "a"})))
    client.models.generate_content(model=f"models/{MODEL}", contents="hi")

    assert recorder.generation["gen_ai.request.model"] == MODEL


def test_unpatching_puts_the_methods_back(client: Any) -> None:
    assert "_generate_content" in vars(client.models)
    unpatch(client)
    assert "_generate_content" not in vars(client.models)
    assert "_generate_content_stream" not in vars(client.aio.models)


def test_a_blocked_turn_leaves_the_chat_as_it_was(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    chat = client.chats.create(model=MODEL)
    with (
        watchpost.span("asked", policy=Policy(block=[WordGuard("secret")])),
        pytest.raises(Blocked),
    ):
        chat.send_message("the secret")

    assert wire.requests == []
    assert chat.get_history() == []


@shows("result", "async", "question redacted", of=["vertex images"])
@goes_some_day
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_images_are_counted_by_the_piece_and_their_prompts_guarded(
    wire: WireServer, recorder: Any, is_async: bool
) -> None:
    client = watchpost.patch(Vertex().connect(wire.url, is_async))
    drawn = {"bytesBase64Encoded": base64.b64encode(b"P" * 300).decode(), "mimeType": "image/png"}
    wire.answer(json_reply({"predictions": [drawn, drawn]}))
    models = (client.aio if is_async else client).models
    config = {"number_of_images": 2, "aspect_ratio": "1:1"}
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        made = models.generate_images(model=IMAGEN, prompt="Ada in Bern", config=config)
        answer = await made if is_async else made
    await CASE.close(client, is_async)

    assert len(answer.generated_images) == 2
    assert wire.requests[0].body["instances"] == [{"prompt": "[WORD] in Bern"}]
    found = recorder.generation
    assert found["gen_ai.request.model"] == IMAGEN
    assert found["gen_ai.output.type"] == "image"
    assert found["watchpost.usage.images"] == 2
    assert recorder.messages("input")[0]["parts"][0]["content"] == "[WORD] in Bern"
    (first, _) = recorder.messages("output")[0]["parts"]
    assert (first["modality"], first["size_bytes"]) == ("image", 300)


@goes_some_day
async def test_what_an_image_must_not_show_is_guarded_where_the_caller_put_it(
    wire: WireServer, recorder: Any
) -> None:
    vertex = watchpost.patch(Vertex().connect(wire.url, False))
    config = types.GenerateImagesConfig(negative_prompt="Ada", seed=7)
    wire.answer(json_reply({"predictions": [{"raiFilteredReason": "no people"}]}))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        vertex.models.generate_images(model=IMAGEN, prompt="a cat", config=config)
    await CASE.close(vertex, False)

    assert wire.requests[0].body["parameters"]["negativePrompt"] == "[WORD]"
    assert config.negative_prompt == "Ada"
    found = recorder.generation
    assert found["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert found["gen_ai.request.seed"] == 7
    assert found["gen_ai.response.finish_reasons"] == ("content_filter",)
    assert found.get("watchpost.usage.images", 0) == 0
