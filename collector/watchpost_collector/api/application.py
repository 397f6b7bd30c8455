"""The read API as a pure ASGI app: who asks, which answer, JSON or Parquet out.

Reading happens on threads of its own and is bounded; a busy or absent store is a 503 with
Retry-After. This file knows keys and transport; what is asked and answered lives beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import orjson

from watchpost.errors import CollectorError, Full
from watchpost.serving.keys import Grant, Keys
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.api.answers import ROUTES, Question, Reader, Route
from watchpost_collector.api.questions import (
    BadQuestion,
    choose_project,
    read_parameters,
    read_window,
)
from watchpost_collector.query.export import RELATIONS, Export, open_parquet, write_count
from watchpost_collector.query.session import QueryFailed

API_PREFIX = "/api/v1/"
_THREADS = 4
_WAITING = 64
_EXPORTS = 2
_EXPORT_PARAMETERS = ("since", "until", "project")
_EVERYTHING_S = 200 * 366 * 86_400
# The engine's codes for "this takes more than it may": too long, too many rows or bytes, memory.
_TOO_MUCH = (158, 159, 160, 241, 307, 396)

T = TypeVar("T")


class Served(Protocol):
    """What the API needs of the server; `reader` raises CollectorError while it is not there."""

    @property
    def reader(self) -> Reader: ...
    @property
    def keys(self) -> Keys: ...


class Api:
    """Answers /api/v1/...; `dsn` and the private directory `scratch` are for exports."""

    def __init__(self, served: Served, dsn: str, scratch: Path) -> None:
        self._served = served
        self._dsn, self._scratch = dsn, scratch
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="watchpost-api")
        # An export may take minutes: never so many at once that nobody else is answered.
        self._exporting = ThreadPoolExecutor(_EXPORTS, thread_name_prefix="watchpost-export")
        self._asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            grant = self._authorize(scope)
            path = str(scope["path"]).removeprefix(API_PREFIX)
            room, slash, name = path.partition("/")
            if room == "export":
                await self._export(scope, receive, send, grant, name)
                return
            if path == "key":
                answer: Mapping[str, Any] = {"project": grant.project, "scope": grant.scope}
            else:
                answer = await self._answer(scope, grant, ROUTES.get(room + slash), name)
        except BadQuestion as error:
            await send_answer(send, error.status, {"error": str(error)})
        except QueryFailed as error:
            status = 413 if error.code in _TOO_MUCH else 500
            told = "it would take more than one request may: narrow it" if status == 413 else ""
            await send_answer(send, status, {"error": told or "the store could not answer"})
        except CollectorError as error:
            retry_s = max(1, round(error.retry_after_s)) if isinstance(error, Full) else 2
            await send_answer(send, 503, {"error": str(error)}, retry_after_s=retry_s)
        else:
            await send_answer(send, 200, answer)

    def close(self) -> None:
        """Take no more requests; those being answered end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._exporting.shutdown(wait=False, cancel_futures=True)

    def _authorize(self, scope: Scope) -> Grant:
        grant = self._served.keys.authorize(scope["headers"], "read")
        if grant is None:
            raise BadQuestion("a key of scope read or admin is needed", status=401)
        if scope["method"] not in ("GET", "HEAD"):
            raise BadQuestion("this API is asked with GET", status=405)
        return grant

    async def _answer(
        self, scope: Scope, grant: Grant, route: Route | None, name: str
    ) -> Mapping[str, Any]:
        if route is None:
            names = ", ".join(sorted({*ROUTES, "key", "export/"}))
            raise BadQuestion(f"there is no such path here: {names}", status=404)
        given = read_parameters(scope.get("query_string", b""), route.known)
        question = Question(choose_project(grant, given), given, name)
        reader = self._served.reader
        return await self._run(self._threads, lambda: route.answer(reader, question))

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._asked >= _WAITING:
            raise Full("too many questions are waiting", retry_after_s=1)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            self._asked -= 1

    async def _export(
        self, scope: Scope, receive: Receive, send: Send, grant: Grant, name: str
    ) -> None:
        relation, _, what = name.partition("/")
        if relation not in RELATIONS or what not in ("", "days"):
            paths = ", ".join(f"export/{known}" for known in RELATIONS)
            raise BadQuestion(f"there is no such export: {paths}, each also with /days", status=404)
        given = read_parameters(scope.get("query_string", b""), _EXPORT_PARAMETERS)
        window = read_window(given, _EVERYTHING_S)
        project = choose_project(grant, given)
        export = Export(relation, project, window.since_ns, window.until_ns)
        reader = self._served.reader
        if what:
            sql, bound = write_count(relation), export.bind()
            table = await self._run(self._threads, lambda: reader.query(sql, bound, project))
            await send_answer(send, 200, {"days": table.records()})
            return
        with ExitStack() as open_export:
            opened = open_parquet(self._dsn, export, self._scratch)
            # Written on a thread, and removed again whatever becomes of the request.
            writing = self._run(self._exporting, lambda: open_export.enter_context(opened))
            await _stream(send, await writing, self._exporting, head=scope["method"] == "HEAD")


async def _stream(
    send: Send, pieces: Iterator[bytes], threads: ThreadPoolExecutor, *, head: bool
) -> None:
    headers = [
        (b"content-type", b"application/vnd.apache.parquet"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    loop = asyncio.get_running_loop()
    while not head and (piece := await loop.run_in_executor(threads, next, pieces, b"")):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def send_answer(
    send: Send, status: int, answer: Mapping[str, Any], *, retry_after_s: int = 0
) -> None:
    """Answer with JSON: times in UTC, sums of money with all their digits."""
    body = orjson.dumps(answer, default=_spell, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="watchpost", charset="UTF-8"'))
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _spell(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return str(value)
