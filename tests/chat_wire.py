"""OpenAI's chat as JSON, for the clients of others who speak it."""

from __future__ import annotations

import json
from typing import Any

from provider_cases import ARGUMENTS, Said
from wire_server import Reply, json_reply, sse_reply

USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920},
    "completion_tokens_details": {"reasoning_tokens": 128},
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def chat_body(said: Said, model: str, **more: Any) -> dict[str, Any]:
    """A completion."""
    told: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thought:
        told["reasoning_content"] = said.thought
    if said.calls_tool:
        told = {"role": "assistant", "content": None, "tool_calls": [_call(json.dumps(ARGUMENTS))]}
    finish = "tool_calls" if said.calls_tool else "stop"
    choice = {"index": 0, "message": told, "logprobs": None, "finish_reason": finish}
    return {**_head(model), "object": "chat.completion", "choices": [choice], **more}


def chat_chunks(said: Said, model: str) -> list[dict[str, Any]]:
    """The chunks of a streamed one, none of which tells its tokens."""

    def chunk(delta: Any, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**_head(model), "object": "chat.completion.chunk", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": ""})]
    if said.calls_tool:
        spelled = json.dumps(ARGUMENTS)
        pieces = [{"index": 0, "function": {"arguments": p}} for p in (spelled[:5], spelled[5:])]
        calls = [{"index": 0, **_call("")}, *pieces]
        chunks += [chunk({"tool_calls": [call]}) for call in calls]
    else:
        if said.thought:
            chunks.append(chunk({"reasoning_content": said.thought}))
        chunks += [chunk({"content": piece}) for piece in said.pieces]
    return [*chunks, chunk({}, "tool_calls" if said.calls_tool else "stop")]


def chat_reply(said: Said, model: str, **more: Any) -> Reply:
    """A completion, answered at once."""
    return json_reply(chat_body(said, model, **more))


def chunks_reply(chunks: list[dict[str, Any]]) -> Reply:
    """A streamed completion."""
    return sse_reply(chunks, done=True)


def refusal(status: int) -> Reply:
    """An error as OpenAI spells it."""
    return json_reply({"error": {"message": "no such thing", "type": "bad"}}, status)


def _call(arguments: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {"id": "call-1", "type": "function", "function": function}


def _head(model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 1_795_000_000, "model": model}
