"""Provider files: one protocol each, read into one record, from objects and dictionaries alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

import watchpost
from watchpost.providers import (
    PROVIDERS,
    anthropic_messages,
    find_by_chunk,
    find_by_path,
    find_by_result,
    name_by_host,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from watchpost.providers.provider import visit_request

IMAGE = "data:image/png;base64," + "A" * 4000


def test_anthropics_input_tokens_become_inclusive() -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 300,
        "cache_read_input_tokens": 1920,
        "cache_creation_input_tokens": 81,
        "cache_creation": {"ephemeral_1h_input_tokens": 80, "ephemeral_5m_input_tokens": 1},
    }
    found = anthropic_messages.read_result({"type": "message", "content": [], "usage": usage}).usage
    assert found is not None
    assert (found.input_tokens, found.output_tokens) == (2006, 300)
    assert (found.cache_read_tokens, found.cache_write_tokens) == (1920, 81)
    assert found.cache_write_1h_tokens == 80


def test_an_anthropic_stream_that_broke_off_knows_its_input_and_not_its_output() -> None:
    message = {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}
    found = anthropic_messages.read_stream([{"type": "message_start", "message": message}])
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.source) == (5, "estimated")


def test_openais_inclusive_tokens_stay_as_they_are() -> None:
    usage = {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "prompt_tokens_details": {"cached_tokens": 1920},
        "completion_tokens_details": {"reasoning_tokens": 128},
    }
    found = openai_chat.read_result({"choices": [], "usage": usage}).usage
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (2006, 300, 128)


@pytest.mark.parametrize(
    ("read", "part"),
    [
        (openai_chat.read_request, {"type": "image_url", "image_url": {"url": IMAGE}}),
        (
            anthropic_messages.read_request,
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000},
            },
        ),
    ],
)
def test_an_image_is_counted_and_not_copied(read: Any, part: dict[str, Any]) -> None:
    request = read({"messages": [{"role": "user", "content": [part]}]})
    (found,) = request.messages[0]["parts"]
    assert found == {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "size_bytes": 3000,
    }


def test_tool_use_and_its_result_keep_their_ids() -> None:
    used = {"type": "tool_use", "id": "t1", "name": "find", "input": {"who": "Ada"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
    request = anthropic_messages.read_request(
        {
            "messages": [
                {"role": "assistant", "content": [used]},
                {"role": "user", "content": [result]},
            ]
        }
    )
    called, answered = (message["parts"][0] for message in request.messages)
    assert (called["type"], called["id"], called["arguments"]) == (
        "tool_call",
        "t1",
        {"who": "Ada"},
    )
    assert (answered["type"], answered["id"]) == ("tool_call_response", "t1")


def test_several_choices_are_all_read() -> None:
    choices = [
        {"message": {"content": text}, "finish_reason": reason}
        for text, reason in (("a", "stop"), ("b", "length"))
    ]
    found = openai_chat.read_result({"choices": choices})
    assert list(found.finish_reasons) == ["stop", "length"]
    assert len(found.messages) == 2


def test_a_conversation_of_the_responses_protocol_is_read_in_order() -> None:
    request = openai_responses.read_request(
        {
            "model": "gpt-5",
            "instructions": "be brief",
            "reasoning": {"effort": "low"},
            "input": [
                {"role": "developer", "content": "and kind"},
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                {"type": "reasoning", "summary": [{"text": "thinking"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "done"},
            ],
        }
    )
    kinds = [message["parts"][0]["type"] for message in request.messages]
    assert kinds == ["text", "reasoning", "tool_call", "tool_call_response"]
    assert [part["content"] for part in request.system] == ["be brief", "and kind"]
    assert request.parameters["gen_ai.request.reasoning.level"] == "low"


@pytest.mark.parametrize(
    "value",
    [
        *(None, 3, "text", b"x", [], {}, object(), {"choices": []}),
        # What a program of its own may well return.
        {"candidates": ["Ada", "Bob"]},
        {"embeddings": [[0.1, 0.2]]},
        {"results": [{"relevance_score": 0.9, "text": "Ada"}]},
        {"message": {"role": "assistant", "content": "hi"}},
        {"response": "hi", "done": True},
        {"data": {"choices": ["a"]}},
    ],
)
def test_what_is_no_answer_is_nobodys(value: Any) -> None:
    assert find_by_result(value) is None
    assert find_by_chunk(value) is None


def test_a_tool_call_that_a_broken_stream_began_keeps_its_name() -> None:
    item = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": ""}
    place = {"output_index": 0}
    found = openai_responses.read_stream(
        [
            {"type": "response.output_item.added", **place, "item": item},
            {"type": "response.function_call_arguments.delta", **place, "delta": '{"ci'},
            {"type": "response.audio.delta", **place, "delta": "AAAA"},
        ]
    )
    (part,) = found.messages[0]["parts"]
    assert (part["id"], part["name"], part["arguments"]) == ("c1", "weather", '{"ci')


def test_paths_and_hosts_name_their_provider() -> None:
    assert find_by_path("/chat/completions") is openai_chat.PROVIDER
    assert find_by_path("/v1/messages?beta=true") is anthropic_messages.PROVIDER
    assert find_by_path("/v1/messages/count_tokens") is None
    assert find_by_path("/completions") is openai_completions.PROVIDER
    assert find_by_path("/openai/deployments/mine/embeddings") is openai_embeddings.PROVIDER
    assert find_by_path("/files") is None
    assert name_by_host("x.openai.azure.com", "openai") == "azure.ai.openai"
    assert name_by_host("api.openai.com", "openai") == "openai"


def test_every_text_of_a_request_is_visited_and_the_request_untouched() -> None:
    body = {
        "system": [{"type": "text", "text": "one"}],
        "messages": [
            {"role": "user", "content": "two"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "name": "keep", "input": {"a": ["three"]}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "content": "four"}]},
        ],
        "model": "keep",
    }
    before = json.dumps(body)
    seen: list[str] = []
    changed = visit_request(body, ("system", "messages"), lambda t: seen.append(t) or t.upper())
    assert seen == ["one", "two", "three", "four"]
    assert json.dumps(body) == before
    assert json.dumps(changed).count("keep") == 2
    assert "FOUR" in json.dumps(changed)


def test_no_two_providers_claim_one_answer() -> None:
    answers: list[Any] = [
        {"choices": [{"message": {"content": "x"}}]},
        {"object": "response", "output": []},
        {"type": "message", "content": []},
        {"candidates": [{"content": {"parts": [{"text": "x"}]}}]},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"embeddings": [{"values": [0.1]}]},
        {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant"}},
        {"embeddings": {"float": [[0.1]]}, "meta": {}},
        {"results": [{"relevance_score": 0.9}], "meta": {}},
        {"model": "m", "done": True, "message": {"role": "assistant", "content": "x"}},
        {"model": "m", "done": True, "response": "x"},
        {"model": "m", "embeddings": [[0.1]], "total_duration": 1},
    ]
    for answer in answers:
        assert sum(provider.owns_result(answer) for provider in PROVIDERS) == 1


async def test_what_is_deep_in_a_message_is_out_of_the_callers_reach(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("messages", "sync")
    part = {"type": "text", "text": "as sent"}
    await caller.ask("", messages=[{"role": "user", "content": [part]}])
    part["text"] = "changed later"

    assert recorder.messages("input")[0]["parts"][0]["content"] == "as sent"
    assert watchpost.current().trace_id == "0" * 32


def test_what_a_custom_tool_is_given_is_hidden_wherever_a_stream_says_it() -> None:
    place = {"output_index": 0, "item_id": "i"}
    kind = "response.custom_tool_call_input"
    item = {"type": "custom_tool_call", "name": "look", "input": "to Bern"}
    chunks: list[dict[str, Any]] = [
        {"type": f"{kind}.delta", "delta": "to Be", **place},
        {"type": f"{kind}.delta", "delta": "rn", **place},
        {"type": f"{kind}.done", "input": "to Bern", **place},
        {"type": "response.output_item.done", "item": item, **place},
        {"type": "error", "code": "Bern", "message": "not an argument"},
    ]
    openai_responses.visit_stream(chunks, lambda text: text.replace("Bern", "[CITY]"))

    assert "".join(chunk.get("delta", "") for chunk in chunks) == "to [CITY]"
    assert (chunks[2]["input"], item["input"]) == ("to [CITY]", "to [CITY]")
    assert chunks[4]["code"] == "Bern"
