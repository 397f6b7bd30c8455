"""The guard against pages of other sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from watchpost.serving.origin import OriginGuard, served_hosts


async def _pass(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


async def _ask(
    *headers: tuple[str, str],
    method: str = "GET",
    kind: str = "http",
    hosts: Sequence[str] = (),
    forms: bool = False,
    links: bool = True,
) -> int:
    """The HTTP status, or for a websocket the close code (0 when it was accepted)."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": kind, "scheme": "http", "path": "/", "headers": raw}
    if kind == "http":
        scope["method"] = method
    await OriginGuard(_pass, hosts, forms=forms, links=links)(scope, receive, send)
    first = sent[0]
    if kind == "websocket":
        return 0 if first["type"] == "websocket.accept" else int(first["code"])
    if first["status"] != 200:
        assert b"secret" not in b"".join(message.get("body", b"") for message in sent)
    return int(first["status"])


LOCAL = ("Host", "127.0.0.1:4318")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:4318", "127.0.0.1:1", "127.8.9.1", "[::1]:4318", "a.localhost"]
)
async def test_a_loopback_name_is_answered(host: str) -> None:
    assert await _ask(("Host", host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4318",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "10.0.0.7",
        "0.0.0.0",
        "[::1",
        "user@127.0.0.1.nip.io",
        "127.0.0.1:80@evil.example",
    ],
)
async def test_a_rebound_name_is_refused(host: str) -> None:
    assert await _ask(("Host", host)) == 421
    assert await _ask(("Host", host), kind="websocket") == 1008


async def test_a_request_without_a_host_is_refused() -> None:
    assert await _ask() == 421


async def test_a_repeated_host_is_refused() -> None:
    assert await _ask(LOCAL, ("Host", "evil.example")) == 400


async def test_a_configured_host_is_answered_and_no_other() -> None:
    assert await _ask(("Host", "Watch.example:80"), hosts=["watch.example"]) == 200
    assert await _ask(("Host", "other.example"), hosts=["watch.example"]) == 421


def test_a_server_bound_to_every_address_answers_to_every_name_unless_told() -> None:
    assert served_hosts("0.0.0.0") == {"*"}
    assert served_hosts("10.0.0.7") == {"10.0.0.7"}
    assert served_hosts("0.0.0.0", ["watch.example"]) == {"watch.example"}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "file://",
        "http://[",
        "127.0.0.1:4318",
    ],
)
async def test_a_page_of_another_origin_is_refused(origin: str, kind: str) -> None:
    assert await _ask(LOCAL, ("Origin", origin), kind=kind) in (403, 1008)


async def test_our_own_page_may_ask_and_open_a_websocket_and_post_text() -> None:
    own = ("Origin", "http://127.0.0.1:4318")
    assert await _ask(LOCAL, own) == 200
    assert await _ask(LOCAL, own, kind="websocket") == 0
    # socket.io's polling posts text/plain
    assert await _ask(LOCAL, own, ("Content-Type", "text/plain"), method="POST") == 200


async def test_our_own_page_behind_a_proxy_that_ends_tls_may_ask() -> None:
    headers = [("Host", "watch.example"), ("Origin", "https://watch.example")]
    assert await _ask(*headers, hosts=["watch.example"]) == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_subresource_of_a_foreign_page_is_refused_even_without_an_origin(site: str) -> None:
    fetched = [LOCAL, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]
    assert await _ask(*fetched, ("Sec-Fetch-Dest", "image")) == 403


async def test_a_link_from_elsewhere_opens_a_page_but_not_in_a_frame_and_not_by_post() -> None:
    moved = [LOCAL, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]
    assert await _ask(*moved, ("Sec-Fetch-Dest", "document")) == 200
    assert await _ask(*moved, ("Sec-Fetch-Dest", "document"), links=False) == 403
    assert await _ask(*moved, ("Sec-Fetch-Dest", "iframe")) == 403
    assert await _ask(*moved, ("Sec-Fetch-Dest", "document"), method="POST") == 403


@pytest.mark.parametrize("kind", [*("text/plain", "text/plain; charset=utf-8"), FORM[1].upper()])
async def test_a_form_or_text_body_is_refused_unless_the_route_takes_it(kind: str) -> None:
    posted = [LOCAL, ("Content-Type", kind)]
    assert await _ask(*posted, method="POST") == 415
    assert await _ask(*posted, method="POST", forms=True) == 200
    assert await _ask(LOCAL, ("Content-Type", "application/json"), method="POST") == 200


async def test_a_preflight_is_never_answered_with_a_permission() -> None:
    asked = [LOCAL, ("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
    assert await _ask(*asked, method="OPTIONS") == 403
