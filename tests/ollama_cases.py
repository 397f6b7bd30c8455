"""Ollama's clients against the wire: chat and generate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ollama
from provider_cases import ARGUMENTS, ProviderCase, Said
from wire_server import Reply, json_reply, lines_reply

END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 174_560_334,
    "load_duration": 101_397_084,
    "prompt_eval_count": 2006,
    "prompt_eval_duration": 13_074_791,
    "eval_count": 300,
    "eval_duration": 52_479_709,
}


class Chat(ProviderCase):
    name = "ollama chat"
    provider = "ollama"
    model = "llama3.2"
    response_model = "llama3.2"
    tool_finish = "stop"
    error_type = "ResponseError"
    asks = "chat"

    def connect(self, url: str, is_async: bool) -> Any:
        kind = ollama.AsyncClient if is_async else ollama.Client
        return kind(url, verify=False)

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(getattr(client, self.asks), stream=streaming)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = {"role": "user", "content": text}
        options: Any = {"temperature": 0.25, "num_predict": 50}
        if typed:
            asked, options = ollama.Message(**asked), ollama.Options(**options)
        return {"model": self.model, "messages": [asked], "options": options}

    def tools(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        function = {"name": "weather", "parameters": schema}
        return {"tools": [{"type": "function", "function": function}]}

    def whole(self, said: Said) -> Reply:
        return json_reply({**self._head(), **self._say(said.text, said), **END})

    def stream(self, said: Said) -> Reply:
        pieces = [""] if said.calls_tool else said.pieces
        lines = [{**self._head(), **self._say(piece, said), "done": False} for piece in pieces]
        if said.thought:
            thinking = self._say("", Said(pieces=("",), thought=said.thought))
            lines = [{**self._head(), **thinking, "done": False}, *lines]
        return lines_reply([*lines, {**self._head(), **self._say("", Said()), **END}])

    def error(self, status: int) -> Reply:
        return json_reply({"error": "no such thing"}, status)

    def text_of(self, result: Any) -> str:
        return result.message.content or ""

    def delta_of(self, chunk: Any) -> str:
        return chunk.message.content or ""

    def _head(self) -> dict[str, Any]:
        return {"model": self.response_model, "created_at": "2026-11-17T23:14:07.414671Z"}

    def _say(self, text: str, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if said.thought and (not text or text == said.text):
            message["thinking"] = said.thought
        if said.calls_tool:
            call = {"function": {"name": "weather", "arguments": ARGUMENTS}}
            message.update(content="", tool_calls=[call])
        return {"message": message}


class Generate(Chat):
    name = "ollama generate"
    operation = "text_completion"
    has_tools = False
    asks = "generate"

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked = super().arguments(text, typed)
        return {"model": self.model, "prompt": text, "options": asked["options"]}

    def text_of(self, result: Any) -> str:
        return result.response or ""

    def delta_of(self, chunk: Any) -> str:
        return chunk.response or ""

    def _say(self, text: str, said: Said) -> dict[str, Any]:
        told = {"response": text}
        if said.thought and (not text or text == said.text):
            told["thinking"] = said.thought
        return told


CASES = (Chat(), Generate())
