"""Cohere's clients against the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cohere
import httpx
from provider_cases import ARGUMENTS, ProviderCase, Said
from wire_server import Reply, json_reply, lines_reply, sse_reply

USAGE = {
    "billed_units": {"input_tokens": 2006.0, "output_tokens": 300.0},
    "tokens": {"input_tokens": 2590.0, "output_tokens": 304.0},
    "cached_tokens": 1920.0,
}


class Chat(ProviderCase):
    name = "cohere"
    provider = "cohere"
    model = "command-a-03-2025"
    response_id = "c14c80c3"
    cache_read_tokens = 1920
    # 2006 x 2.50 + 300 x 10 USD a million: nobody prices what was cached.
    cost_usd = "0.008015"
    finish = "complete"
    tool_finish = "tool_call"
    opening = 2
    error_type = "BadRequestError"
    # It sends no stream a second time.
    retries = ("sync", "async")

    def connect(self, url: str, is_async: bool) -> Any:
        if is_async:
            http = httpx.AsyncClient(verify=False)
            return cohere.AsyncClientV2("test", base_url=url, httpx_client=http)
        return cohere.ClientV2("test", base_url=url, httpx_client=httpx.Client(verify=False))

    def close(self, client: Any, is_async: bool) -> Any:
        http = client._client_wrapper.httpx_client.httpx_client
        return http.aclose() if is_async else http.close()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        method: Callable[..., Any] = client.chat_stream if streaming else client.chat
        return method

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = {"role": "user", "content": [{"type": "text", "text": text}]}
        if typed:
            asked = cohere.UserChatMessageV2(content=[cohere.TextContent(text=text)])
        return {"model": self.model, "messages": [asked], "temperature": 0.25, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        function = {"name": "weather", "parameters": schema}
        return {"tools": [{"type": "function", "function": function}]}

    def whole(self, said: Said) -> Reply:
        message: dict[str, Any] = {"role": "assistant"}
        thought = [{"type": "thinking", "thinking": said.thought}] if said.thought else []
        if said.calls_tool:
            message["tool_calls"] = [self._call(json.dumps(ARGUMENTS))]
        else:
            message["content"] = [*thought, {"type": "text", "text": said.text}]
        finish = (self.tool_finish if said.calls_tool else self.finish).upper()
        told = {"id": self.response_id, "finish_reason": finish, "usage": USAGE}
        return json_reply({**told, "message": message})

    def stream(self, said: Said) -> Reply:
        events: list[dict[str, Any]] = [
            {
                "type": "message-start",
                "id": self.response_id,
                "delta": {"message": {"role": "assistant"}},
            }
        ]
        if said.calls_tool:
            events += self._call_events()
        else:
            events += self._text_events(said)
        finish = (self.tool_finish if said.calls_tool else self.finish).upper()
        events.append({"type": "message-end", "delta": {"finish_reason": finish, "usage": USAGE}})
        return sse_reply(events, named=True)

    def error(self, status: int) -> Reply:
        return json_reply({"id": "e", "message": "no such thing"}, status)

    def text_of(self, result: Any) -> str:
        return "".join(item.text for item in result.message.content or () if item.type == "text")

    def delta_of(self, chunk: Any) -> str:
        if chunk.type != "content-delta":
            return ""
        return chunk.delta.message.content.text or ""

    def _call(self, arguments: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": arguments}
        return {"id": "call-1", "type": "function", "function": function}

    def _call_events(self) -> list[dict[str, Any]]:
        def event(kind: str, call: Any) -> dict[str, Any]:
            return {"type": kind, "index": 0, "delta": {"message": {"tool_calls": call}}}

        spelled = json.dumps(ARGUMENTS)
        pieces = [{"function": {"arguments": piece}} for piece in (spelled[:5], spelled[5:])]
        return [
            event("tool-call-start", self._call("")),
            *(event("tool-call-delta", piece) for piece in pieces),
            {"type": "tool-call-end", "index": 0},
        ]

    def _text_events(self, said: Said) -> list[dict[str, Any]]:
        def event(kind: str, content: Any, index: int) -> dict[str, Any]:
            return {"type": kind, "index": index, "delta": {"message": {"content": content}}}

        events = []
        if said.thought:
            events.append(event("content-start", {"type": "thinking", "thinking": ""}, 0))
            events.append(event("content-delta", {"thinking": said.thought}, 0))
        events.append(event("content-start", {"type": "text", "text": ""}, 1))
        events += [event("content-delta", {"text": piece}, 1) for piece in said.pieces]
        events.append({"type": "content-end", "index": 1})
        return events


class Handed(Chat):
    """A client of the first version hands out the second."""

    name = "cohere v1 client, v2 chat"

    def connect(self, url: str, is_async: bool) -> Any:
        if is_async:
            http = httpx.AsyncClient(verify=False)
            return cohere.AsyncClient("test", base_url=url, httpx_client=http)
        return cohere.Client("test", base_url=url, httpx_client=httpx.Client(verify=False))

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return super().method(client.v2, is_async, streaming)


class First(Handed):
    """The first version's own chat."""

    name = "cohere v1 chat"
    tool_finish = "complete"
    thinks = False
    opening = 1

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        method: Callable[..., Any] = client.chat_stream if streaming else client.chat
        return method

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {"model": self.model, "message": text, "temperature": 0.25, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        city = {"city": {"type": "str", "description": "Where."}}
        told = {"name": "weather", "description": "How warm.", "parameter_definitions": city}
        return {"tools": [told]}

    def whole(self, said: Said) -> Reply:
        return json_reply(self._body(said))

    def stream(self, said: Said) -> Reply:
        events: list[Any] = [{"event_type": "stream-start", "generation_id": self.response_id}]
        if said.calls_tool:
            calls = self._body(said)["tool_calls"]
            events.append({"event_type": "tool-calls-generation", "tool_calls": calls})
        else:
            events += [{"event_type": "text-generation", "text": piece} for piece in said.pieces]
        end = {"finish_reason": self.finish.upper(), "response": self._body(said)}
        return lines_reply([*events, {"event_type": "stream-end", **end}])

    def text_of(self, result: Any) -> str:
        return str(result.text)

    def delta_of(self, chunk: Any) -> str:
        return chunk.text if chunk.event_type == "text-generation" else ""

    def _body(self, said: Said) -> dict[str, Any]:
        calls = [{"name": "weather", "parameters": ARGUMENTS}] if said.calls_tool else None
        told = {"text": "" if said.calls_tool else said.text, "tool_calls": calls}
        done = {"generation_id": self.response_id, "finish_reason": self.finish.upper()}
        return {**done, **told, "meta": USAGE}


CASES = (Chat(), Handed(), First())
