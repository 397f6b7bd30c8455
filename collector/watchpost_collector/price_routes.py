"""The routes below /api/prices: what is in force, a call explained, prices put in force, history.

A read key sees its own project's calls; whatever changes a price takes an admin key. Work goes to
threads, since all of it asks the store. This file knows requests and answers; what a price is and
does it leaves to the price book.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from watchpost.errors import CollectorError, ConfigError
from watchpost.serving.asgi import read_body
from watchpost.serving.keys import Grant
from watchpost.serving.origin import Receive, Scope
from watchpost_collector.context import Context
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.own import MOST_BYTES as OWN_BYTES
from watchpost_collector.store.prices.public_list import MOST_BYTES as LIST_BYTES
from watchpost_collector.store.prices.repricing import Scope as Stretch

PRICES_PREFIX = "/api/prices"
_SCOPE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Request:
    grant: Grant
    fields: Mapping[str, str]
    body: str

    @property
    def project(self) -> str:
        """The one project that the key may see; '' for every."""
        return "" if self.grant.scope == "admin" else self.grant.project


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    scope: str
    most_bytes: int
    answer: Callable[[PriceBook, _Request], Mapping[str, Any]]


async def answer_prices(
    context: Context,
    scope: Scope,
    receive: Receive,
    send_json: Callable[[int, Mapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer a request below `PRICES_PREFIX`."""
    route = _ROUTES.get(scope["path"].removeprefix(PRICES_PREFIX))
    if route is None:
        await send_json(
            404, {"error": f"no such route: {', '.join(PRICES_PREFIX + path for path in _ROUTES)}"}
        )
        return
    if scope["method"] != route.method:
        await send_json(405, {"error": f"{route.method} {scope['path']}"})
        return
    grant = context.keys.authorize(scope["headers"], route.scope)
    if grant is None:
        await send_json(401, {"error": f"{_KEYS[route.scope]} is needed"})
        return
    try:
        body = await _read_body(receive, route.most_bytes)
        fields = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        request = _Request(grant, fields, body)
        answer = await asyncio.to_thread(route.answer, context.store.prices, request)
    except ConfigError as error:
        await send_json(400, {"error": str(error)})
    except CollectorError as error:
        await send_json(503, {"error": str(error)})
    else:
        await send_json(200, answer)


async def _read_body(receive: Receive, most_bytes: int) -> str:
    body = await read_body(receive, most_bytes)
    if len(body) > most_bytes:
        raise ConfigError("body", f"{len(body):,} bytes", f"send {most_bytes:,} at most")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("body", f"byte {error.start}", "send UTF-8 text") from error


def _list(book: PriceBook, request: _Request) -> Mapping[str, Any]:
    every = request.fields.get("every", "") in ("1", "true")
    own, model = book.own, request.fields.get("model", "")
    rows = book.list_in_force(model, every=every, project=request.project)
    return {
        "public": f"genai-prices {book.public.version}",
        "own": None if own is None else f"override {own.version}",
        "prices": _plain(rows),
        # Of which project the calls are, nobody says here.
        "unpriced": [] if request.project else _plain([asdict(u) for u in book.find_unpriced()]),
    }


def _explain(book: PriceBook, request: _Request) -> Mapping[str, Any]:
    trace = request.fields.get("trace", "")
    if not trace:
        raise ConfigError("trace", "", "name a trace: ?trace=ID")
    found = book.explain(trace, request.fields.get("span", ""), request.project)
    return {"calls": [_plain({**asdict(call), "agrees": call.agrees}) for call in found]}


def _load_own(book: PriceBook, request: _Request) -> Mapping[str, Any]:
    name = request.fields.get("name", "prices")[:200]
    return asdict(book.load_own(request.body, name))


def _update(book: PriceBook, request: _Request) -> Mapping[str, Any]:
    return asdict(book.update(request.body, datetime.now(UTC).date()))


def _backfill(book: PriceBook, request: _Request) -> Mapping[str, Any]:
    asked = _read_object(request.body)
    stretch = Stretch(
        since=_read_moment(asked, "since"),
        until=_read_moment(asked, "until"),
        model=_read_text(asked, "model"),
        project=_read_text(asked, "project"),
    )
    done = book.backfill(stretch, dry_run=asked.get("dry_run") is not False)
    told = {"changed": done.changed, "before": done.before, "after": done.after}
    return _object({**asdict(done), **told})


def _read_object(body: str) -> dict[str, Any]:
    try:
        asked = json.loads(body or "{}")
    except ValueError as error:
        raise ConfigError("body", body[:60], "send a JSON object") from error
    known = ("since", "until", "model", "project", "dry_run")
    if not isinstance(asked, dict) or not set(asked) <= set(known):
        raise ConfigError("body", body[:60], f"send a JSON object with {', '.join(known)}")
    return asked


def _read_text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name) or ""
    if not isinstance(value, str):
        raise ConfigError(name, value, "send a text")
    return value


def _read_moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    text = _read_text(asked, name)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(name, text, "write a day or a time like 2026-01-31T12:00") from error
    if moment is None or not 1970 <= moment.year <= 2260:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(item) for key, item in value.items()}


def _plain(value: Any) -> Any:
    """Values as JSON has them; money as text, so that no digit is lost."""
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


_KEYS = {"read": "a key that may read", "admin": "an admin key"}
_ROUTES = {
    "": _Route("GET", "read", 0, _list),
    "/explain": _Route("GET", "read", 0, _explain),
    "/own": _Route("POST", "admin", OWN_BYTES, _load_own),
    "/update": _Route("POST", "admin", LIST_BYTES, _update),
    "/backfill": _Route("POST", "admin", _SCOPE_BYTES, _backfill),
}
