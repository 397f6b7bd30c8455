"""A local server that answers with bytes as they were written down, whatever it is asked.

For clients whose protocol nobody here speaks: a test says what comes back, the real client reads it
from a real socket, and what it sent stands in `requests`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer: its pieces are sent one after the other; one that `breaks` has no end."""

    status: int = 200
    content_type: str = "application/json"
    pieces: tuple[bytes, ...] = ()
    breaks: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a client sent: `body` is its JSON, else its bytes."""

    path: str
    headers: Mapping[str, str]
    body: Any


def json_reply(value: Any, status: int = 200) -> Reply:
    """One JSON document."""
    return Reply(status, pieces=(json.dumps(value).encode(),))


def sse_reply(events: Iterable[Any], *, named: bool = False, done: bool = False) -> Reply:
    """Server-sent events; with their types as names, with the usual word at the end."""
    pieces = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        pieces.append(f"{name}data: {json.dumps(event)}\n\n".encode())
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return Reply(content_type="text/event-stream", pieces=tuple(pieces))


def lines_reply(values: Iterable[Any]) -> Reply:
    """One JSON document a line."""
    pieces = tuple(json.dumps(value).encode() + b"\n" for value in values)
    return Reply(content_type="application/x-ndjson", pieces=pieces)


class WireServer:
    """The server, on a loopback port and in threads of its own; a context manager."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._replies: deque[Reply] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wire = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="wire server", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sent(self) -> str:
        """The body of the one request that arrived, as text."""
        (request,) = self.requests
        return json.dumps(request.body, ensure_ascii=False)

    def answer(self, *replies: Reply) -> None:
        """Queue answers for the next requests."""
        self._replies.extend(replies)

    def reset(self) -> None:
        """Forget what was queued and what arrived."""
        self._replies.clear()
        self.requests.clear()

    def take(self, request: Request) -> Reply:
        """Note a request and give its answer."""
        self.requests.append(request)
        return self._replies.popleft() if self._replies else json_reply({}, status=418)

    def __enter__(self) -> WireServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    wire: WireServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(size) if size else self._read_chunks()
        headers = {name.lower(): value for name, value in self.headers.items()}
        is_json = "json" in headers.get("content-type", "json")
        body = (json.loads(sent) if is_json else sent) if sent else None
        reply = self.server.wire.take(Request(self.path, headers, body))
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in reply.pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if reply.breaks:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        self.do_POST()

    def _read_chunks(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return b""
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, *args: Any) -> None:
        return
