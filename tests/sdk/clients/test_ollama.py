"""What only Ollama's clients do: a module of functions, images, logits, what was cached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from ollama_cases import END, Chat
from provider_cases import Said
from provider_features import shows
from wire_server import WireServer, json_reply
from word_guard import WordGuard

import watchpost
from watchpost.patching import unpatch
from watchpost.providers import find_by_result
from watchpost.screening.policy import Policy

CASE = Chat()
ASKED = [{"role": "user", "content": "hi"}]
PIXEL = "iVBORw0KGgoA" + "A" * 80


@pytest.fixture
def client(wire: WireServer) -> Iterator[Any]:
    made = watchpost.patch(CASE.connect(wire.url, False))
    yield made
    made.close()


def test_arguments_without_names_are_known_by_their_places(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(CASE.whole(Said()))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.chat("llama3.2", [{"role": "user", "content": "I am Ada"}])

    assert "I am [WORD]" in wire.sent
    assert recorder.generation["gen_ai.request.model"] == "llama3.2"


def test_the_modules_functions_are_patched_on_the_module(
    client: Any, wire: WireServer, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = CASE.connect(wire.url, False)
    monkeypatch.setattr(ollama, "_client", behind)
    monkeypatch.setattr(ollama, "chat", behind.chat)
    try:
        assert watchpost.patch(ollama) is ollama
        wire.answer(CASE.whole(Said()))
        ollama.chat("llama3.2", ASKED)
    finally:
        unpatch(ollama)
    behind.close()

    assert recorder.generation["server.address"] == "127.0.0.1"


@shows("media", of=["ollama chat"])
def test_an_image_is_counted_and_not_copied(client: Any, wire: WireServer, recorder: Any) -> None:
    wire.answer(CASE.whole(Said()))
    client.chat("llava", [{"role": "user", "content": "what is it", "images": [PIXEL]}])

    _, image = recorder.messages("input")[0]["parts"]
    assert (image["type"], image["modality"]) == ("blob", "image")
    assert 60 < image["size_bytes"] < 80
    assert PIXEL[:20] not in recorder.generation["gen_ai.input.messages"]


def test_system_texts_and_tool_answers_are_guarded(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    call = {"function": {"name": "find", "arguments": {"who": ["Ada"]}}}
    messages = [
        {"role": "system", "content": "You serve Ada."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        ollama.Message(role="tool", content="found Ada", tool_name="find"),
    ]
    wire.answer(CASE.whole(Said()))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        client.chat("llama3.2", messages)

    assert "Ada" not in wire.sent
    assert wire.sent.count("[WORD]") == 3
    assert call["function"]["arguments"] == {"who": ["Ada"]}


def test_a_functions_definition_is_recorded_by_its_name(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    def weather(city: str) -> str:
        """How warm it is.

        Args:
          city: Where.
        """
        return city

    wire.answer(CASE.whole(Said()))
    client.chat("llama3.2", ASKED, tools=[weather])

    assert wire.requests[0].body["tools"][0]["function"]["name"] == "weather"
    assert "weather" in recorder.generation["gen_ai.tool.definitions"]


def test_what_generate_was_told_is_recorded_and_guarded(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply({"model": "m", "response": "done by Ada", **END, "context": [1, 2]}))
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        answer = client.generate("m", "I am Ada", system="for Ada", think="low")

    assert "Ada" not in wire.sent
    assert (answer.response, answer.context) == ("done by [WORD]", None)
    found = recorder.generation
    assert found["gen_ai.request.reasoning.level"] == "low"
    assert "for [WORD]" in found["gen_ai.system_instructions"]


def test_what_a_server_says_was_cached_is_among_the_prompts_tokens() -> None:
    told = {"model": "m", "message": {"role": "assistant", "content": "a"}, **END}
    told["prompt_eval_cached_count"] = 1920
    found = find_by_result(told)
    assert found is not None
    usage = found.read_result(told).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens) == (2006, 1920)


def test_other_requests_of_a_client_pass_untouched(
    client: Any, wire: WireServer, recorder: Any
) -> None:
    wire.answer(json_reply({"models": []}))
    assert client.list().models == []

    assert recorder.spans == []
