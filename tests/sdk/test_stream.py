"""Streams: however a consumer stops, the span ends with what was seen, and nothing leaks."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import watchpost
from watchpost.testing.exchange import Answer


def is_outside() -> bool:
    return not trace.get_current_span().get_span_context().is_valid


async def test_a_stream_closed_early_ends_its_span_with_what_was_seen(
    make_caller: Any, protocol: str, recorder: Any
) -> None:
    caller = make_caller(protocol, "stream")
    with await caller.start("hello") as stream:
        for chunk in stream:
            assert is_outside()
            if b"delta" in chunk.model_dump_json().encode():
                break

    found = recorder.generation
    assert found["watchpost.stream.end"] == "closed"
    assert "error.type" not in found


async def test_an_async_stream_closed_early_ends_its_span(
    make_caller: Any, protocol: str, recorder: Any
) -> None:
    caller = make_caller(protocol, "async stream")
    async with await caller.start("hello") as stream:
        async for _ in stream:
            assert is_outside()
            break

    assert recorder.generation["watchpost.stream.end"] == "closed"


@pytest.mark.usefixtures("collecting_alone")
async def test_a_stream_that_is_dropped_ends_its_span(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "stream")
    stream = await caller.start("hello")
    next(stream)
    stream.response.close()
    del stream
    gc.collect()

    assert recorder.generation["watchpost.stream.end"] == "closed"


async def test_an_async_stream_whose_task_is_cancelled_ends_its_span(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "async stream")
    caller.provider.answer(Answer(text="a b c d", piece_delay_s=0.4))
    seen = asyncio.Event()

    async def read() -> None:
        async with await caller.start("hello") as stream:
            async for _ in stream:
                seen.set()

    task = asyncio.create_task(read())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert recorder.generation["error.type"] == "CancelledError"


def test_send_and_throw_reach_the_generator_inside_its_span(recorder: Any) -> None:
    seen: list[Any] = []

    @watchpost.observe("talk", kind="tool")
    def talk() -> Any:
        try:
            seen.append((yield "one"))
            yield "two"
        except LookupError as error:
            seen.append(error)
            seen.append(is_outside())
            yield "three"
        return "end"

    conversation = talk()
    assert next(conversation) == "one"
    assert conversation.send("hello") == "two"
    assert is_outside()
    error = LookupError()
    assert conversation.throw(error) == "three"
    with pytest.raises(StopIteration) as stopped:
        next(conversation)
    assert stopped.value.value == "end"
    assert seen == ["hello", error, False]
    span = recorder.named("talk")
    assert span.attributes["gen_ai.tool.call.result"] == "onetwothree"
    assert span.status.status_code is StatusCode.UNSET


def test_an_error_thrown_into_a_generator_that_lets_it_pass_is_recorded(recorder: Any) -> None:
    @watchpost.observe("talk", kind="tool")
    def talk() -> Any:
        yield "one"

    conversation = talk()
    next(conversation)
    with pytest.raises(LookupError):
        conversation.throw(LookupError())
    assert recorder.named("talk").attributes["error.type"] == "LookupError"


def test_closing_a_generator_ends_its_span_without_an_error(recorder: Any) -> None:
    cleaned: list[bool] = []

    @watchpost.observe("talk", kind="tool")
    def talk() -> Any:
        try:
            yield "one"
            yield "two"
        finally:
            cleaned.append(is_outside())

    conversation = talk()
    next(conversation)
    conversation.close()
    assert cleaned == [False]
    assert recorder.named("talk").status.status_code is StatusCode.UNSET


async def test_asend_athrow_and_aclose_reach_an_async_generator(recorder: Any) -> None:
    seen: list[Any] = []

    @watchpost.observe("talk", kind="tool")
    async def talk() -> Any:
        try:
            seen.append((yield "one"))
            yield "two"
        except LookupError:
            yield "three"
        finally:
            seen.append(is_outside())

    conversation = talk()
    assert await anext(conversation) == "one"
    assert await conversation.asend("hello") == "two"
    assert await conversation.athrow(LookupError()) == "three"
    assert is_outside()
    await conversation.aclose()
    assert seen == ["hello", False]
    assert recorder.named("talk").attributes["gen_ai.tool.call.result"] == "onetwothree"


def test_a_span_held_open_across_a_yield_is_current_again_at_the_next_piece(recorder: Any) -> None:
    @watchpost.observe("outer", kind="tool")
    def produce() -> Any:
        with watchpost.span("held"):
            yield "one"
            with watchpost.span("below"):
                yield "two"

    pieces = produce()
    assert next(pieces) == "one"
    with watchpost.span("consumer", kind="tool"):
        assert list(pieces) == ["two"]
    held, below = recorder.named("held"), recorder.named("below")
    assert below.parent.span_id == held.context.span_id
    assert held.parent.span_id == recorder.named("outer").context.span_id


def test_a_function_that_returns_a_generator_is_followed(recorder: Any) -> None:
    @watchpost.observe("returns", kind="tool")
    def returns() -> Any:
        return (str(number) for number in range(3))

    pieces = returns()
    assert recorder.spans == []
    assert list(pieces) == ["0", "1", "2"]
    assert recorder.named("returns").attributes["gen_ai.tool.call.result"] == "012"


def test_a_generator_of_other_things_keeps_none_of_them(recorder: Any) -> None:
    @watchpost.observe("rows", kind="tool")
    def rows() -> Any:
        yield from ({"row": number} for number in range(100))

    assert len(list(rows())) == 100
    assert "gen_ai.tool.call.result" not in recorder.named("rows").attributes
