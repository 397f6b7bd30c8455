"""The page as an ASGI application: its routes, who may see them, and the life of NiceGUI inside a
server that began without it. NiceGUI keeps one application a process, so there is one page too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from nicegui import core, ui

from watchpost.errors import CollectorError
from watchpost.serving.asgi import wants_page
from watchpost.serving.keys import Keys
from watchpost_collector.page.alerts import ShowAlerts
from watchpost_collector.page.filters import Filters, read_filters
from watchpost_collector.page.look import FAVICON, HEADERS, THEME_COOKIE
from watchpost_collector.page.notice import draw_missing
from watchpost_collector.page.overview import OverviewPage
from watchpost_collector.page.reading import Reader, Table
from watchpost_collector.page.trace import TracePage
from watchpost_collector.page.traces import TracesPage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

UNAUTHORIZED = (
    (b"www-authenticate", b'Basic realm="watchpost", charset="UTF-8"'),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
)


class Page:
    """The ASGI application. It starts NiceGUI with its first request or lifespan event, on the
    running loop, and stops it with `close` or at the end of the lifespan."""

    def __init__(self, app: FastAPI, keys: Keys) -> None:
        self._app = app
        self._keys = keys
        self._life = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._started = False

    async def start(self) -> None:
        """Start NiceGUI on the running loop; again is no harm."""
        async with self._starting:
            if not self._started:
                await self._life.enter_async_context(self._app.router.lifespan_context(self._app))
                self._started = True

    async def close(self) -> None:
        """Disconnect every browser and stop."""
        await self._life.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self.start()
        if self._keys.authorize(scope["headers"], "read") is None:
            await _refuse(scope, receive, send)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self._app(scope, receive, send_guarded)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 401, "headers": list(UNAUTHORIZED)})
    body = b"Sign in with any name and a key of scope read or admin as the password.\n"
    await send({"type": "http.response.body", "body": body})


class KeyedReader:
    """The store as the key of one request may read it, for as long as its tab is open.

    A tab outlives its request, so every reading asks again whether the key still holds, and a
    question about another project than the key's is an error, whoever wrote it.
    """

    def __init__(self, reader: Reader, keys: Keys, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._reader, self._keys, self._headers = reader, keys, headers

    @property
    def own_project(self) -> str | None:
        """The only project this key sees; None sees every one. CollectorError without a key."""
        grant = self._keys.authorize(self._headers, "read")
        if grant is None:
            raise CollectorError("this key no longer reads", "sign in with another one")
        return None if grant.scope == "admin" else grant.project

    def query(self, sql: str, parameters: Mapping[str, Any], project: str) -> Table:
        """See `Reader.query`."""
        own = self.own_project
        if own is not None and project != own:
            raise CollectorError("this key belongs to another project")
        return self._reader.query(sql, parameters, project)


def build(reader: Reader, keys: Keys, show_alerts: ShowAlerts = lambda: None) -> Page:
    """Register the routes and wrap NiceGUI. Without keys, and with an admin key, every project is
    shown, and the alerts of all; a read key shows its own project and no other."""

    def open_reader(request: Request) -> KeyedReader:
        return KeyedReader(reader, keys, request.scope["headers"])

    @ui.page("/", title="watchpost", response_timeout=30)
    def overview(request: Request) -> None:
        _draw_list(partial(OverviewPage, show_alerts), open_reader(request), request)

    @ui.page("/traces", title="Traces · watchpost", response_timeout=30)
    def traces(request: Request) -> None:
        _draw_list(TracesPage, open_reader(request), request)

    @ui.page("/trace/{trace_id}", title="Trace · watchpost", response_timeout=30)
    async def trace(request: Request, trace_id: str, span: str = "") -> None:
        keyed = open_reader(request)
        page = TracePage(keyed, keyed.own_project or "", trace_id, _theme(request))
        await page.load(span)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        app,
        title="watchpost",
        favicon=FAVICON,
        dark=None,
        tailwind=False,
        reconnect_timeout=30.0,
        show_welcome_message=False,
    )
    # In place of NiceGUI's own, which also writes the address that was asked for to the log.
    core.app.add_exception_handler(404, _answer_missing)
    # The server's origin guard decides who may connect; socket.io shall not add CORS of its own.
    core.sio.eio.cors_allowed_origins = []
    return Page(app, keys)


async def _answer_missing(request: Request, _: Exception) -> Response:
    headers = {"cache-control": "no-store"}
    if wants_page(request.scope):
        return HTMLResponse(draw_missing(request.scope), 404, headers)
    return JSONResponse({"error": "there is no such path here"}, 404, headers)


def _draw_list(
    draw: Callable[[KeyedReader, Filters, str, str, bool], object],
    reader: KeyedReader,
    request: Request,
) -> None:
    filters = read_filters(request.query_params)
    own = reader.own_project
    if own is not None:
        filters = replace(filters, project=own)
    draw(reader, filters, str(request.base_url), _theme(request), own is None)


def _theme(request: Request) -> str:
    return request.cookies.get(THEME_COOKIE, "")
