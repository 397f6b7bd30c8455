"""Groq's own client against the wire."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import groq
import httpx
from chat_wire import USAGE, WEATHER, chat_chunks, chat_reply, chunks_reply, refusal
from provider_cases import SHAPES, ProviderCase, Said
from wire_server import Reply

X_GROQ = {"id": "req_1"}


class Chat(ProviderCase):
    name = "groq"
    provider = "groq"
    model = "openai/gpt-oss-120b"
    response_model = "openai/gpt-oss-120b"
    response_id = "chatcmpl-1"
    cache_read_tokens = 1920
    reasoning_tokens = 128
    # 86 x 0.15 + 1,920 x 0.075 + 300 x 0.60 USD a million.
    cost_usd = "0.0003369"
    error_type = "BadRequestError"
    retries = SHAPES

    def connect(self, url: str, is_async: bool) -> Any:
        if is_async:
            http = httpx.AsyncClient(verify=False)
            return groq.AsyncGroq(base_url=url, api_key="test", http_client=http)
        return groq.Groq(base_url=url, api_key="test", http_client=httpx.Client(verify=False))

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(client.chat.completions.create, stream=streaming)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked = [{"role": "user", "content": text}]
        return {"model": self.model, "messages": asked, "temperature": 0.25, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        return {"tools": [WEATHER]}

    def whole(self, said: Said) -> Reply:
        return chat_reply(said, self.model, usage=USAGE, x_groq=X_GROQ)

    def stream(self, said: Said) -> Reply:
        chunks = chat_chunks(said, self.model)
        chunks[0]["x_groq"] = X_GROQ
        # Unasked, and beside the usual place.
        chunks[-1]["x_groq"] = {**X_GROQ, "usage": USAGE}
        return chunks_reply(chunks)

    def error(self, status: int) -> Reply:
        return refusal(status)

    def text_of(self, result: Any) -> str:
        return result.choices[0].message.content or ""

    def delta_of(self, chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""


CASES = (Chat(),)
