"""Hugging Face's inference clients against the wire: chat, and text generation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from chat_wire import USAGE, WEATHER, chat_chunks, chat_reply, chunks_reply, refusal
from huggingface_hub import AsyncInferenceClient, InferenceClient
from provider_cases import ProviderCase, Said
from wire_server import Reply, json_reply, sse_reply

MODEL = "meta-llama/Llama-3.3-70B-Instruct"


class Chat(ProviderCase):
    name = "huggingface chat"
    provider = "huggingface"
    # The address of a server stands in its place.
    model = ""
    response_model = MODEL
    response_id = "chatcmpl-1"
    error_type = "BadRequestError"
    # Before a stream is read, its client does not know why.
    complaint = "no such thing|Bad request:"

    def connect(self, url: str, is_async: bool) -> Any:
        kind = AsyncInferenceClient if is_async else InferenceClient
        return kind(url, token="test")

    def close(self, client: Any, is_async: bool) -> Any:
        return client.close()

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(client.chat.completions.create, stream=streaming)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        asked = [{"role": "user", "content": text}]
        return {"messages": asked, "temperature": 0.25, "max_tokens": 50}

    def tools(self) -> dict[str, Any]:
        return {"tools": [WEATHER]}

    def whole(self, said: Said) -> Reply:
        usage = {name: USAGE[name] for name in ("prompt_tokens", "completion_tokens")}
        return chat_reply(said, MODEL, usage=usage)

    def stream(self, said: Said) -> Reply:
        chunks = chat_chunks(said, MODEL)
        usage = {name: USAGE[name] for name in ("prompt_tokens", "completion_tokens")}
        return chunks_reply([*chunks, {**chunks[0], "choices": [], "usage": usage}])

    def error(self, status: int) -> Reply:
        return refusal(status)

    def text_of(self, result: Any) -> str:
        return result.choices[0].message.content or ""

    def delta_of(self, chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""


class Text(Chat):
    """With details: their lists of tokens are what is counted."""

    name = "huggingface text generation"
    operation = "text_completion"
    response_model = response_id = ""
    input_tokens, output_tokens = 4, 3
    finish = "eos_token"
    has_tools = thinks = False
    opening = 0

    def method(self, client: Any, is_async: bool, streaming: bool) -> Callable[..., Any]:
        return partial(client.text_generation, stream=streaming, details=True)

    def arguments(self, text: str, typed: bool = False) -> dict[str, Any]:
        return {"prompt": text, "temperature": 0.25, "max_new_tokens": 50}

    def whole(self, said: Said) -> Reply:
        prefill = [{"id": at, "text": "x", "logprob": -0.5} for at in range(4)]
        tokens = [self._token(at, piece) for at, piece in enumerate(said.pieces)]
        counts = {"finish_reason": self.finish, "generated_tokens": 3, "seed": 1}
        details = {**counts, "prefill": prefill, "tokens": tokens}
        return json_reply([{"generated_text": said.text, "details": details}])

    def stream(self, said: Said) -> Reply:
        told: list[dict[str, Any]] = [
            {"index": at, "token": self._token(at, piece)} for at, piece in enumerate(said.pieces)
        ]
        details = {"finish_reason": self.finish, "generated_tokens": 3, "input_length": 4}
        told[-1].update(generated_text=said.text, details=details)
        return sse_reply(told)

    def error(self, status: int) -> Reply:
        return json_reply({"error": "no such thing"}, status)

    def text_of(self, result: Any) -> str:
        return str(result.generated_text)

    def delta_of(self, chunk: Any) -> str:
        return str(chunk.token.text)

    def _token(self, at: int, text: str) -> dict[str, Any]:
        return {"id": at, "text": text, "logprob": -0.1, "special": False}


CASES = (Chat(), Text())
