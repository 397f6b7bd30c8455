"""Google's client against the wire: the Gemini API and Vertex."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from provider_cases import ARGUMENTS, SHAPES, ProviderCase, Said
from wire_server import Reply, json_reply, sse_reply

USAGE = {
    "promptTokenCount": 2006,
    "candidatesTokenCount": 172,
    "thoughtsTokenCount": 128,
    "cachedContentTokenCount": 1920,
    "totalTokenCount": 2306,
}


def make_client(url: str, **options: Any) -> genai.Client:
    """A client that reads no certificates."""
    http = types.HttpOptions(
        base_url=url,
        httpx_client=httpx.Client(verify=False),
        httpx_async_client=httpx.AsyncClient(verify=False),
        client_args={"verify": False},
        async_client_args={"verify": False, "ssl": False},
        retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.001, jitter=0.0),
    )
    return genai.Client(http_options=http, **options)


def content(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


class Gemini(ProviderCase):
    name = "gemini"
    provider = "gcp.gemini"
    operation = "generate_content"
    model = "gemini-2.5-flash"
    response_model = "gemini-2.5-flash"
    response_id = "resp-1"
    cache_read_tokens = 1920
    reasoning_tokens = 128
    # 86 x 0.30 + 1920 x 0.03 + 300 x 2.50 USD a million.
    cost_usd = "0.0008334"
    tool_finish = "stop"
    error_type = "ClientError"
    retries = SHAPES

    def connect(self, url: str, is_async: bool) -> Any:
        return make_client(url, api_key="test")

    async def close(self, client: Any, is_async: bool) -> None:
        client._api_client._http_options.httpx_client.close()
        await client._api_client._http_options.httpx_async_client.aclose()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        models = (client.aio if is_async else client).models
        return models.generate_content_stream if streaming else models.generate_content

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        part: Any = types.Part(text=text) if typed else {"text": text}
        asked = (
            types.Content(role="user", parts=[part]) if typed else {"role": "user", "parts": [part]}
        )
        settings: dict[str, Any] = {"temperature": 0.25, "max_output_tokens": 50}
        config = types.GenerateContentConfig(**settings) if typed else settings
        return {"model": self.model, "contents": [asked], "config": config}

    def tools(self) -> dict[str, Any]:
        city = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
        declared = {"name": "weather", "parameters": city}
        return {"config": {"tools": [{"function_declarations": [declared]}]}}

    def whole(self, said: Said) -> Reply:
        parts: list[Any] = [{"text": said.thought, "thought": True}] if said.thought else []
        if said.calls_tool:
            parts.append({"functionCall": {"name": "weather", "args": ARGUMENTS}})
        else:
            parts.append({"text": said.text})
        return json_reply(self._response(content(*parts), finishReason="STOP"))

    def stream(self, said: Said) -> Reply:
        events = []
        if said.thought:
            events.append(self._response(content({"text": said.thought, "thought": True})))
        if said.calls_tool:
            call = {"functionCall": {"name": "weather", "args": ARGUMENTS}}
            events.append(self._response(content(call), finishReason="STOP"))
            return sse_reply(events)
        for index, piece in enumerate(said.pieces):
            last = {"finishReason": "STOP"} if index == len(said.pieces) - 1 else {}
            events.append(self._response(content({"text": piece}), **last))
        return sse_reply(events)

    def error(self, status: int) -> Reply:
        error = {"code": status, "message": "no such thing", "status": "INVALID_ARGUMENT"}
        return json_reply({"error": error}, status)

    def text_of(self, result: Any) -> str:
        return result.text or ""

    def delta_of(self, chunk: Any) -> str:
        return chunk.text or ""

    def _response(self, said: Any, **candidate: Any) -> dict[str, Any]:
        return {
            "candidates": [{"content": said, "index": 0, **candidate}],
            "usageMetadata": USAGE,
            "modelVersion": self.response_model,
            "responseId": self.response_id,
        }


class Vertex(Gemini):
    name = "vertex"
    provider = "gcp.vertex_ai"
    model = "gemini-2.5-pro"
    response_model = "gemini-2.5-pro"
    # 86 x 1.25 + 1920 x 0.125 + 300 x 10 USD a million.
    cost_usd = "0.0033475"

    def connect(self, url: str, is_async: bool) -> Any:
        return make_client(
            url,
            vertexai=True,
            project="p",
            location="europe-west6",
            credentials=Credentials("test"),
        )


CASES = (Gemini(), Vertex())
