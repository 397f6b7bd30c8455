"""What strangers write stays text, and strangers' pages stay out."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from page_traffic import Sender, describe_call
from playwright.sync_api import Browser, Page, expect
from running_server import RunningServer

Browse = Callable[..., Page]

RUN = "window.hacked=1"
EVIL = (
    f"</script><script>{RUN}</script><img src=x onerror={RUN}>"
    f'{{{{constructor.constructor("{RUN}")()}}}}${{{RUN}}}`\'"&lt;b&gt;[x](javascript:{RUN})'
)
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport={}"
SECRETS = {name: f"{name}-secret-of-a-test" for name in ("alpha", "beta", "reader")}


def say(role: str, text: str) -> dict[str, object]:
    tool = {"type": "tool_call", "id": text, "name": text, "arguments": {text: text}}
    return {"role": role, "parts": [{"type": "text", "content": text}, tool, {"type": text}]}


@pytest.fixture(scope="module")
def hostile(server: RunningServer) -> tuple[str, str]:
    """A service and a trace with the same hostile text in every field a sender can fill."""
    service = f"{uuid.uuid4().hex[:6]}{EVIL}"
    sender, trace = Sender(server, service, EVIL), uuid.uuid4().bytes
    root = sender.add(trace, f"root {EVIL}", {EVIL: EVIL, ":onclick": RUN}, duration_ms=4000)
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": EVIL,
        "gen_ai.request.model": f"model {EVIL}",
        "gen_ai.response.model": f"model {EVIL}",
        "gen_ai.response.id": EVIL,
        "gen_ai.prompt.name": f"prompt {EVIL}",
        "gen_ai.prompt.version": f"version {EVIL}",
        "gen_ai.response.finish_reasons": [EVIL],
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.input.messages": json.dumps([say(f"role {EVIL}", EVIL), say("user", EVIL)]),
        "gen_ai.output.messages": json.dumps([say("assistant", EVIL)]),
        "gen_ai.system_instructions": EVIL,
        "gen_ai.tool.definitions": json.dumps([{EVIL: EVIL}]),
        "user.id": f"user {EVIL}",
        "session.id": f"session {EVIL}",
        "watchpost.tags": [EVIL],
        f"watchpost.segment.{EVIL}": EVIL,
        "watchpost.kind": "generation",
        "error.type": EVIL,
        ":onclick": RUN,
    }
    verdict = {
        "watchpost.guard.name": f"guard {EVIL}",
        "watchpost.guard.label": EVIL,
        "watchpost.guard.direction": EVIL,
        "watchpost.guard.action": EVIL,
        "watchpost.guard.tripped": True,
    }
    sender.add(
        trace,
        f"call {EVIL}",
        call,
        parent=root,
        error=f"message {EVIL}",
        events=(("watchpost.guard.verdict", verdict), (EVIL, {EVIL: EVIL})),
    )
    sender.send()
    return service, trace.hex()


def expect_harmless(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x], b:has-text('&lt;'), a[href^=javascript]").count() == 0
    assert page.evaluate("document.querySelectorAll('#app script').length") == 0


def test_the_overview_shows_hostile_names_as_text(browse: Browse, hostile: tuple[str, str]) -> None:
    page = browse(f"/?range=all&service={quote(hostile[0])}")
    expect(page.locator("[data-test=tile-calls]")).to_have_text("1")
    for table, value in (("model", f"model {EVIL}"), ("guard", f"guard {EVIL}")):
        expect(page.locator(f"[data-test=table-{table}] td").first).to_have_text(value)
    expect(page.locator("[data-test=table-prompt] td").first).to_contain_text(EVIL)
    for name in ("cost", "tokens"):
        chart = page.locator(f"[data-test=chart-{name}-over-time]")
        chart.hover()
        page.mouse.move(*middle(chart.bounding_box()), steps=5)
    page.locator("label:has([data-test=filter-model])").click()
    expect(page.get_by_role("option").filter(has_text=f"model {EVIL}")).to_be_visible()
    expect_harmless(page)


def middle(box: object) -> tuple[float, float]:
    assert isinstance(box, dict)
    return box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2 + 3


def test_the_list_shows_hostile_names_as_text(browse: Browse, hostile: tuple[str, str]) -> None:
    page = browse(f"/traces?range=all&service={quote(hostile[0])}")
    row = page.locator("[data-test=trace-row]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(f"root {EVIL}")
    expect(row).to_contain_text(f"session {EVIL}")
    expect(row).to_contain_text(f"guard {EVIL}")
    expect_harmless(page)


def test_a_trace_shows_hostile_text_as_text(browse: Browse, hostile: tuple[str, str]) -> None:
    page = browse(f"/trace/{hostile[1]}")
    expect(page.locator("[data-test=trace-name]")).to_have_text(f"root {EVIL}")
    expect(page.locator("[data-test=span-name]")).to_have_text(f"call {EVIL}")
    for place in (
        "input-messages",
        "output-messages",
        "system-instructions",
        "tool-definitions",
        "span-error",
        "verdicts",
        "events",
        "call-model",
        "call-provider",
        "call-tags",
        "call-segment",
        "call-finish",
    ):
        expect(page.locator(f"[data-test={place}]")).to_contain_text("<img src=x onerror=")
    page.locator("[data-test=span-row]").first.click()
    expect(page.locator("[data-test=attributes]")).to_contain_text("<img src=x onerror=")
    expect_harmless(page)


def test_hostile_filters_in_the_address_are_text(browse: Browse) -> None:
    names = ("project", "service", "environment", "model", "prompt", "user", "session", "text")
    query = "&".join(f"{name}={quote(EVIL)}" for name in names)
    for path in ("/", "/traces"):
        page = browse(f"{path}?range=all&{query}")
        expect(page.locator("[data-test=fresh]")).to_contain_text("updated")
        expect_harmless(page)


def ask(server: RunningServer, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    where = urlsplit(server.page_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


PATHS = ("/", "/traces", "/trace/00", SOCKET.format("polling"), "/_nicegui/nothing.js")


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_name_or_origin_is_refused_on_every_route(
    server: RunningServer, path: str
) -> None:
    assert ask(server, path, {"Host": "evil.example"}).status == 421
    assert ask(server, path, {"Origin": "https://evil.example"}).status == 403
    assert ask(server, path, {"Origin": "null"}).status == 403


@pytest.mark.parametrize(
    ("host", "origin"), [("", "http://evil.example"), ("evil.example", "http://evil.example")]
)
def test_a_foreign_websocket_is_refused(server: RunningServer, host: str, origin: str) -> None:
    where = urlsplit(server.page_url)
    request = (
        f"GET {SOCKET.format('websocket')} HTTP/1.1\r\nHost: {host or where.netloc}\r\n"
        f"Origin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as line:
        line.sendall(request.encode())
        assert line.recv(200).startswith(b"HTTP/1.1 403")


def test_no_other_origin_is_told_that_it_may_read(server: RunningServer) -> None:
    own = {"Origin": server.page_url}
    for path in ("/", SOCKET.format("polling")):
        answer = ask(server, path, own)
        assert answer.status == 200
        assert answer.getheader("Access-Control-Allow-Origin") is None
        assert "frame-ancestors 'none'" in (answer.getheader("Content-Security-Policy") or "")


def test_a_key_opens_the_page_of_its_own_project(chromium: Browser, tmp_path: Path) -> None:
    keys = ",".join(
        [
            f"ingest@alpha:{SECRETS['alpha']}",
            f"ingest@beta:{SECRETS['beta']}",
            f"read@alpha:{SECRETS['reader']}",
        ]
    )
    with RunningServer(tmp_path / "data", environ={"WATCHPOST_KEYS": keys}) as server:
        traces = {}
        for project, calls in (("alpha", 1), ("beta", 2)):
            sender = Sender(
                server, project, headers={"authorization": f"Bearer {SECRETS[project]}"}
            )
            for place in range(calls):
                trace = uuid.uuid4().bytes
                sender.add(trace, "call", describe_call(place))
                traces[project] = trace.hex()
            sender.send()
        for path in PATHS:
            assert ask(server, path, {}).status == 401
        credentials = {"username": "any", "password": SECRETS["reader"]}
        page = chromium.new_page(http_credentials=credentials)
        page.goto(f"{server.page_url}/?project=beta")
        expect(page.locator("[data-test=tile-calls]")).to_have_text("1")
        expect(page.locator("[data-test=filter-project]")).to_have_count(0)
        # What may be chosen tells nothing of other projects either.
        page.locator("label:has([data-test=filter-service])").click()
        expect(page.get_by_role("option")).to_have_text(["alpha"])
        page.goto(f"{server.page_url}/trace/{traces['beta']}")
        expect(page.locator("[data-test=no-trace]")).to_be_visible()
        page.goto(f"{server.page_url}/trace/{traces['alpha']}")
        expect(page.locator("[data-test=trace-name]")).to_have_text("call")
        page.close()
