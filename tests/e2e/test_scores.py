"""Feedback as its readers give it: a link followed in a real browser, and seen on the trace's page.

The score of the page's own button comes from another origin, with a public key.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from known_calls import PlainSpan, build_request
from opentelemetry.sdk.trace import TracerProvider
from playwright.sync_api import BrowserContext, Page, expect
from running_server import RunningServer
from standin_page import StandInPage

import watchpost
from watchpost.runtime import Collector, Runtime, install

Browse = Callable[..., Page]
PUBLIC, INGEST, READ = "p" * 24, "i" * 24, "r" * 24
SCRIPT = """async ([url, key, trace]) => {
    const answer = await fetch(url + '/api/v1/scores', {
        method: 'POST',
        headers: {'Authorization': 'Bearer ' + key, 'Content-Type': 'application/json'},
        body: JSON.stringify({trace: trace, name: 'stars', value: 4}),
    });
    return [answer.status, await answer.json()];
}"""


PROGRAM = """
import sys, watchpost
endpoint, data, user, comment = sys.argv[1:]
watchpost.configure(endpoint=endpoint, data_dir=data, capture="full", service="shop")
with watchpost.span("answer", user=user, kind="tool") as here:
    watchpost.score("helpful", 0.25, comment=comment)
assert watchpost.flush(60)
print(here.trace_id, here.span_id)
"""


@pytest.fixture
def trace(server: RunningServer) -> str:
    """A trace of one call, on the session's keyless server."""
    trace, now = secrets.token_hex(16), time.time_ns()
    call = PlainSpan(
        "chat",
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
        "ab" * 8, "", trace, now - 10**9, now,
    )  # fmt: skip
    assert server.send(build_request([call]).SerializeToString()).status == 200
    return trace


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    keys = f"public@shop:{PUBLIC},ingest@shop:{INGEST},read@shop:{READ}"
    directory = tmp_path_factory.mktemp("feedback")
    with RunningServer(directory / "data", environ={"WATCHPOST_KEYS": keys}) as running:
        yield running


def make_link(server: RunningServer, trace: str, value: Any, key: str = "") -> str:
    links = Collector(server.otlp_url, key)
    install(Runtime(TracerProvider().get_tracer("t"), links=links))
    try:
        return watchpost.feedback_link(trace, "helpful", value)
    finally:
        install(None)


def test_a_link_is_followed_confirmed_and_seen_where_the_trace_is_looked_at(
    server: RunningServer, browse: Browse, trace: str
) -> None:
    link = make_link(server, trace, False)

    page = browse("", base=link)
    expect(page.locator("strong")).to_have_text("\N{THUMBS DOWN SIGN}")
    page.get_by_label("Comment").fill("it was <b>wrong</b>\nand slow")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading")).to_have_text("Thank you")

    server.flush()
    shown = browse(f"/trace/{trace}")
    expect(shown.locator(".wp-head .chip").first).to_have_text("helpful \N{THUMBS DOWN SIGN}")
    table = shown.locator("[data-test=scores]")
    expect(table).to_contain_text("it was <b>wrong</b>")
    expect(table).to_contain_text("(link)")


def test_opening_a_link_without_pressing_its_button_is_no_vote(
    server: RunningServer, browse: Browse, trace: str
) -> None:
    page = browse("", base=make_link(server, trace, True))
    expect(page.get_by_role("button", name="Send")).to_be_visible()

    server.flush()
    assert server.request("GET", f"/api/v1/traces/{trace}").json()["scores"] == []


def test_the_script_of_a_page_elsewhere_scores_with_a_public_key_and_reads_nothing(
    locked: RunningServer, profile: BrowserContext
) -> None:
    trace = secrets.token_hex(16)
    with StandInPage() as elsewhere:
        page = profile.new_page()
        page.goto(elsewhere.url)
        answer = page.evaluate(SCRIPT, [locked.otlp_url, PUBLIC, trace])
        page.close()

    assert answer == [200, {"accepted": 1}]
    read = {"authorization": f"Bearer {READ}"}
    flushed = locked.request("POST", "/api/flush", headers={"authorization": f"Bearer {INGEST}"})
    assert flushed.status == 200
    [score] = locked.request("GET", f"/api/v1/traces/{trace}", headers=read).json()["scores"]
    assert (score["name"], score["value"], score["source"]) == ("stars", 4.0, "http")


def test_a_program_scores_over_a_real_socket_and_an_erased_person_takes_it_along(
    server: RunningServer, tmp_path: Path
) -> None:
    """The whole way: SDK, OTLP, spool, store, API; then the erasure of the trace's user."""
    user = f"person-{secrets.token_hex(6)}@example.org"
    comment = f"canary-{secrets.token_hex(6)}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.otlp_url, str(tmp_path), user, comment],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    trace, span = done.stdout.split()
    server.flush()
    told = server.request("GET", f"/api/v1/traces/{trace}").json()["scores"]
    assert [(s["comment"], s["span_id"]) for s in told] == [(comment, span)]
    asked = f"SELECT name, value, service FROM watchpost.scores WHERE trace_id = '{trace}'"
    assert server.query(asked) == [("helpful", 0.25, "shop")]

    order = server.request(
        "POST", "/api/erase", f'{{"user": "{user}"}}'.encode(), {"content-type": "application/json"}
    )
    assert order.status in (200, 202), order.body
    name = order.json()["name"]
    give_up = time.monotonic() + 120
    while (entry := server.request("GET", f"/api/erase/{name}").json())["state"] != "done":
        assert time.monotonic() < give_up, entry
        time.sleep(0.2)

    assert server.request("GET", f"/api/v1/traces/{trace}").status == 404
    for table in ("score_events", "score_comments", "logs"):
        found = server.query(f"SELECT count() FROM watchpost.{table} WHERE trace_id = '{trace}'")
        assert [int(count) for (count,) in found] == [0], table
    [(left,)] = server.query(
        f"SELECT count() FROM watchpost.score_comments WHERE comment = '{comment}'"
    )
    assert int(left) == 0
