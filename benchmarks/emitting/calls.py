"""The calls every contender makes: a real OpenAI client whose one sending method answers at once.

What the client itself does with the arguments takes a millisecond, several times what is measured
here and never the same twice: all but leaving out what is not given is left out, for all alike. It
runs in the environments of contenders, with their own version of the client and no watchpost.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import openai
from openai._utils import is_given
from openai.resources.chat.completions import completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk

SHAPES = ("plain", "async", "stream")
CHUNKS_OF_A_STREAM = 100
MODEL = "gpt-4o-2024-08-06"
MESSAGES = [
    {"role": "system", "content": "You answer questions about orders. " * 6},
    {"role": "user", "content": "Where is my order 1234? " * 4},
    {"role": "assistant", "content": "It left the warehouse yesterday. " * 5},
    {"role": "user", "content": "And when does it arrive? I am away on Friday. " * 3},
]
BODY = {"model": MODEL, "messages": MESSAGES, "temperature": 0.2, "max_tokens": 200}
STREAMED = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
_SENTENCE = "It arrives on Thursday between nine and eleven in the morning, before you leave."
_TOKENS = {"prompt_tokens": 160, "completion_tokens": 18, "total_tokens": 178}
_ASKED = {"cached_tokens": 128, "audio_tokens": 0}
_SAID = {"reasoning_tokens": 0, "audio_tokens": 0}
_USAGE = {**_TOKENS, "prompt_tokens_details": _ASKED, "completion_tokens_details": _SAID}
_HEAD = {"id": "chatcmpl-1", "created": 1, "model": MODEL, "system_fingerprint": "fp_1"}


def _make_completion() -> ChatCompletion:
    said = {"role": "assistant", "content": _SENTENCE}
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return ChatCompletion.model_validate(body)


def _make_chunks() -> list[ChatCompletionChunk]:
    words = (_SENTENCE.split(" ") * CHUNKS_OF_A_STREAM)[: CHUNKS_OF_A_STREAM - 3]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word + " "} for word in words]
    head = {**_HEAD, "object": "chat.completion.chunk"}
    bodies = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    bodies.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    bodies.append({**head, "choices": [], "usage": _USAGE})
    return [ChatCompletionChunk.model_validate(body) for body in bodies]


_COMPLETION, _CHUNKS = _make_completion(), _make_chunks()


class _Stream(openai.Stream):  # type: ignore[type-arg]
    """The client's own kind of stream, its chunks already there."""

    def __init__(self) -> None:
        self.response: Any = SimpleNamespace(close=lambda: None)
        self._iterator = iter(_CHUNKS)


def _take_what_is_given(data: Any, _: object) -> Any:
    return {name: data[name] for name in data if is_given(data[name])}


async def _take_what_is_given_async(data: Any, _: object) -> Any:
    return _take_what_is_given(data, _)


completions.maybe_transform = _take_what_is_given  # type: ignore[assignment, attr-defined]
completions.async_maybe_transform = _take_what_is_given_async  # type: ignore[assignment, attr-defined]


def make_client() -> Any:
    """A client that needs no server."""
    client = openai.OpenAI(api_key="none")

    def request(cast_to: Any, options: Any, *, stream: bool = False, **_: Any) -> Any:
        return _Stream() if stream else _COMPLETION

    client.request = request  # type: ignore[method-assign]
    return client


def make_async_client() -> Any:
    """The same, async."""
    client = openai.AsyncOpenAI(api_key="none")

    async def request(cast_to: Any, options: Any, **_: Any) -> Any:
        return _COMPLETION

    client.request = request  # type: ignore[method-assign]
    return client


def ask(client: Any, shape: str) -> Any:
    """One whole call; what is returned is awaited where the shape is async."""
    if shape != "stream":
        return client.chat.completions.create(**BODY)
    for _ in client.chat.completions.create(**STREAMED):
        pass
    return None
