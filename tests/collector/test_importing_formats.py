"""Lines of every known shape become the same record; what is no call says why."""

from __future__ import annotations

import pytest

from watchpost_collector.importing.formats import read_line, sniff
from watchpost_collector.importing.row import BadLine

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "On its way."},
        }
    ],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "prompt_tokens_details": {"cached_tokens": 1920},
        "completion_tokens_details": {"reasoning_tokens": 128},
    },
}
ASKED = {
    "model": "gpt-4.1",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Where is it?"},
    ],
}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-haiku-4-5",
    "stop_reason": "tool_use",
    "content": [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"order": "A-1"}},
    ],
    "usage": {
        "input_tokens": 5,
        "cache_read_input_tokens": 1920,
        "cache_creation_input_tokens": 81,
        "output_tokens": 300,
    },
}
RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1760000000,
    "model": "gpt-5-mini",
    "status": "completed",
    "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "Done."}]},
        {"type": "function_call", "call_id": "c1", "name": "close", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 10, "output_tokens": 4},
}


def text_of(message):
    return "".join(part.get("content", "") for part in message["parts"])


def test_a_request_with_its_response_keeps_model_texts_usage_and_time():
    row = read_line({"request": ASKED, "response": CHAT, "latency_ms": 1250, "env": "prod"})
    record = row.generation
    assert (record.provider, record.request.model) == ("openai", "gpt-4.1")
    assert record.result.model == "gpt-4.1-2025-04-14"
    assert record.result.id == "chatcmpl-1"
    assert list(record.result.finish_reasons) == ["stop"]
    assert [part["content"] for part in record.request.system] == ["Be kind."]
    assert [text_of(m) for m in record.request.messages] == ["Where is it?"]
    assert [text_of(m) for m in record.result.messages] == ["On its way."]
    usage = record.usage
    assert (usage.input_tokens, usage.output_tokens) == (2006, 300)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (1920, 128)
    assert row.started_ns == 1760000000 * 10**9
    assert row.duration_ns == 1250 * 10**6
    assert row.metadata == {"env": "prod"}


def test_anthropic_usage_becomes_inclusive_and_its_tool_call_is_kept():
    asked = {"model": "claude-haiku-4-5", "max_tokens": 9, "system": "S", "messages": ["Hello"]}
    record = read_line({"request": asked, "response": CLAUDE}).generation
    assert record.provider == "anthropic"
    assert (record.usage.input_tokens, record.usage.cache_write_tokens) == (2006, 81)
    call = record.result.messages[0]["parts"][1]
    assert (call["type"], call["name"], call["arguments"]) == (
        "tool_call",
        "look_up",
        {"order": "A-1"},
    )


def test_a_response_of_the_responses_api_is_read():
    record = read_line(
        {"request": {"model": "gpt-5-mini", "input": "Close it"}, "response": RESPONSES}
    ).generation
    assert text_of(record.result.messages[0]) == "Done."
    assert record.result.messages[0]["parts"][1]["name"] == "close"
    assert record.usage.input_tokens == 10


def test_a_batch_output_takes_its_request_from_the_input():
    line = {"id": "b1", "custom_id": "r-1", "response": {"status_code": 200, "body": CHAT}}
    assert sniff(line) == "batch output"
    row = read_line(line, ASKED)
    assert text_of(row.generation.request.messages[0]) == "Where is it?"
    assert row.generation.usage.output_tokens == 300
    assert row.metadata["custom_id"] == "r-1"


def test_a_batch_input_alone_is_a_request_without_an_answer():
    line = {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": ASKED}
    record = read_line(line).generation
    assert record.request.model == "gpt-4.1"
    assert (list(record.result.messages), record.usage.source) == ([], "none")


@pytest.mark.parametrize(
    "line",
    [
        {"request": ASKED, "response": {"error": {"type": "rate_limit", "message": "slow"}}},
        {
            "custom_id": "r",
            "response": {"status_code": 429, "body": {"error": {"type": "rate_limit"}}},
        },
        {"custom_id": "r", "response": None, "error": {"code": "rate_limit"}},
    ],
)
def test_a_failed_call_is_an_error_of_its_kind(line):
    assert read_line(line).generation.error_type == "rate_limit"


def test_a_plain_prompt_and_reply_keep_their_other_fields_as_metadata():
    row = read_line(
        {"prompt": "Hi", "reply": "Hello.", "label": 0, "kind": "complied", "session_id": "s"}
    )
    assert text_of(row.generation.request.messages[0]) == "Hi"
    assert text_of(row.generation.result.messages[0]) == "Hello."
    assert row.generation.origin.session == "s"
    assert row.metadata == {"label": 0, "kind": "complied"}
    assert row.generation.model == ""


def test_a_list_of_messages_ends_with_the_reply():
    messages = [*ASKED["messages"], {"role": "assistant", "content": "Near."}]
    record = read_line({"messages": messages}).generation
    assert [text_of(m) for m in record.request.messages] == ["Where is it?"]
    assert [text_of(m) for m in record.result.messages] == ["Near."]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"level": "info", "msg": "started"}, "no call found.*level, msg"),
        ({"prompt": 7, "reply": "x"}, "prompt is not a text"),
        ({"prompt": "x", "reply": 7}, "reply is not a text"),
        ({"prompt": "x", "reply": "y", "timestamp": "soon"}, "timestamp is not a time"),
        ({"prompt": "x", "reply": "y", "usage": {"input_tokens": -4}}, "input_tokens is not"),
        ({"request": ASKED, "response": {"id": "x"}}, "no choices, output or content"),
        ({"request": {"model": "m", "messages": [3]}}, "a message is not an object"),
    ],
)
def test_a_line_that_is_no_call_says_why(line, why):
    with pytest.raises(BadLine, match=why):
        read_line(line)
