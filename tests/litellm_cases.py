"""litellm's functions against the wire, in front of OpenAI's protocol and of Anthropic's."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
from chat_wire import USAGE, WEATHER, chat_chunks, chat_reply, chunks_reply, refusal
from provider_cases import ProviderCase, Said
from wire_server import Reply

from watchpost.patching import unpatch

# Else it asks a server for its prices as it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm

litellm.ssl_verify = False


class OpenAI(ProviderCase):
    """The module is the client."""

    name = "litellm"
    provider = "openai"
    model = "openai/gpt-4o"
    response_model = "gpt-4o"
    response_id = "chatcmpl-1"
    cache_read_tokens = 1920
    reasoning_tokens = 128
    opening = 2
    # 86 x 2.50 + 1,920 x 1.25 + 300 x 10 USD a million.
    cost_usd = "0.005615"
    error_type = "BadRequestError"

    def __init__(self) -> None:
        self.url = ""

    def connect(self, url: str, is_async: bool) -> Any:
        self.url = f"{url}/v1"
        # Its own are kept for ever, and for one event loop alone.
        litellm.in_memory_llm_clients_cache.flush_cache()
        litellm.client_session = httpx.Client(verify=False)
        litellm.aclient_session = httpx.AsyncClient(verify=False)
        return litellm

    def close(self, client: Any, is_async: bool) -> Any:
        unpatch(client)
        litellm.client_session.close()
        return litellm.aclient_session.aclose()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        ask = client.acompletion if is_async else client.completion
        return partial(ask, stream=streaming, api_base=self.url, api_key="test", max_retries=0)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked: Any = {"role": "user", "content": text}
        if typed:
            asked = litellm.Message(**asked)
        return {"model": self.model, "messages": [asked], "temperature": 0.25, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        return {"tools": [WEATHER]}

    def whole(self, said: Said) -> Reply:
        return chat_reply(said, "gpt-4o", usage=USAGE)

    def stream(self, said: Said) -> Reply:
        chunks = chat_chunks(said, "gpt-4o")
        return chunks_reply([*chunks, {**chunks[0], "choices": [], "usage": USAGE}])

    def error(self, status: int) -> Reply:
        return refusal(status)

    def text_of(self, result: Any) -> str:
        return result.choices[0].message.content or ""

    def delta_of(self, chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""


CASES = (OpenAI(),)
