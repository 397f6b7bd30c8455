"""The ClickHouse HTTP protocol, read-only, as a pure ASGI app in front of a Reader.

It is what clickhouse-connect, Grafana's ClickHouse data source and other clients speak, so that an
embedded store can be read by them. Asking needs an admin key where keys are set. Settings that
clients send along are dropped: a session here has the limits it has. The app knows the protocol; it
does not know which questions are allowed, and stands behind an origin guard that the server puts.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl
from uuid import uuid4

from watchpost.errors import CollectorError, Full
from watchpost.serving.asgi import read_body
from watchpost.serving.keys import Keys
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.query.gate import MAXIMUM_QUERY_BYTES
from watchpost_collector.query.native import frame_blocks
from watchpost_collector.query.reader import Answer, Reader
from watchpost_collector.query.session import DATABASE, QueryFailed, Refused

_BODY_BYTES = 2 * MAXIMUM_QUERY_BYTES
_GZIP_FROM_BYTES = 1024
_THREADS = 4
_WAITING = 64
_AUTHENTICATION_FAILED = 516
_UNKNOWN_DATABASE = 81
_BUSY = 202
_OUR_DATABASES = ("", DATABASE, "default", "__default__")
_ALIVE = ("/ping", "/replicas_status")
# What ClickHouse itself answers with, where it is not 500.
_STATUS_OF_CODE = {
    **dict.fromkeys((6, 41, 43, 46, 47, 53, 62, 70, 117, 130, 386, 456, 457), 400),
    **dict.fromkeys((60, 81), 404),
    **dict.fromkeys((164, 497), 403),
    _AUTHENTICATION_FAILED: 401,
    _BUSY: 503,
    159: 408,
    158: 413,
    396: 413,
}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    body: bytes


class Facade:
    """Answers the ClickHouse HTTP protocol from `reader`; `keys` say who may ask."""

    def __init__(self, reader: Reader, keys: Keys) -> None:
        self._reader = reader
        self._keys = keys
        # Threads of their own: a slow question must not hold up what else the process runs aside.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="watchpost-query")
        self._asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        try:
            status, headers, body = await self._answer(scope, receive, started)
        except QueryFailed as error:
            status, headers, body = _tell(error.code, str(error))
        except Full as error:
            status, headers, body = _tell(_BUSY, str(error))
            headers["Retry-After"] = f"{error.retry_after_s:g}"
        except CollectorError as error:
            status, headers, body = _tell(_BUSY, str(error))
        body = _compress(headers, body, _read_headers(scope))
        await _respond(send, status, headers, b"" if scope["method"] == "HEAD" else body, len(body))

    async def _answer(
        self, scope: Scope, receive: Receive, started: float
    ) -> tuple[int, dict[str, str], bytes]:
        if scope["path"] in _ALIVE or (scope["path"] == "/" and not _asks(scope)):
            return 200, {"Content-Type": "text/html; charset=UTF-8"}, b"Ok.\n"
        if scope["path"] != "/":
            return _plain(404, f"there is no {scope['path'][:200]} here: ask at /")
        if scope["method"] not in ("GET", "POST", "HEAD"):
            return _plain(405, "ask with GET or POST")
        if self._keys.authorize(scope["headers"], "admin") is None:
            status, headers, body = _tell(
                _AUTHENTICATION_FAILED, "raw SQL needs an admin key as password or bearer token"
            )
            return status, {**headers, "WWW-Authenticate": 'Basic realm="watchpost"'}, body
        request = await _read_request(scope, receive)
        sql, parameters = _read_question(request)
        fmt = request.headers.get("x-clickhouse-format") or request.fields.get("default_format")
        revision = _read_revision(request.fields)
        answer = await self._ask(sql, fmt, parameters, revision)
        return 200, _describe(answer, request, started), answer.body

    async def _ask(
        self, sql: str, fmt: str | None, parameters: dict[str, str], revision: int
    ) -> Answer:
        if self._asked >= _WAITING:
            raise Full("too many questions are waiting", retry_after_s=1)
        self._asked += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._read, sql, fmt, parameters, revision
            )
        finally:
            self._asked -= 1

    def _read(self, sql: str, fmt: str | None, parameters: dict[str, str], revision: int) -> Answer:
        answer = self._reader.ask(sql, fmt, parameters)
        if answer.fmt != "Native":
            return answer
        return replace(answer, body=frame_blocks(answer.body, revision))

    def close(self) -> None:
        """Take no more questions; those being answered end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _asks(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD") or b"query=" in scope.get("query_string", b"")


async def _read_request(scope: Scope, receive: Receive) -> _Request:
    body = await read_body(receive, _BODY_BYTES)
    if len(body) > _BODY_BYTES:
        raise Refused(f"a request body beyond {_BODY_BYTES} bytes is not read")
    headers = _read_headers(scope)
    fields = dict(
        parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    )
    kind = headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):
        fields |= _read_form(kind, body)
        body = b""
    return _Request(scope["method"], scope["path"], headers, fields, body)


def _read_headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _read_form(kind: str, body: bytes) -> dict[str, str]:
    # Clients send long parameters so; a part with a file name would be a table to load.
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body
    )
    fields = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        if part.get_filename() is not None:
            raise Refused("external tables are not taken", "select them with WITH instead")
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        fields[str(name)] = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return fields


def _read_question(request: _Request) -> tuple[str, dict[str, str]]:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused("compressed questions are not read", "send the text as it is")
    if request.fields.get("decompress", "0") not in ("0", "false"):
        raise Refused("compressed questions are not read", "leave decompress out")
    if request.fields.get("compress", "0") not in ("0", "false"):
        raise Refused(
            "ClickHouse's block compression is not spoken", "use gzip or no compression instead"
        )
    database = request.headers.get("x-clickhouse-database") or request.fields.get("database", "")
    if database not in _OUR_DATABASES:
        raise QueryFailed(
            f"database {database[:100]} does not exist here", _UNKNOWN_DATABASE, f"use {DATABASE}"
        )
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the question is not UTF-8 text") from error
    sql = "\n".join(part for part in (request.fields.get("query", ""), text) if part.strip())
    parameters = {
        name.removeprefix("param_"): value
        for name, value in request.fields.items()
        if name.startswith("param_")
    }
    return sql, parameters


def _read_revision(fields: Mapping[str, str]) -> int:
    """Which protocol the client speaks; 0 for the one of a client that does not say."""
    told = fields.get("client_protocol_version", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else 0


def _describe(answer: Answer, request: _Request, started: float) -> dict[str, str]:
    elapsed_ns = int((time.perf_counter() - started) * 1e9)
    summary = {"read_rows": "0", "read_bytes": "0", "written_rows": "0", "written_bytes": "0"}
    summary |= {"result_bytes": str(len(answer.body)), "elapsed_ns": str(elapsed_ns)}
    return {
        "Content-Type": _name_content(answer.fmt),
        "X-ClickHouse-Server-Display-Name": "watchpost",
        "X-ClickHouse-Query-Id": request.fields.get("query_id", "")[:100] or str(uuid4()),
        "X-ClickHouse-Format": answer.fmt,
        "X-ClickHouse-Timezone": answer.timezone,
        "X-ClickHouse-Summary": json.dumps(summary, separators=(",", ":")),
    }


def _name_content(fmt: str) -> str:
    if fmt.startswith("JSON"):
        lines = "EachRow" in fmt or fmt in ("JSONLines", "JSONL")
        return "application/x-ndjson; charset=UTF-8" if lines else "application/json; charset=UTF-8"
    if fmt.startswith("CSV"):
        return "text/csv; charset=UTF-8"
    if fmt.startswith(("TabSeparated", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    if fmt.startswith(("Pretty", "Vertical", "Values", "Markdown")):
        return "text/plain; charset=UTF-8"
    return "application/octet-stream"


def _tell(code: int, message: str) -> tuple[int, dict[str, str], bytes]:
    # Clients look for this spelling of an error.
    told = message if message.startswith("Code: ") else f"Code: {code}. DB::Exception: {message}"
    status, headers, body = _plain(_STATUS_OF_CODE.get(code, 500), told)
    return status, {**headers, "X-ClickHouse-Exception-Code": str(code)}, body


def _plain(status: int, text: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "text/plain; charset=UTF-8"}, f"{text}\n".encode()


def _compress(headers: dict[str, str], body: bytes, asked: Mapping[str, str]) -> bytes:
    accepted = {part.split(";")[0].strip() for part in asked.get("accept-encoding", "").split(",")}
    if "gzip" not in accepted or len(body) < _GZIP_FROM_BYTES:
        return body
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = "Accept-Encoding"
    return gzip.compress(body, compresslevel=1)


async def _respond(
    send: Send, status: int, headers: Mapping[str, str], body: bytes, length: int
) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw += [(b"content-length", str(length).encode()), (b"cache-control", b"no-store")]
    raw.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
