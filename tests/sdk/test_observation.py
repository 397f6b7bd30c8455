"""Observed functions: every kind of function, what flows from them, how often a call counts."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import watchpost
from watchpost.errors import ConfigError


def run_plain(work: Any, kind: str) -> Any:
    """An observed function of one kind around `work`, as an async callable."""

    @watchpost.observe("asked")
    def plain(text: str) -> Any:
        return work(text)

    @watchpost.observe("asked")
    async def coroutine(text: str) -> Any:
        await asyncio.sleep(0)
        return work(text)

    @watchpost.observe("asked")
    def generator(text: str) -> Any:
        yield work(text)

    @watchpost.observe("asked")
    async def async_generator(text: str) -> Any:
        await asyncio.sleep(0)
        yield work(text)

    async def call(text: str) -> Any:
        if kind == "plain":
            return plain(text)
        if kind == "async":
            return await coroutine(text)
        if kind == "generator":
            return next(iter(list(generator(text))))
        return "".join([piece async for piece in async_generator(text)])

    return call


KINDS = ("plain", "async", "generator", "async generator")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_function_of_any_kind_is_a_span_around_what_it_does(
    kind: str, recorder: Any
) -> None:
    def work(text: str) -> str:
        with watchpost.span("inner"):
            return text.upper()

    assert await run_plain(work, kind)("hello") == "HELLO"
    outer, inner = recorder.named("asked"), recorder.named("inner")
    assert inner.parent.span_id == outer.context.span_id
    assert outer.attributes["output.value"] == "HELLO"
    assert json.loads(outer.attributes["input.value"]) == {"text": "hello"}
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("kind", KINDS)
async def test_an_exception_passes_through_and_is_recorded(kind: str, recorder: Any) -> None:
    error = LookupError("nothing found")

    def work(text: str) -> str:
        raise error

    with pytest.raises(LookupError) as caught:
        await run_plain(work, kind)("hello")
    assert caught.value is error
    span = recorder.named("asked")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "LookupError"
    assert "nothing found" in span.events[0].attributes["exception.message"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_patched_call_inside_is_counted_once_and_carries_the_labels(
    kind: str, recorder: Any, make_caller: Any
) -> None:
    chat = make_caller("chat", "sync")

    @watchpost.observe(
        "asked", prompt="answer", version=3, session="s-1", user="u-1", tags=["beta"]
    )
    def outer(text: str) -> str:
        watchpost.current().set(tenant="acme", tags=["eu"])
        answer = chat.client.chat.completions.create(**chat.arguments(text))
        return answer.choices[0].message.content or ""

    assert (await run_plain(outer, kind)("hi")).startswith("Hello")
    found = recorder.generation
    assert found["gen_ai.prompt.name"] == "answer"
    assert found["gen_ai.prompt.version"] == "3"
    assert found["session.id"] == "s-1"
    assert found["user.id"] == "u-1"
    assert found["watchpost.tags"] == ("beta", "eu")
    assert found["watchpost.segment.tenant"] == "acme"
    wrappers = [span for span in recorder.spans if span.name == "asked"]
    assert len(wrappers) == 2
    assert all("gen_ai.usage.input_tokens" not in span.attributes for span in wrappers)
    assert all("watchpost.cost.usd" not in span.attributes for span in wrappers)


async def test_returning_the_response_of_a_patched_call_does_not_count_it_again(
    recorder: Any, make_caller: Any
) -> None:
    chat = make_caller("chat", "sync")

    @watchpost.observe
    def answer(text: str) -> Any:
        return chat.client.chat.completions.create(**chat.arguments(text))

    answer("hello")
    assert len(recorder.generations) == 1


async def test_an_unpatched_response_makes_the_function_itself_the_generation(
    recorder: Any, make_raw: Any
) -> None:
    client = make_raw("chat")

    @watchpost.observe(prompt="answer", template="Answer {question}")
    def answer(messages: list[Any]) -> Any:
        return client.chat.completions.create(model="gpt-4o", messages=messages)

    answer([{"role": "user", "content": "hello"}])
    (span,) = recorder.spans
    found = recorder.generation
    assert span.attributes["gen_ai.prompt.version"] == found["watchpost.prompt.template_hash"]
    assert found["gen_ai.response.model"] == "gpt-4o"
    assert found["gen_ai.usage.output_tokens"] > 0
    assert recorder.messages("input")[0]["parts"][0]["content"] == "hello"


async def test_a_text_returning_function_records_what_it_is_handed(
    recorder: Any, make_raw: Any
) -> None:
    client = make_raw("messages")

    @watchpost.observe
    def answer(question: str) -> str:
        asked: Any = [{"role": "user", "content": question}]
        response = client.messages.create(model="claude-opus-4-6", max_tokens=9, messages=asked)
        watchpost.current().record(response)
        return str(response.content[0].text)

    assert answer("hello").startswith("Hello")
    assert recorder.generation["gen_ai.provider.name"] == "anthropic"
    assert recorder.messages("input")[0]["parts"][0]["content"] == "hello"


async def test_two_recorded_responses_become_two_generations_below_the_function(
    recorder: Any, make_raw: Any
) -> None:
    client = make_raw("chat")

    @watchpost.observe("twice")
    def twice(question: str) -> str:
        for _ in range(2):
            asked: Any = [{"role": "user", "content": question}]
            response = client.chat.completions.create(model="gpt-4o", messages=asked)
            watchpost.current().record(response)
        return "done"

    twice("hello")
    assert len(recorder.generations) == 2
    parent = recorder.named("twice")
    assert "gen_ai.usage.input_tokens" not in parent.attributes
    assert {span.parent.span_id for span in recorder.generations} == {parent.context.span_id}


async def test_an_unpatched_stream_that_is_returned_is_followed_to_its_end(
    recorder: Any, make_raw: Any
) -> None:
    client = make_raw("chat")

    @watchpost.observe
    def answer(question: str) -> Any:
        asked: Any = [{"role": "user", "content": question}]
        return client.chat.completions.create(model="gpt-4o", messages=asked, stream=True)

    with answer("hello") as stream:
        assert stream.response.status_code == 200
        chunks = list(stream)
    assert len(chunks) > 3
    found = recorder.generation
    assert found["gen_ai.request.stream"] is True
    assert found["gen_ai.response.time_to_first_chunk"] > 0
    assert recorder.messages("output")[0]["parts"][0]["content"].startswith("Hello")


async def test_a_patched_stream_that_is_returned_is_counted_once_inside_its_function(
    recorder: Any, make_caller: Any
) -> None:
    chat = make_caller("chat", "async stream")

    @watchpost.observe("answer")
    async def answer(question: str) -> Any:
        return await chat.start(question)

    chunks = [chunk async for chunk in await answer("hello")]
    assert len(chunks) > 3
    (generation,) = recorder.generations
    wrapper = recorder.named("answer")
    assert generation.parent.span_id == wrapper.context.span_id
    assert wrapper.end_time >= generation.end_time


def test_an_unreadable_function_is_told_once_what_to_do(
    recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @watchpost.observe("lonely")
    def lonely() -> str:
        return "text"

    with caplog.at_level(logging.WARNING, "watchpost"):
        lonely()
        lonely()
    (told,) = caplog.records
    assert "watchpost.patch(client)" in told.getMessage()
    assert "current().record" in told.getMessage()


def test_a_tool_is_expected_to_make_no_model_call(
    recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @watchpost.observe(kind="tool")
    def look_up(key: str) -> str:
        return key

    look_up("a")
    assert caplog.records == []
    (span,) = recorder.spans
    assert span.attributes["watchpost.kind"] == "tool"


def test_what_a_function_was_given_is_kept_as_it_was(recorder: Any) -> None:
    @watchpost.observe("change", kind="tool")
    def change(items: list[str]) -> None:
        items.append("later")

    change(["first"])
    (span,) = recorder.spans
    assert json.loads(span.attributes["gen_ai.tool.call.arguments"]) == {"items": ["first"]}


def test_a_method_is_recorded_without_the_object_it_belongs_to(recorder: Any) -> None:
    class Bot:
        @watchpost.observe(kind="agent")
        def answer(self, question: str, *rest: str, loud: bool = False) -> str:
            return question

    Bot().answer("q", "r", loud=True)
    (span,) = recorder.spans
    assert json.loads(span.attributes["input.value"]) == {
        "question": "q",
        "args": ["r"],
        "loud": True,
    }


def test_signature_name_and_kind_of_a_function_are_preserved() -> None:
    @watchpost.observe
    async def fetch(a: int, *, b: str = "x") -> str:
        """What it does."""
        return b

    @watchpost.observe()
    def produce(n: int) -> Any:
        yield n

    @watchpost.observe
    async def stream(n: int) -> Any:
        yield n

    assert str(inspect.signature(fetch)) == "(a: 'int', *, b: 'str' = 'x') -> 'str'"
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "What it does.")
    assert inspect.iscoroutinefunction(fetch)
    assert inspect.isgeneratorfunction(produce)
    assert inspect.isasyncgenfunction(stream)


def test_threads_get_the_context_when_it_is_carried(recorder: Any) -> None:
    @watchpost.observe("work", kind="tool")
    def work(number: int) -> int:
        return number

    with watchpost.span("outer", kind="agent"), ThreadPoolExecutor(2) as pool:
        carried = watchpost.current().carry(work)
        assert sorted(pool.map(carried, range(4))) == [0, 1, 2, 3]

    outer = recorder.named("outer")
    works = [span for span in recorder.spans if span.name == "work"]
    assert {span.parent.span_id for span in works} == {outer.context.span_id}


async def test_tasks_and_to_thread_keep_their_own_scopes(recorder: Any, make_caller: Any) -> None:
    chat = make_caller("chat", "async")
    plain = make_caller("chat", "sync")

    @watchpost.observe("asked")
    async def ask(user: str) -> None:
        watchpost.current().set(user=user)
        await chat.ask("hello")
        await asyncio.to_thread(
            lambda: plain.client.chat.completions.create(**plain.arguments("hi"))
        )

    await asyncio.gather(*(ask(f"u{n}") for n in range(3)))
    assert len(recorder.generations) == 6
    owners = {s.context.span_id: s.attributes["user.id"] for s in recorder.spans if not s.parent}
    for span in recorder.generations:
        assert span.attributes["user.id"] == owners[span.parent.span_id]


def test_an_unknown_kind_is_refused_when_it_is_written() -> None:
    with pytest.raises(ConfigError, match="kind='chian'"):
        watchpost.observe(kind="chian")(len)


def test_nothing_is_recorded_and_nothing_fails_before_configure() -> None:
    @watchpost.observe
    def answer(question: str) -> str:
        watchpost.current().set(session="s")
        watchpost.current().record(object())
        return question

    assert answer("q") == "q"
    assert watchpost.current().trace_id == "0" * 32
