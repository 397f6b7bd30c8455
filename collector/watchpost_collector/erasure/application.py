"""Orders to erase over HTTP: POST /api/erase takes one, GET /api/erase/NAME says how far it came.

Both take an admin key. The id is in the body of the order and nowhere in an answer or a log. This
file knows transport and keys; what erasing means is the eraser's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from watchpost.errors import CollectorError, ConfigError
from watchpost.serving.asgi import read_body, send_json
from watchpost.serving.keys import Keys
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.erasure.eraser import Eraser
from watchpost_collector.erasure.subject import KINDS, Subject
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import Spool
from watchpost_collector.store.client import Store

PATH = "/api/erase"
_KNOWN = {*KINDS, "project", "calls", "dry_run"}
_BODY_BYTES = 16 << 10


class Served(Protocol):
    """What erasing needs of the collector."""

    @property
    def settings(self) -> Placed: ...
    @property
    def set_aside(self) -> SetAside: ...
    @property
    def spools(self) -> Mapping[str, Spool]: ...
    @property
    def keys(self) -> Keys: ...


class Placed(Protocol):
    """Where the collector keeps what it keeps."""

    @property
    def data(self) -> Path: ...


class ErasureApp:
    """The ASGI app of the erase route; `close` ends the eraser with it."""

    def __init__(self, eraser: Eraser, keys: Keys) -> None:
        self._eraser = eraser
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, answer = await self._answer(scope, receive)
        except ConfigError as error:
            status, answer = 400, {"error": str(error)}
        except CollectorError as error:
            status, answer = 503, {"error": str(error)}
        await send_json(send, status, answer)

    def sweep(self, segment: str) -> None:
        """See `Eraser.sweep`."""
        self._eraser.sweep(segment)

    def close(self) -> None:
        """Stop erasing; what is undone is done after the next start."""
        self._eraser.close()

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        if self._keys.authorize(scope["headers"], "admin") is None:
            return 401, {"error": "an admin key is needed"}
        name = scope["path"].removeprefix(PATH).strip("/")
        if scope["method"] == "GET" and name:
            entry = await asyncio.to_thread(self._eraser.read, name)
            return (200, entry.as_dict()) if entry else (404, {"error": "there is no such erasure"})
        if scope["method"] != "POST" or name:
            return 405, {"error": f"POST {PATH}, or GET {PATH}/NAME"}
        asked = await _read_order(receive)
        subject = _read_subject(asked)
        keep_calls = not asked.get("calls", False)
        if asked.get("dry_run", False):
            found = await asyncio.to_thread(self._eraser.preview, subject, keep_calls=keep_calls)
            return 200, found
        entry = await asyncio.to_thread(self._eraser.order, subject, keep_calls=keep_calls)
        return 202, entry.as_dict()


def open_erasing(served: Served, store: Store) -> ErasureApp:
    """Start an eraser for a running collector, with what an earlier one left undone."""
    seals = [spool.mark for spool in served.spools.values()]
    eraser = Eraser(served.settings.data, served.set_aside.directory, seals)
    eraser.start(store)
    return ErasureApp(eraser, served.keys)


async def _read_order(receive: Receive) -> dict[str, Any]:
    body = await read_body(receive, _BODY_BYTES)
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or len(body) > _BODY_BYTES or set(asked) - _KNOWN:
        shown = f"{len(body)} bytes"
        raise ConfigError("body", shown, f"send a JSON object of {', '.join(sorted(_KNOWN))}")
    for name in ("calls", "dry_run"):
        if not isinstance(asked.get(name, False), bool):
            raise ConfigError(name, type(asked[name]).__name__, "write true or false")
    return asked


def _read_subject(asked: dict[str, Any]) -> Subject:
    named = [(kind, asked[kind]) for kind in KINDS if kind in asked]
    if len(named) != 1 or not isinstance(named[0][1], str):
        raise ConfigError("subject", f"{len(named)} ids", f"name one of {', '.join(KINDS)} as text")
    project = asked.get("project", "")
    if not isinstance(project, str):
        raise ConfigError("project", type(project).__name__, "write its name")
    return Subject(named[0][0], named[0][1], project)
