"""The shield: our mistakes are logged once and never reach the user's program."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import watchpost
from watchpost import providers
from watchpost.runtime import SHIELD


def broken(*args: Any) -> Any:
    raise ZeroDivisionError("a mistake of ours")


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """The shield as it is outside tests."""
    monkeypatch.setattr(SHIELD, "strict", False)
    caplog.set_level(logging.WARNING, "watchpost")
    return caplog


@pytest.mark.parametrize("part", ["read_request", "read_result", "read_stream", "has_output"])
async def test_a_reader_that_fails_costs_attributes_and_nothing_else(
    part: str,
    shape: str,
    make_caller: Any,
    recorder: Any,
    production: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = make_caller("chat", shape)
    table = tuple(replace(p, **{part: broken}) for p in providers.PROVIDERS)
    monkeypatch.setattr(providers, "PROVIDERS", table)
    providers.find_by_path.cache_clear()
    try:
        for _ in range(2):
            assert (await caller.ask("hello")).startswith("Hello")
        assert len([dict(span.attributes) for span in recorder.spans]) == 2
    finally:
        providers.find_by_path.cache_clear()
    assert len(production.records) <= 1


async def test_a_call_that_cannot_be_opened_is_made_all_the_same(
    make_caller: Any, shape: str, recorder: Any, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = make_caller("chat", shape)
    monkeypatch.setattr("watchpost.call.Call.__init__", broken)
    assert (await caller.ask("hello")).startswith("Hello")
    (told,) = production.records
    assert "your program is not affected" in told.getMessage()


async def test_a_call_that_guards_must_see_is_not_made_when_it_cannot_be_opened(
    make_caller: Any, shape: str, recorder: Any, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = make_caller("chat", shape)
    monkeypatch.setattr("watchpost.call.Call.__init__", broken)
    refused = pytest.raises(watchpost.WatchpostError, match="could not be opened")
    with watchpost.span("asked", policy=watchpost.Policy()), refused:
        await caller.ask("hello")
    assert caller.provider.requests == []


def test_an_observed_function_runs_whatever_happens_to_its_span(
    recorder: Any, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchpost.scope.Scope._describe", broken)

    @watchpost.observe
    def answer(question: str) -> str:
        return question

    assert answer("q") == "q"
    assert len(recorder.spans) == 1


def test_an_error_that_cannot_be_written_costs_its_words_alone(
    recorder: Any, production: Any
) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    @watchpost.observe("fails")
    def fail() -> None:
        raise MuteError

    with pytest.raises(MuteError):
        fail()
    span = recorder.named("fails")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"].endswith("MuteError")


def test_names_that_have_no_end_are_not_all_told(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchpost.runtime.MOST_TOLD", 3)
    for number in range(5):
        SHIELD.tell_once(f"name {number}", "told of %d", number)
    assert production.messages == ["told of 0", "told of 1", "told of 2"]


def test_in_tests_the_shield_lets_through(recorder: Any) -> None:
    with pytest.raises(ZeroDivisionError), SHIELD:
        broken()
