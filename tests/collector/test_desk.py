"""What a command asks of a running collector, and what it says when something else is there."""

from __future__ import annotations

import pytest
from running_server import RunningServer
from standin_page import StandInPage

from watchpost.errors import CollectorError
from watchpost_collector.command.desk import Desk, ask, find_desk


def test_a_desk_is_where_it_was_said_else_in_the_environment_else_at_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WATCHPOST_ENDPOINT", "WATCHPOST_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert find_desk(None, None, 1) == Desk("http://127.0.0.1:4318", "", 1)
    monkeypatch.setenv("WATCHPOST_ENDPOINT", "http://there:1")
    monkeypatch.setenv("WATCHPOST_KEY", "k")
    assert find_desk(None, None, 1) == Desk("http://there:1", "k", 1)
    assert find_desk("http://here:2", "own", 1) == Desk("http://here:2", "own", 1)


def test_an_answer_and_a_refusal_are_the_collectors_own_words(server: RunningServer) -> None:
    desk = Desk(server.otlp_url, "", 30)
    assert ask(desk, "GET", "/healthz")["status"] == "ok"
    with pytest.raises(CollectorError, match="there is no such path here"):
        ask(desk, "GET", "/api/v1/nothing")
    with pytest.raises(CollectorError, match="form and text bodies are refused"):
        ask(desk, "POST", "/api/prices/own", b"prices: []", "text/plain")


def test_something_else_and_nobody_are_told_with_the_cure() -> None:
    with StandInPage() as page, pytest.raises(CollectorError, match="something else") as caught:
        ask(Desk(page.url, "", 30, cure="start one"), "GET", "/api/v1/prompts/library")
    assert caught.value.cure == "start one"
    with pytest.raises(CollectorError, match="no watchpost answers"):
        ask(Desk("http://127.0.0.1:9", "", 30), "GET", "/healthz")
