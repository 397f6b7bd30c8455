"""The routes below /api/v1/prompts/: a template by label or version, the library, push and label.

Any key of a project that sends, reads or administers fetches a template: the processes that use it
hold an ingest key. What is written there is what applications say to their models, so writing takes
an admin key; an ingest key lies in every process. This file knows requests and answers; what a
version or a label is it leaves to the library.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from watchpost.errors import CollectorError, ConfigError
from watchpost.serving.asgi import read_body
from watchpost.serving.keys import Grant, read_secret
from watchpost.serving.origin import Receive, Scope, Send
from watchpost.template import CHAT, MOST_CHARACTERS, read_template
from watchpost_collector.access.issued_keys import PROJECT
from watchpost_collector.context import Context
from watchpost_collector.store.prompts import (
    Draft,
    PromptLibrary,
    Pushed,
    Version,
    check_label,
    read_number,
)

PROMPTS_PREFIX = "/api/v1/prompts/"
_BODY_BYTES = 6 * MOST_CHARACTERS + 16_384
_FETCHERS = ("ingest", "read", "admin")
_READERS = ("read", "admin")
_WRITERS = ("admin",)
_DRAFT = ("name", "template", "note")


class _Refused(Exception):  # noqa: N818 - a status and a sentence, for whoever asked
    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class _Request:
    project: str
    fields: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    body: Mapping[str, Any]
    etag: str = ""


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    scopes: Sequence[str]
    known: Sequence[str]
    answer: Callable[[PromptLibrary, _Request], _Answer]


class PromptRoutes:
    """Answers what is below `PROMPTS_PREFIX` for a running collector."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._opened: PromptLibrary | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from its key to its answer."""
        try:
            answer = await self._answer(scope, receive)
        except _Refused as refused:
            await _send(send, refused.status, {"error": refused.reason})
        except ConfigError as error:
            await _send(send, 400, {"error": str(error)})
        except CollectorError as error:
            await _send(send, 503, {"error": str(error)})
        else:
            if answer.etag and _holds(scope, answer.etag):
                await _send(send, 304, None, answer.etag)
            else:
                await _send(send, 200, answer.body, answer.etag)

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        route = _ROUTES.get(scope["path"].removeprefix(PROMPTS_PREFIX))
        if route is None:
            paths = ", ".join(PROMPTS_PREFIX + path for path in _ROUTES)
            raise _Refused(404, f"no such route: {paths}")
        if scope["method"] != route.method:
            raise _Refused(405, f"{route.method} {scope['path']}")
        grant = self._context.keys.identify(read_secret(scope["headers"]))
        if grant is None or grant.scope not in route.scopes:
            raise _Refused(401, f"a key of scope {' or '.join(route.scopes)} is needed")
        fields = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        project = _choose_project(grant, fields.pop("project", ""))
        if route.method == "POST":
            body = _read_object(await read_body(receive, _BODY_BYTES))
            _check_known(body, route.known)
            _check_known(fields, ())
        else:
            body = {}
            _check_known(fields, route.known)
        request = _Request(project, fields, body)
        return await asyncio.to_thread(route.answer, self._library(), request)

    def _library(self) -> PromptLibrary:
        store = self._context.store.store
        if self._opened is None:
            self._opened = PromptLibrary(store)
        return self._opened


def _check_known(given: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        names = ", ".join(known) or "only project"
        raise ConfigError(unknown[:60], "...", f"there is {names}")


def _choose_project(grant: Grant, wanted: str) -> str:
    if wanted in ("", grant.project):
        return grant.project
    if grant.scope != "admin":
        raise _Refused(403, "this key belongs to another project")
    if not PROJECT.fullmatch(wanted):
        raise ConfigError("project", wanted, "use letters, digits, . _ -")
    return wanted


def _read_object(body: bytes) -> Mapping[str, Any]:
    if len(body) > _BODY_BYTES:
        raise ConfigError("body", f"{len(body):,} bytes", f"send {_BODY_BYTES:,} at most")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError("body", "...", "send a JSON object") from error
    if not isinstance(found, dict):
        raise ConfigError("body", "...", "send a JSON object")
    return found


def _fetch(library: PromptLibrary, request: _Request) -> _Answer:
    name, label = _name_of(request.fields), request.fields.get("label", "")
    written = request.fields.get("version", "")
    version = read_number(written)
    if bool(label) == bool(written):
        raise ConfigError("label", label, "say either label= or version=")
    if written and not version:
        raise ConfigError("version", written[:60], "give a number")
    if label:
        check_label(label)
    found = library.find(request.project, name, label, version)
    if found is None:
        what = f"with label {label!r}" if label else f"with version {version}"
        raise _Refused(404, f"there is no prompt {name!r} {what} in project {request.project}")
    etag = f'"{found.version}-{found.sha[:32]}"'
    return _Answer({**_tell(found), "template": _read_source(found), "label": label}, etag)


def _list(library: PromptLibrary, request: _Request) -> _Answer:
    rows = library.list_newest(request.project)
    told = [{**row, "created": row["created"].isoformat()} for row in rows]
    return _Answer({"project": request.project, "prompts": told})


def _tell_history(library: PromptLibrary, request: _Request) -> _Answer:
    name = _name_of(request.fields)
    versions = library.list_versions(request.project, name)
    if not versions:
        raise _Refused(404, f"there is no prompt {name!r} in project {request.project}")
    moves = library.list_moves(request.project, name)
    return _Answer(
        {
            "name": name,
            "versions": [_tell(version) for version in versions],
            "moves": [{**asdict(move), "moved": move.moved.isoformat()} for move in moves],
        }
    )


def _push(library: PromptLibrary, request: _Request) -> _Answer:
    """One prompt, or a list of them with a label, of which all are written or none."""
    body = request.body
    if "prompts" not in body:
        _check_known(body, _DRAFT)
        [pushed] = library.push(request.project, [_read_draft(body)])
        return _Answer(_tell_pushed(pushed))
    _check_known(body, ("prompts", "label"))
    given = body["prompts"]
    if not isinstance(given, list) or not given or not all(isinstance(d, dict) for d in given):
        raise ConfigError("prompts", "...", "send a list of objects with name, template and note")
    for draft in given:
        _check_known(draft, _DRAFT)
    found = library.push(request.project, [_read_draft(d) for d in given], _text_of(body, "label"))
    return _Answer({"pushed": [_tell_pushed(pushed) for pushed in found]})


def _read_draft(given: Mapping[str, Any]) -> Draft:
    template = read_template(given.get("template"))
    return Draft(_name_of(given), template, _text_of(given, "note"))


def _tell_pushed(pushed: Pushed) -> dict[str, Any]:
    told = asdict(pushed)
    return told if pushed.moved is not None else {k: told[k] for k in told if k != "moved"}


def _move_label(library: PromptLibrary, request: _Request) -> _Answer:
    body = request.body
    version = body.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**32:
        raise ConfigError("version", version, "give a number")
    label = _text_of(body, "label")
    return _Answer(asdict(library.move_label(request.project, _name_of(body), label, version)))


def _name_of(given: Mapping[str, Any]) -> str:
    name = _text_of(given, "name")
    if not name:
        raise ConfigError("name", "", "name a prompt")
    return name


def _text_of(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key) or ""
    if not isinstance(value, str):
        raise ConfigError(key, value, "send a text")
    return value


def _tell(version: Version) -> dict[str, Any]:
    told = asdict(version)
    del told["template"]
    return {**told, "created": version.created.isoformat()}


def _read_source(version: Version) -> Any:
    return json.loads(version.template) if version.kind == CHAT else version.template


def _holds(scope: Scope, etag: str) -> bool:
    """Whether the asker has it already. A proxy may have marked the tag as weak."""
    given = [value for name, value in scope["headers"] if name.lower() == b"if-none-match"]
    tags = ",".join(value.decode("latin-1") for value in given).split(",")
    return etag in [tag.strip().removeprefix("W/") for tag in tags]


async def _send(send: Send, status: int, answer: Mapping[str, Any] | None, etag: str = "") -> None:
    body = b"" if answer is None else json.dumps(answer).encode()
    headers = [(b"cache-control", b"no-cache" if etag else b"no-store")]
    if etag:
        headers.append((b"etag", etag.encode()))
    if status != HTTPStatus.NOT_MODIFIED:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_ROUTES: Mapping[str, _Route] = {
    "template": _Route("GET", _FETCHERS, ("name", "label", "version"), _fetch),
    "library": _Route("GET", _READERS, (), _list),
    "history": _Route("GET", _READERS, ("name",), _tell_history),
    "push": _Route("POST", _WRITERS, (*_DRAFT, "prompts", "label"), _push),
    "label": _Route("POST", _WRITERS, ("name", "label", "version"), _move_label),
}
