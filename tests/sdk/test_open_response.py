"""Responses a caller reads by hand: whatever it reads, the call is recorded once it is over."""

from __future__ import annotations

from typing import Any

import pytest

from watchpost.testing.exchange import Answer, Usage

ANSWER = Answer(text="It is 14 degrees.", usage=Usage(2006, 300, 1920))


def create_of(caller: Any) -> Any:
    """The method of a caller's client that hands out unread responses."""
    if caller.protocol == "messages":
        return caller.client.messages.with_streaming_response.create
    if caller.protocol == "responses":
        return caller.client.responses.with_streaming_response.create
    return caller.client.chat.completions.with_streaming_response.create


@pytest.mark.parametrize("way", ["parse", "read", "json", "later"])
async def test_an_answer_read_by_hand_is_recorded(
    make_caller: Any, protocol: str, recorder: Any, provider: Any, way: str
) -> None:
    caller = make_caller(protocol, "sync")
    provider.answer(ANSWER)
    with create_of(caller)(**caller.arguments("hello")) as response:
        if way == "later":
            assert b"14 degrees" in b"".join(response.iter_bytes())
        else:
            assert "14 degrees" in str(getattr(response, way)())

    found = recorder.generation
    assert found["watchpost.usage.source"] == ("none" if way == "later" else "provider")
    if way != "later":
        assert found["gen_ai.usage.input_tokens"] == 2006
        assert "14 degrees" in found["gen_ai.output.messages"]


@pytest.mark.parametrize("way", ["parse", "read", "json"])
async def test_an_answer_read_by_hand_of_an_async_client_is_recorded(
    make_caller: Any, protocol: str, recorder: Any, provider: Any, way: str
) -> None:
    caller = make_caller(protocol, "async")
    provider.answer(ANSWER)
    async with create_of(caller)(**caller.arguments("hello")) as response:
        assert "14 degrees" in str(await getattr(response, way)())

    assert recorder.generation["gen_ai.usage.input_tokens"] == 2006


@pytest.mark.parametrize("way", ["parse", "read"])
async def test_a_stream_read_by_hand_is_recorded(
    make_caller: Any, protocol: str, recorder: Any, provider: Any, way: str
) -> None:
    caller = make_caller(protocol, "stream")
    provider.answer(ANSWER)
    with create_of(caller)(**caller.arguments("hello"), stream=True) as response:
        if way == "parse":
            assert list(response.parse())
        else:
            assert b"14" in response.read()

    assert "14 degrees" in recorder.generation["gen_ai.output.messages"]
    assert recorder.generation["gen_ai.usage.input_tokens"] == 2006


async def test_an_async_stream_read_by_hand_is_recorded(
    make_caller: Any, protocol: str, recorder: Any, provider: Any
) -> None:
    caller = make_caller(protocol, "async stream")
    provider.answer(ANSWER)
    async with create_of(caller)(**caller.arguments("hello"), stream=True) as response:
        assert [chunk async for chunk in await response.parse()]

    assert "14 degrees" in recorder.generation["gen_ai.output.messages"]


async def test_a_response_that_is_dropped_unread_ends_its_span(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "sync")
    opened = create_of(caller)(**caller.arguments("hello"))
    opened.__enter__().http_response.close()
    del opened

    assert recorder.generation["watchpost.usage.source"] == "none"
