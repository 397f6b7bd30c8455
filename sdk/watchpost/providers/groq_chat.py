"""Groq's own client: OpenAI's chat, whose streams tell their tokens in a field of Groq's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchpost.providers import openai_chat
from watchpost.providers.provider import Provider, get


def owns_result(result: Any) -> bool:
    """Whether this is a chat completion that Groq gave."""
    return get(result, "x_groq") is not None and openai_chat.owns_result(result)


def owns_chunk(chunk: Any) -> bool:
    """Whether this begins a stream of Groq's: the chunks between do not tell."""
    return get(chunk, "x_groq") is not None and openai_chat.owns_chunk(chunk)


PROVIDER: Provider = replace(
    openai_chat.PROVIDER,
    name="groq",
    paths=("/openai/v1/chat/completions",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
)
