"""Checked by mypy and pyright, never run: what decorating and patching leave of a type."""

from collections.abc import AsyncIterator, Iterator
from typing import reveal_type

import anthropic
import openai

import watchpost


@watchpost.observe
def bare(question: str, *, loud: bool = False) -> int:
    return len(question)


@watchpost.observe("named", prompt="answer", version=3, tags=["a"], segments={"tenant": "x"})
async def with_arguments(question: str) -> list[int]:
    return [len(question)]


@watchpost.observe(kind="tool")
def pieces(question: str) -> Iterator[str]:
    yield question


@watchpost.observe()
async def async_pieces(question: str) -> AsyncIterator[bytes]:
    yield question.encode()


class Bot:
    @watchpost.observe
    def answer(self, question: str) -> str:
        return question


reveal_type(bare)
reveal_type(with_arguments)
reveal_type(pieces)
reveal_type(async_pieces)
reveal_type(Bot().answer)
reveal_type(watchpost.patch(openai.OpenAI()))
reveal_type(watchpost.patch(anthropic.AsyncAnthropic()))
reveal_type(watchpost.current().trace_id)
reveal_type(watchpost.current().carry(bare))
with watchpost.span("block") as here:
    reveal_type(here)
bare(1)
watchpost.observe(prompt=3)
