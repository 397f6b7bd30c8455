"""The real engine behind the ClickHouse HTTP protocol, read and write, in a process of its own.

Its arguments are DIR PORT PASSWORD. So the `http://` store is tested over a socket without a
ClickHouse installation: sessions, settings and bound parameters in the URL, statements in URL, body
or form, data of an INSERT in the body, compression both ways, errors in the server's own words. It
knows one user; it has no TCP port, no cluster and no progress headers.
"""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import os
import re
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame
from backports import zstd

# What travels beside the statement and is no setting of the engine.
TRANSPORT = {
    *("query", "database", "default_format", "session_id", "session_timeout", "session_check"),
    *("query_id", "client_protocol_version", "enable_http_compression", "wait_end_of_query"),
    *("quota_key", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
    *("cancel_http_readonly_queries_on_client_close", "buffer_size", "compress", "decompress"),
    *("role", "user", "password"),
}
READERS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
}
# In the order in which the server looks for them.
WRITERS = {
    "lz4": lz4.frame.compress,
    "gzip": lambda body: gzip.compress(body, compresslevel=1),
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
UNKNOWN, AUTHENTICATION, READONLY = 1002, 516, 164
SESSION_MISSING, SESSION_BUSY, ENCODING = 372, 373, 88
STATUS_OF_CODE = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 53, 62, 72, 117, 386, 457), 400),
    **dict.fromkeys((192, 193, AUTHENTICATION), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115), 404),
    159: 408,
    229: 413,
    48: 501,
}
DATA_OF_INSERT = re.compile(
    rb"\s*INSERT\s+INTO\b(?:(?!\bSELECT\b)[^;])*?\bFORMAT\s+\w+[ \t]*(?:\r?\n|;|$)", re.IGNORECASE
)
SESSION_S = 60.0


class RefusalError(Exception):
    """An error of the protocol itself, with ClickHouse's own number for it."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")


@dataclass
class Session:
    """What a session keeps: a handle with its temporary tables, for one request at a time."""

    handle: chdb.Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0


class Engine:
    """The engine's handles. A request has one of its own, or its session's."""

    def __init__(self, path: str) -> None:
        self._path = path
        # The engine would close with its last handle, and reopening takes seconds.
        self._keeper = chdb.connect(path)
        self.version = self._keeper.query("select version()", "TSV").bytes().decode().strip()
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open_handle(self, fields: Mapping[str, str]) -> Iterator[chdb.Connection]:
        """A handle on which the request's database and settings hold until it ends."""
        name = fields.get("session_id", "")
        # What forbids to write could not be taken back: it gets a handle to throw away.
        if not name or fields.get("readonly", "0") != "0":
            handle = chdb.connect(self._path)
            try:
                yield handle
            finally:
                handle.close()
            return
        session = self._find(name, fields)
        if not session.lock.acquire(blocking=False):
            raise RefusalError(SESSION_BUSY, "SESSION_IS_LOCKED", f"Session {name} is locked")
        try:
            yield session.handle
            forget_settings(session.handle, fields)
        except BaseException:
            # A handle that saw an error can hand the failed statement's rows to the next one.
            session.handle.close()
            session.handle = chdb.connect(self._path)
            raise
        finally:
            session.until = time.monotonic() + float(fields.get("session_timeout", SESSION_S))
            session.lock.release()

    def _find(self, name: str, fields: Mapping[str, str]) -> Session:
        with self._lock:
            for old, kept in list(self._sessions.items()):
                if kept.until < time.monotonic() and kept.lock.acquire(blocking=False):
                    self._sessions.pop(old).handle.close()
            if name not in self._sessions:
                if fields.get("session_check") == "1":
                    raise RefusalError(SESSION_MISSING, "SESSION_NOT_FOUND", "Session not found")
                until = time.monotonic() + SESSION_S
                self._sessions[name] = Session(chdb.connect(self._path), until=until)
            return self._sessions[name]


def list_settings(fields: Mapping[str, str]) -> dict[str, str]:
    """The engine's settings among the fields of a URL; what forbids more comes last."""
    named = {
        name: value
        for name, value in fields.items()
        if name not in TRANSPORT and not name.startswith("param_")
    }
    return dict(sorted(named.items(), key=lambda pair: pair[0] in ("readonly", "allow_ddl")))


def forget_settings(handle: chdb.Connection, fields: Mapping[str, str]) -> None:
    """Settings in a URL hold for one request, also where the session goes on."""
    for name in list_settings(fields):
        handle.query(f"SET {name} = DEFAULT")


class Handler(BaseHTTPRequestHandler):
    """One connection. The engine and the password are the process's."""

    protocol_version = "HTTP/1.1"
    engine: Engine
    password = ""

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(b"".join(self.read_chunks()))

    def read_chunks(self) -> Iterator[bytes]:
        """The body, whether its length was given or it comes in chunks."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, body: bytes) -> None:
        """Answer one request: an error says its code in a header, as clients look for it."""
        parts = urlsplit(self.path)
        fields = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.path in ("/ping", "/replicas_status"):
            return self.reply(200, b"Ok.\n", {}, fields)
        if parts.path != "/":
            return self.reply(404, f"There is no handle {parts.path}\n".encode(), {}, fields)
        started = time.perf_counter()
        try:
            self.check_user(fields)
            answer, fmt, rows = self.run_statement(fields, body)
        except (RefusalError, RuntimeError) as error:
            text = str(error)
            found = re.search(r"Code: (\d+)", text)
            code = int(found[1]) if found else UNKNOWN
            told = f"{text} (version {self.engine.version} (official build))\n".encode()
            headers = {"X-ClickHouse-Exception-Code": str(code)}
            return self.reply(STATUS_OF_CODE.get(code, 500), told, headers, fields)
        spent_ns = str(int((time.perf_counter() - started) * 1e9))
        summary = {"read_rows": str(rows), "written_rows": "0", "elapsed_ns": spent_ns}
        headers = {"X-ClickHouse-Format": fmt, "X-ClickHouse-Summary": json.dumps(summary)}
        return self.reply(200, answer, headers, fields)

    def check_user(self, fields: Mapping[str, str]) -> None:
        """The password, from a header, from Basic, or from the URL."""
        key = self.headers.get("X-ClickHouse-Key") or fields.get("password", "")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            key = base64.b64decode(token).decode().partition(":")[2]
        if not hmac.compare_digest(key.encode(), self.password.encode()):
            text = "default: Authentication failed: password is incorrect, or there is no such user"
            raise RefusalError(AUTHENTICATION, "AUTHENTICATION_FAILED", text)

    def run_statement(self, given: dict[str, str], body: bytes) -> tuple[bytes, str, int]:
        """Bytes of the answer, their format, and how many rows were read for it."""
        encoding = self.headers.get("Content-Encoding", "")
        if encoding not in READERS:
            raise RefusalError(
                ENCODING, "UNKNOWN_COMPRESSION_METHOD", f"Unknown encoding {encoding}"
            )
        body = READERS[encoding](body)
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            given |= read_form(kind, body)
            body = b""
        statement, data = split_statement(given.get("query", "").encode(), body)
        if self.command == "GET":
            given.setdefault("readonly", "2")
        # The one user known here is the engine's only user, which has no password.
        statement = re.sub(r"\buser '[^']*' password '[^']*'", "", statement)
        named = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement, re.IGNORECASE)
        default = self.headers.get("X-ClickHouse-Format") or given.get("default_format")
        fmt = named[1] if named else default or "TabSeparated"
        with self.engine.open_handle(given) as handle:
            database = self.headers.get("X-ClickHouse-Database") or given.get("database")
            handle.query(f"USE `{database or 'default'}`")
            for name, value in list_settings(given).items():
                quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                handle.query(f"SET {name} = '{quoted}'")
            if data is not None:
                insert(handle, statement, data)
                return b"", fmt, 0
            bound = {name[6:]: text for name, text in given.items() if name.startswith("param_")}
            result = handle.query(statement, fmt, params=bound or None)
            return result.bytes() or b"", fmt, result.rows_read()

    def reply(
        self, status: int, body: bytes, headers: Mapping[str, str], fields: Mapping[str, str]
    ) -> None:
        """Send an answer, compressed when the client asked for it in both places."""
        asked = self.headers.get("Accept-Encoding", "")
        chosen = next((name for name in WRITERS if name in asked), "")
        self.send_response(status)
        if chosen and fields.get("enable_http_compression") == "1" and status == 200:
            body = WRITERS[chosen](body)
            self.send_header("Content-Encoding", chosen)
        told = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Server-Display-Name": "clickhouse-over-http",
            "X-ClickHouse-Query-Id": fields.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": "UTC",
            **headers,
            "Content-Length": str(len(body)),
        }
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet: a test reads what the server under test prints, not this."""


def split_statement(query: bytes, body: bytes) -> tuple[str, bytes | None]:
    """The statement, and the data where it is an INSERT that brings some."""
    whole = query + b"\n" + body if query and body else query or body
    insert_head = DATA_OF_INSERT.match(whole)
    if insert_head is None:
        return whole.decode().strip(), None
    return whole[: insert_head.end()].decode().strip().rstrip(";"), whole[insert_head.end() :]


def insert(handle: chdb.Connection, statement: str, data: bytes) -> None:
    """Run an INSERT whose data came in the body; none at all inserts nothing."""
    if not data:
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        head, keyword, tail = re.split(r"\b((?:SETTINGS\b.*)?FORMAT)\b", statement, maxsplit=1)
        handle.query(f"{head} FROM INFILE '{file.name}' {keyword}{tail}")


def read_form(kind: str, body: bytes) -> dict[str, str]:
    """Statement and parameters where they are too long for a URL."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    fields = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = content.decode()
    return fields


if __name__ == "__main__":
    os.environ.pop("TZ", None)
    Handler.engine, Handler.password = Engine(sys.argv[1]), sys.argv[3]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
