"""The guard against browsers: a pure ASGI wrapper that lets no other site's page reach us.

A web page can make the visitor's browser send requests to loopback, or point its own name at it
(DNS rebinding). So every request and websocket must name a host we answer to, come from no other
origin, and carry no body that a plain form could send. There is no CORS: nobody else's page reads
us. This file knows no key and no route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.serving.keys import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What a page can send to a foreign site without asking first (a "simple request").
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_POLICY_VIOLATION = 1008


class OriginGuard:
    """Wraps `app`. `hosts` are names we also answer to beside loopback; '*' accepts any name.

    `forms` accepts form and text bodies (ClickHouse clients send them); `links` lets a link on
    another site open a page of ours. Who takes what is posted to one of the paths `open_to` looks
    at the origin by itself: pages of other sites are meant to write there, and read nothing.
    """

    def __init__(
        self,
        app: App,
        hosts: Collection[str] = (),
        *,
        forms: bool = False,
        links: bool = True,
        open_to: Collection[str] = (),
    ) -> None:
        self._app = app
        self._open_to = frozenset(open_to)
        self._hosts = frozenset(host.strip("[]").rstrip(".").lower() for host in hosts)
        self._forms = forms
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self.judge(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await _refuse(send, *refusal)

    def judge(self, scope: Scope) -> tuple[int, str] | None:
        """The status and reason to refuse this request with, or None to let it pass."""
        headers, repeated = _read_headers(scope)
        if repeated:
            return 400, "the Host or Origin header is repeated"
        if not self._answers_to(headers.get("host", "")):
            return 421, "this host name is not served here: add it with --host or --allow-host"
        if scope["path"] in self._open_to and scope.get("method") in ("POST", "OPTIONS"):
            return None
        same = is_same_origin(headers)
        if same is False or self._is_foreign_fetch(scope, headers):
            return 403, "requests from pages of other origins are refused"
        if not self._forms and same is None and _is_form(scope, headers):
            return 415, "form and text bodies are refused: send JSON or protobuf"
        return None

    def _answers_to(self, host: str) -> bool:
        name = _hostname(host)
        if name is None:
            return False
        return "*" in self._hosts or is_loopback(name) or name in self._hosts

    def _is_foreign_fetch(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return False
        navigation = (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        return not (navigation and self._links)


def served_hosts(bound: str, allowed: Collection[str] = ()) -> frozenset[str]:
    """The names a server bound to `bound` answers to; all of them when bound to every address.

    Bound to every address it must have keys (`Keys.require_keys_for`), and a page that rebinds its
    own name has none of them; name the hosts to be strict all the same.
    """
    if allowed:
        return frozenset(allowed)
    return frozenset({"*"} if bound in ("0.0.0.0", "::", "") else {bound})  # noqa: S104


def _read_headers(scope: Scope) -> tuple[dict[str, str], bool]:
    headers: dict[str, str] = {}
    repeated = False
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        repeated = repeated or (name in ("host", "origin") and name in headers)
        headers[name] = raw_value.decode("latin-1").strip()
    return headers, repeated


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_same_origin(headers: Mapping[str, str]) -> bool | None:
    """Whether the request comes from a page of ours, by its headers in lower case.

    None when the request names no origin: then no page of a current browser wrote it.
    """
    origin = headers.get("origin")
    if origin is None:
        return None
    # The origin's own scheme on both sides: a proxy before us may have ended the TLS.
    scheme = origin.partition("://")[0]
    return _address(origin) == _address(f"{scheme}://{headers['host']}") is not None


def _address(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None


def _is_form(scope: Scope, headers: Mapping[str, str]) -> bool:
    if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    return headers.get("content-type", "").split(";")[0].strip().lower() in _FORM_TYPES


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = f"{reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
