"""Mistral's client against the wire: chat, fill-in-the-middle, agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
from mistralai.client import Mistral, models
from mistralai.client.utils import BackoffStrategy, RetryConfig
from provider_cases import ARGUMENTS, SHAPES, ProviderCase, Said
from wire_server import Reply, json_reply, sse_reply

USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920},
}


class Chat(ProviderCase):
    name = "mistral"
    provider = "mistral_ai"
    model = "mistral-large-2512"
    response_model = "mistral-large-2512"
    response_id = "cmpl-1"
    cache_read_tokens = 1920
    # 86 x 0.50 + 1920 x 0.05 + 300 x 1.50 USD a million.
    cost_usd = "0.000589"
    error_type = "SDKError"
    retries = SHAPES
    owner = "chat"

    def connect(self, url: str, is_async: bool) -> Any:
        return Mistral(
            api_key="test",
            server_url=url,
            client=httpx2.Client(verify=False),
            async_client=httpx2.AsyncClient(verify=False),
            retry_config=RetryConfig("backoff", BackoffStrategy(1, 1, 1.0, 60_000), False),
        )

    async def close(self, client: Any, is_async: bool) -> None:
        client.sdk_configuration.client.close()
        await client.sdk_configuration.async_client.aclose()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        name = ("stream" if streaming else "complete") + ("_async" if is_async else "")
        method: Callable[..., Any] = getattr(getattr(client, self.owner), name)
        return method

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = {"role": "user", "content": [{"type": "text", "text": text}]}
        if typed:
            asked = models.UserMessage(content=[models.TextChunk(text=text)])
        settings = {"temperature": 0.25, "max_tokens": 50}
        return {"model": self.model, "messages": [asked], **settings}

    def tools(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        function = {"name": "weather", "parameters": schema}
        return {"tools": [{"type": "function", "function": function}]}

    def whole(self, said: Said) -> Reply:
        message: dict[str, Any] = {"role": "assistant", "content": said.text}
        if said.thought:
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": said.thought}]}
            message["content"] = [thought, {"type": "text", "text": said.text}]
        if said.calls_tool:
            function = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
            message.update(content="", tool_calls=[{"id": "call-1", "function": function}])
        finish = self.tool_finish if said.calls_tool else self.finish
        choice = {"index": 0, "finish_reason": finish, "message": message}
        return json_reply({**self._head("chat.completion"), "choices": [choice], "usage": USAGE})

    def stream(self, said: Said) -> Reply:
        deltas: list[dict[str, Any]] = []
        if said.thought:
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": said.thought}]}
            deltas.append({"role": "assistant", "content": [thought]})
        if said.calls_tool:
            function = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
            call = {"id": "call-1", "index": 0, "function": function}
            deltas.append({"role": "assistant", "content": "", "tool_calls": [call]})
        else:
            deltas.extend({"role": "assistant", "content": piece} for piece in said.pieces)
        finish = self.tool_finish if said.calls_tool else self.finish
        events = []
        for index, delta in enumerate(deltas):
            is_last = index == len(deltas) - 1
            choice = {"index": 0, "delta": delta, "finish_reason": finish if is_last else None}
            usage = {"usage": USAGE} if is_last else {}
            events.append({**self._head("chat.completion.chunk"), "choices": [choice], **usage})
        return sse_reply(events, done=True)

    def error(self, status: int) -> Reply:
        return json_reply({"object": "error", "message": "no such thing", "code": "x"}, status)

    def text_of(self, result: Any) -> str:
        return str(result.choices[0].message.content)

    def delta_of(self, chunk: Any) -> str:
        content = chunk.data.choices[0].delta.content
        return content if isinstance(content, str) else ""

    def _head(self, kind: str) -> dict[str, Any]:
        model, made = self.response_model, self.response_id
        return {"id": made, "object": kind, "model": model, "created": 1_790_000_000}


class Fim(Chat):
    name = "mistral fim"
    operation = "text_completion"
    model = "codestral-2508"
    response_model = "codestral-2508"
    # 86 x 0.30 + 1920 x 0.03 + 300 x 0.90 USD a million.
    cost_usd = "0.0003534"
    has_tools = False
    owner = "fim"

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {"model": self.model, "prompt": text, "temperature": 0.25, "max_tokens": 50}


class Agent(Chat):
    name = "mistral agent"
    model = ""
    owner = "agents"

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked = super().arguments(text, typed)
        return {"agent_id": "ag-1", "messages": asked["messages"], "max_tokens": 50}


CASES = (Chat(), Fim(), Agent())
