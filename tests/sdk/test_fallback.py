"""Fallback and escalation around patched clients: what is raised, returned and recorded."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import watchpost
from watchpost.errors import Blocked, GuardUnavailable
from watchpost.testing.guards import FakeGuard

SORRY = "I cannot help with that."


def make_policy(direction: str, **settings: Any) -> watchpost.Policy:
    gate = FakeGuard("gate", words=["stand-in", "forbidden"])
    return watchpost.Policy(
        fallback=[gate], answer=SORRY, directions={"gate": direction}, **settings
    )


@pytest.mark.parametrize("direction", ["input", "output"])
async def test_a_patched_client_raises_what_carries_the_answer(
    caller: Any, recorder: Any, direction: str
) -> None:
    shown = []
    with (
        watchpost.span("asked", policy=make_policy(direction)),
        pytest.raises(Blocked) as caught,
    ):
        shown.append(await caller.ask("something forbidden"))

    assert shown == []
    assert (caught.value.direction, caught.value.fallback) == (direction, SORRY)
    assert len(caller.provider.requests) == (direction == "output")
    found = recorder.generation
    assert found["watchpost.blocked"] is True
    assert found["watchpost.guard.action"] == "fallback"
    assert "gen_ai.output.messages" not in found
    (event,) = [e for e in recorder.generations[0].events if e.name == "watchpost.guard.verdict"]
    assert event.attributes["watchpost.guard.action"] == "fallback"
    assert event.attributes["watchpost.guard.tripped"] is True


@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize("shape", ["sync", "async"])
async def test_an_observed_function_returns_the_answer_of_its_own_policy(
    make_caller: Any, recorder: Any, shape: str, direction: str
) -> None:
    caller = make_caller("chat", shape)

    @watchpost.observe("plain", policy=make_policy(direction))
    def plain(text: str) -> Any:
        return caller.client.chat.completions.create(**caller.arguments(text))

    @watchpost.observe("coroutine", policy=make_policy(direction))
    async def coroutine(text: str) -> Any:
        return await caller.client.chat.completions.create(**caller.arguments(text))

    asked = "something forbidden"
    said = plain(asked) if shape == "sync" else await coroutine(asked)
    assert said == SORRY
    span = recorder.named("plain" if shape == "sync" else "coroutine")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["output.value"] == SORRY
    assert recorder.generation["watchpost.guard.action"] == "fallback"


async def test_a_function_without_a_policy_of_its_own_lets_it_pass(
    make_caller: Any, recorder: Any
) -> None:
    caller = make_caller("chat", "sync")

    @watchpost.observe
    def ask(text: str) -> Any:
        return caller.client.chat.completions.create(**caller.arguments(text))

    with (
        watchpost.span("around", policy=make_policy("input")),
        pytest.raises(Blocked) as caught,
    ):
        ask("something forbidden")
    assert caught.value.fallback == SORRY


async def test_a_dead_guard_that_is_closed_falls_back_too(make_caller: Any, recorder: Any) -> None:
    caller = make_caller("chat", "sync")
    dead = FakeGuard("dead", [OSError(), OSError()])
    policy = watchpost.Policy(fallback=[dead], answer=SORRY, on_failure={"dead": "closed"})

    def ask(text: str) -> Any:
        return caller.client.chat.completions.create(**caller.arguments(text))

    with watchpost.span("asked", policy=policy), pytest.raises(GuardUnavailable) as caught:
        ask("hello")
    assert caught.value.fallback == SORRY
    assert watchpost.observe("asked", policy=policy)(ask)("hello") == SORRY
    assert caller.provider.requests == []


async def test_an_escalated_call_goes_on_and_is_marked(caller: Any, recorder: Any) -> None:
    gate = FakeGuard("gate", words=["stand-in"])
    policy = watchpost.Policy(escalate=[gate], directions={"gate": "output"})
    with watchpost.span("asked", policy=policy):
        said = await caller.ask("hello")

    assert "stand-in" in said
    assert recorder.generation["watchpost.guard.action"] == "escalate"
    (event,) = [e for e in recorder.generations[0].events if e.name == "watchpost.guard.verdict"]
    assert event.attributes["watchpost.guard.action"] == "escalate"
