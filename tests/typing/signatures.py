"""Checked by mypy and pyright, never run: decorated functions and patched clients stay as typed.

A call that must be refused carries a comment for each of the two, which complains of it where
nothing is refused.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Protocol, assert_type

import anthropic
import openai

import watchpost
from watchpost.testing import Capture, ProviderServer, capture


class Answers(Protocol):
    def __call__(self, question: str, *, loud: bool = ...) -> int: ...


@watchpost.observe
def bare(question: str, *, loud: bool = False) -> int:
    return len(question)


@watchpost.observe("named", prompt="answer", version=3, tags=["a"], segments={"tenant": "x"})
def with_arguments(question: str, *, loud: bool = False) -> int:
    return len(question)


@watchpost.observe
async def bare_async(question: str) -> list[int]:
    return [len(question)]


@watchpost.observe(kind="agent")
async def async_with_arguments(question: str) -> list[int]:
    return [len(question)]


@watchpost.observe
def pieces(question: str) -> Iterator[str]:
    yield question


@watchpost.observe(kind="tool")
def conversation(question: str) -> Generator[str, int, bool]:
    heard = yield question
    return heard > 0


@watchpost.observe()
async def async_pieces(question: str) -> AsyncIterator[bytes]:
    yield question.encode()


class Bot:
    @watchpost.observe
    def answer(self, question: str) -> str:
        return question

    @watchpost.observe(kind="tool")
    async def look_up(self, key: int) -> str:
        return str(key)

    @classmethod
    @watchpost.observe
    def make(cls, name: str) -> "Bot":
        return cls()

    @staticmethod
    @watchpost.observe("count")
    def count(text: str) -> int:
        return len(text)


async def use_them() -> None:
    keeps: Answers = bare
    keeps = with_arguments
    assert_type(keeps("q", loud=True), int)
    assert_type(bare("q"), int)
    assert_type(with_arguments("q", loud=True), int)
    assert_type(await bare_async("q"), list[int])
    assert_type(await async_with_arguments("q"), list[int])
    assert_type(pieces("q"), Iterator[str])
    assert_type(conversation("q"), Generator[str, int, bool])
    async for piece in async_pieces("q"):
        assert_type(piece, bytes)
    bot = Bot.make("b")
    assert_type(bot, Bot)
    assert_type(bot.answer("q"), str)
    assert_type(await bot.look_up(1), str)
    assert_type(Bot.count("text"), int)

    bare(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with_arguments()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await async_with_arguments(question=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bot.answer(question=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def use_clients() -> None:
    assert_type(watchpost.patch(openai.OpenAI()), openai.OpenAI)
    assert_type(watchpost.patch(openai.AsyncOpenAI()), openai.AsyncOpenAI)
    assert_type(watchpost.patch(anthropic.Anthropic()), anthropic.Anthropic)
    here = watchpost.current()
    assert_type(here.trace_id, str)
    assert_type(here.headers(), dict[str, str])
    assert_type(here.carry(bare)("q", loud=True), int)
    here.carry(bare)(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with watchpost.continue_from(here.headers()), watchpost.span("block") as block:
        assert_type(block.span_id, str)
    with ProviderServer() as provider, capture() as seen:
        assert_type(provider.openai_url, str)
        assert_type(seen, Capture)
        assert_type(seen.generations, list[watchpost.Generation])
