"""Spans nest wherever the work goes on: threads, executors, tasks, generators, processes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import multiprocessing
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from worker_process import work

import watchpost
from watchpost.testing import Capture, FakeGuard, capture


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture() as found:
        yield found


@watchpost.observe(kind="tool")
def step(number: int = 0) -> int:
    return number


def parents(seen: Capture, name: str) -> set[int]:
    return {span.parent.span_id if span.parent else 0 for span in seen.spans if span.name == name}


def test_a_span_nests_under_a_foreign_one_and_foreign_ones_nest_under_it(seen: Capture) -> None:
    foreign = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    with foreign.start_as_current_span("request") as request:
        with watchpost.span("answer") as here:
            assert f"{request.get_span_context().trace_id:032x}" == here.trace_id
            with foreign.start_as_current_span("query") as query:
                step()
        assert trace.get_current_span() is request
    assert parents(seen, "answer") == {request.get_span_context().span_id}
    assert query.parent.span_id == seen.named("answer").context.span_id  # type: ignore[attr-defined]
    assert parents(seen, "step") == {query.get_span_context().span_id}


def test_a_thread_continues_where_it_was_carried_from(seen: Capture) -> None:
    with watchpost.span("outer", user="u1"):
        carried = threading.Thread(target=watchpost.current().carry(step))
        alone = threading.Thread(target=step)
        for thread in (carried, alone):
            thread.start()
            thread.join()
    assert parents(seen, "step") == {seen.named("outer").context.span_id, 0}
    users = [(s.attributes or {}).get("user.id") for s in seen.spans if s.name == "step"]
    assert sorted(map(str, users)) == ["None", "u1"]


def test_an_executor_runs_carried_work_under_the_span_that_submitted_it(seen: Capture) -> None:
    with ThreadPoolExecutor(2) as pool:
        waiting = []
        for name in ("first", "second"):
            with watchpost.span(name):
                waiting += [pool.submit(watchpost.current().carry(step), n) for n in range(2)]
        assert [future.result() for future in waiting] == [0, 1, 0, 1]
        # The pool's own threads are left as they were.
        assert pool.submit(watchpost.current).result().trace_id == "0" * 32
    assert parents(seen, "step") == {
        seen.named("first").context.span_id,
        seen.named("second").context.span_id,
    }


async def test_tasks_nest_under_the_span_that_started_them_also_after_it_ended(
    seen: Capture,
) -> None:
    gate = asyncio.Event()

    @watchpost.observe
    async def late() -> None:
        await gate.wait()
        step()

    with watchpost.span("outer"):
        tasks = [asyncio.create_task(late()) for _ in range(2)]
    gate.set()
    await asyncio.gather(*tasks)
    outer = seen.named("outer").context.span_id
    lates = {span.context.span_id for span in seen.spans if span.name.endswith("late")}
    assert parents(seen, "late") == {outer}
    assert parents(seen, "step") == lates


async def test_async_generators_that_alternate_keep_their_own_spans(seen: Capture) -> None:
    @watchpost.observe
    async def pieces(name: str) -> AsyncIterator[str]:
        watchpost.current().set(user=name)
        for _ in range(2):
            await asyncio.sleep(0)
            with watchpost.span(f"made for {name}"):
                yield name

    with watchpost.span("outer") as here:
        one, two = pieces("one"), pieces("two")
        for _ in range(2):
            assert [await anext(one), await anext(two)] == ["one", "two"]
            # Between the pieces the consumer stands where it stood.
            assert watchpost.current().span_id == here.span_id
        for rest in (one, two):
            assert [piece async for piece in rest] == []
    assert parents(seen, "pieces") == {seen.named("outer").context.span_id}
    for name in ("one", "two"):
        made = {(s.attributes or {}).get("user.id") for s in seen.spans if name in s.name}
        assert made == {name}


def test_another_process_continues_the_trace_and_knows_whose_it_is(seen: Capture) -> None:
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
        watchpost.span(
            "order", user="jane@example.org", segments={"tenant": "Café, Søren"}
        ) as here,
    ):
        done = pool.submit(work, here.headers()).result()
    (step_name, *step_is), (job_name, *job_is) = done
    assert (step_name, job_name) == ("step", "job")
    assert job_is == [here.trace_id, here.span_id, "jane@example.org", "Café, Søren"]
    assert [step_is[0], *step_is[2:]] == [here.trace_id, "jane@example.org", "Café, Søren"]


def test_everything_a_span_hands_down_goes_along_in_the_headers(seen: Capture) -> None:
    said: dict[str, Any] = {
        "prompt": "reply",
        "version": "4",
        "session": "s-1",
        "user": "u-1",
        "tags": ["beta", "eu"],
        "segments": {"tenant": "acme"},
    }
    with watchpost.span("order", **said):
        headers = watchpost.current().headers()
    with watchpost.span("elsewhere", user="somebody else"), watchpost.continue_from(headers):
        again = watchpost.current().headers()
        step()
    assert again == headers
    expected = {
        k: v for k, v in (seen.named("order").attributes or {}).items() if k != "watchpost.kind"
    }
    found = seen.named("step").attributes or {}
    assert {name: found.get(name) for name in expected} == expected
    assert parents(seen, "step") == {seen.named("order").context.span_id}


async def test_a_call_outside_of_every_span_is_whose_the_headers_say(
    seen: Capture, make_caller: Any
) -> None:
    with watchpost.span("order", user="u-1") as here:
        headers = here.headers()
    caller = make_caller("chat", "sync")
    with watchpost.continue_from({name.upper(): value for name, value in headers.items()}):
        caller.client.chat.completions.create(**caller.arguments("hi"))
    assert seen.generation.origin.user == "u-1"
    (call,) = [span for span in seen.spans if span.name.startswith("chat")]
    assert f"{call.context.trace_id:032x}" == here.trace_id


@pytest.mark.parametrize("is_inside", [False, True])
async def test_a_policy_holds_whatever_headers_say(make_caller: Any, is_inside: bool) -> None:
    policy = watchpost.Policy(block=[FakeGuard("gate", words=["secret"])])
    caller = make_caller("chat", "sync")
    with contextlib.ExitStack() as around:
        around.enter_context(capture())
        handler = around.enter_context(watchpost.span("handler", policy=policy))
        around.enter_context(watchpost.continue_from(handler.headers()))
        if is_inside:
            around.enter_context(watchpost.span("job"))
        with pytest.raises(watchpost.Blocked):
            await caller.ask("a secret")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "nonsense"},
        {"traceparent": 7, "baggage": "watchpost=%7B"},
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "baggage": "watchpost=[1]"},
    ],
)
async def test_headers_that_cannot_be_read_change_nothing(seen: Capture, headers: Any) -> None:
    async with watchpost.continue_from(headers):
        assert step(3) == 3
    assert parents(seen, "step") == {0}
    assert trace.get_current_span().get_span_context().is_valid is False


def test_a_copied_context_carries_the_span(seen: Capture) -> None:
    with watchpost.span("outer"):
        copied = contextvars.copy_context()
    copied.run(step)
    assert parents(seen, "step") == {seen.named("outer").context.span_id}
