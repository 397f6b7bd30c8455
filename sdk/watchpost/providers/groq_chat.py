"""Groq's own client: OpenAI's chat, whose streams tell their tokens in a field of Groq's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from watchpost.providers import openai_chat
from watchpost.providers.provider import Provider, get
from watchpost.record import Result


def owns_result(result: Any) -> bool:
    """Whether this is a chat completion that Groq gave."""
    return get(result, "x_groq") is not None and openai_chat.owns_result(result)


def owns_chunk(chunk: Any) -> bool:
    """Whether this begins a stream of Groq's: the chunks between do not tell."""
    return get(chunk, "x_groq") is not None and openai_chat.owns_chunk(chunk)


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in chunks; the last one has the tokens without being asked for them."""
    told = [usage for chunk in chunks if (usage := get(get(chunk, "x_groq"), "usage"))]
    # First, so that usage in its usual place, which is the same, goes before it.
    return openai_chat.read_stream([*({"usage": usage} for usage in told[-1:]), *chunks])


PROVIDER: Provider = replace(
    openai_chat.PROVIDER,
    name="groq",
    paths=("/openai/v1/chat/completions",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_stream=read_stream,
)
