"""The database is away, comes, goes and comes back; every acknowledged span ends up in it once,
and whoever came to look before it was there is told so, and then shown."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_bodies import build_request
from playwright.sync_api import Browser, Page, expect
from running_clickhouse import RunningClickHouse
from running_server import RunningServer

DARK = "rgb(18, 20, 23)"


def find_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def send(running: RunningServer, spans: int) -> None:
    assert running.send(build_request(spans, service="away").SerializeToString()).status == 200


def wait_for_state(running: RunningServer, state: str) -> None:
    give_up = time.monotonic() + 60
    while running.status()["store"]["state"] != state:
        assert time.monotonic() < give_up, running.status()
        time.sleep(0.1)


@pytest.fixture
def early(chromium: Browser) -> Iterator[Page]:
    """A tab of somebody who likes it dark."""
    with chromium.new_context(color_scheme="dark") as context:
        yield context.new_page()


def expect_notice(page: Page) -> None:
    notice = page.locator("[data-test=notice]")
    expect(notice).to_contain_text("Watchpost is starting")
    expect(notice).to_contain_text("its store, which cannot be reached")
    # In the colours of the page that follows, and with nothing fetched for it.
    expect(page.locator("body")).to_have_css("background-color", DARK)
    assert page.evaluate("performance.getEntriesByType('resource').map(one => one.name)") == []


def expect_page(page: Page) -> None:
    """The one that was asked for, without anybody's doing."""
    expect(page.locator("[data-test=tile-calls]")).to_be_visible()
    expect(page).to_have_url(re.compile("range=all"))
    expect(page.locator("body")).to_have_css("background-color", DARK)


def expect_json_for_programs(running: RunningServer) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    chosen = running.request("GET", "/traces", headers=browser | {"cookie": "watchpost-theme=dark"})
    program = running.request("GET", "/traces", headers={"accept": "*/*"})
    assert (chosen.status, program.status) == (503, 503)
    assert chosen.headers["retry-after"] == program.headers["retry-after"] == "2"
    assert b'<body class="body--dark">' in chosen.body
    assert "script-src 'self'" in chosen.headers["content-security-policy"]
    assert program.json() == {"error": "watchpost is starting; spans are taken already"}
    assert running.request("POST", "/traces", b"{}", browser).json() == program.json()


def test_spans_and_readers_wait_for_a_database_that_is_away(tmp_path: Path, early: Page) -> None:
    clickhouse = RunningClickHouse(tmp_path / "clickhouse", port=find_port())
    running = RunningServer(
        tmp_path / "data", "--store", clickhouse.dsn, "--flush-interval", "0.05"
    )
    running.start_without_store()
    try:
        send(running, 3)
        wait_for_state(running, "away")
        assert running.request("GET", "/healthz").status == 200
        expect_json_for_programs(running)
        early.goto(f"{running.otlp_url}/?range=all")
        expect_notice(early)
        with clickhouse:
            running.wait_until_ready()
            assert running.flush()["stored"] == 3
            expect_page(early)
        send(running, 4)
        wait_for_state(running, "away")
        assert running.status()["spans"]["waiting"] == 4
        with clickhouse:
            wait_for_state(running, "ready")
            assert running.flush()["stored"] == 7
            rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'away'")
            assert rows == [(7,)]
            assert clickhouse.password not in running.output
    finally:
        running.kill()
