"""Anthropic's own client against the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anthropic
from chat_wire import WEATHER
from provider_cases import ARGUMENTS, SHAPES, ProviderCase, Said
from wire_server import Reply, json_reply, sse_reply

USAGE = {
    "input_tokens": 5,
    "cache_read_input_tokens": 1920,
    "cache_creation_input_tokens": 81,
    "output_tokens": 300,
    "output_tokens_details": {"thinking_tokens": 128},
}


class Messages(ProviderCase):
    name = "anthropic messages"
    provider = "anthropic"
    model = response_model = "claude-opus-4-6"
    response_id = "msg_1"
    cache_read_tokens = 1920
    reasoning_tokens = 128
    finish = "end_turn"
    tool_finish = "tool_use"
    error_type = "BadRequestError"
    retries = SHAPES
    opening = 2
    # 5 x 5 + 1,920 x 0.5 + 81 x 6.25 + 300 x 25 USD a million.
    cost_usd = "0.00899125"

    def connect(self, url: str, is_async: bool) -> Any:
        library: Any = anthropic
        http = library.DefaultAsyncHttpxClient if is_async else library.DefaultHttpxClient
        kind = library.AsyncAnthropic if is_async else library.Anthropic
        return kind(base_url=url, api_key="test", http_client=http(verify=False))

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(client.messages.create, stream=streaming)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        content: Any = text
        if typed:
            # What a model said is handed back as the client's own objects.
            content = [anthropic.types.TextBlock(type="text", text=text)]
        asked = [{"role": "user", "content": content}]
        return {"model": self.model, "messages": asked, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        schema = WEATHER["function"]["parameters"]
        return {"tools": [{"name": "weather", "input_schema": schema}]}

    def blocks(self, said: Said) -> list[dict[str, Any]]:
        if said.calls_tool:
            return [{"type": "tool_use", "id": "t", "name": "weather", "input": ARGUMENTS}]
        thought = {"type": "thinking", "thinking": said.thought, "signature": "s"}
        text = {"type": "text", "text": said.text}
        return [thought, text] if said.thought else [text]

    def body(self, said: Said) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": self.blocks(said),
            "usage": USAGE,
            "stop_sequence": None,
            "stop_reason": self.tool_finish if said.calls_tool else self.finish,
        }

    def deltas(self, block: dict[str, Any], said: Said) -> list[dict[str, Any]]:
        if block["type"] == "text":
            return [{"type": "text_delta", "text": piece} for piece in said.pieces]
        if block["type"] == "thinking":
            return [{"type": "thinking_delta", "thinking": said.thought}]
        text = json.dumps(ARGUMENTS)
        halves = (text[:5], text[5:])
        return [{"type": "input_json_delta", "partial_json": half} for half in halves]

    def events(self, said: Said) -> Iterator[dict[str, Any]]:
        body = self.body(said)
        usage = {**USAGE, "output_tokens": 1}
        start = {**body, "content": [], "stop_reason": None, "usage": usage}
        yield {"type": "message_start", "message": start}
        empty = {"text": {"text": ""}, "thinking": {"thinking": ""}, "tool_use": {"input": {}}}
        for index, block in enumerate(body["content"]):
            opened = {**block, **empty[block["type"]]}
            yield {"type": "content_block_start", "index": index, "content_block": opened}
            for delta in self.deltas(block, said):
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        delta = {"stop_reason": body["stop_reason"], "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 300}}
        yield {"type": "message_stop"}

    def whole(self, said: Said) -> Reply:
        return json_reply(self.body(said))

    def stream(self, said: Said) -> Reply:
        return sse_reply(self.events(said), named=True)

    def error(self, status: int) -> Reply:
        told = {"type": "invalid_request_error", "message": "no such thing"}
        return json_reply({"type": "error", "error": told}, status)

    def text_of(self, result: Any) -> str:
        return "".join(block.text for block in result.content if block.type == "text")

    def delta_of(self, chunk: Any) -> str:
        return getattr(getattr(chunk, "delta", None), "text", None) or ""


CASES = (Messages(),)
