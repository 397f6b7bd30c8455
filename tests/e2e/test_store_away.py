"""The database is away, comes, goes and comes back; every acknowledged span ends up in it once,
and whoever came to look before it was there is told so, and then shown."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from otlp_bodies import build_request
from playwright.sync_api import Browser, Page, expect
from running_clickhouse import RunningClickHouse
from running_server import RunningServer

from watchpost_collector.store.client import open_store

DARK = "rgb(18, 20, 23)"
TRACE = b"away" * 4


def find_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def send(running: RunningServer, spans: int) -> None:
    request = build_request(spans, service="away", trace_id=TRACE)
    assert running.send(request.SerializeToString()).status == 200


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


def break_reading(clickhouse: RunningClickHouse) -> None:
    """Every reading of spans fails from now on, with an error of the engine that quotes a text."""
    store = open_store(clickhouse.dsn)
    store.command("rename table watchpost.spans to watchpost.kept")
    quoting = "select * from watchpost.kept where throwIf(1, 'words of a user') = 0"
    store.command(f"create view watchpost.spans as {quoting}")
    store.close()


def expect_no_words_in_the_log(
    running: RunningServer, page: Page, break_: Callable[[], None]
) -> None:
    """What cannot be read is told to its reader, and to the log by its kind alone."""
    page.goto(f"{running.otlp_url}/trace/{TRACE.hex()}")
    page.locator("[data-test=span-row]").first.click()
    break_()
    page.locator("[data-test=span-row]").last.click()
    expect(page.locator("[data-test=detail]")).to_contain_text("could not be read")
    page.reload()
    expect(page.locator("[data-test=no-store]")).to_be_visible()
    for path in ("/", "/traces"):
        page.goto(f"{running.otlp_url}{path}")
        expect(page.locator("[data-test=fresh]")).to_have_text(
            "reading failed, see the server's log"
        )
    for what in ("a span", "a trace", "the overview", "the traces"):
        assert f"{what} could not be read: engine error 395 " in running.output
    assert "words of a user" not in running.output


def test_spans_and_readers_wait_for_a_database_that_is_away(tmp_path: Path, early: Page) -> None:
    clickhouse = RunningClickHouse(tmp_path / "clickhouse", port=find_port())
    running = RunningServer(
        tmp_path / "data", "--store", clickhouse.dsn, "--flush-interval", "0.05"
    )
    running.start_without_store()
    try:
        send(running, 3)
        wait_for_state(running, "away")
        assert "the store cannot be opened (StoreUnavailable: open: " in running.output
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
            expect_no_words_in_the_log(running, early, partial(break_reading, clickhouse))
            assert clickhouse.password not in running.output
    finally:
        running.kill()
