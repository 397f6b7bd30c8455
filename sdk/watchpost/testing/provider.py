"""A stand-in for model providers: the OpenAI and Anthropic protocols over loopback sockets.

The real `openai` and `anthropic` clients talk to it, whole and streamed, and meet the errors
they would meet. `http_reply` is the same brain without a socket, for transports inside one
process. It knows no model: what is answered comes from the `respond` function or the queue.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, TracebackType
from typing import Any

from watchpost.testing.exchange import (
    Answer,
    Dialect,
    Failure,
    ProviderRequest,
    Respond,
    new_id,
)
from watchpost.testing.wire import chat, embeddings, messages, responses

DIALECTS: Mapping[str, tuple[Dialect, ModuleType]] = {
    "/v1/chat/completions": ("chat", chat),
    "/v1/responses": ("responses", responses),
    "/v1/messages": ("messages", messages),
    "/v1/embeddings": ("embeddings", embeddings),
}
DEFAULT_ANSWER = Answer(text="Hello, this is the stand-in provider.")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP answer; `body` yields its pieces in order, `breaks` ends it without an end."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]
    breaks: bool = False
    delay_s: float = 0.0
    piece_delay_s: float = 0.0


def parse_request(path: str, headers: Mapping[str, str], body: bytes) -> ProviderRequest | None:
    """The request of one of the spoken protocols, None when the path or the JSON is foreign."""
    known = DIALECTS.get(path.partition("?")[0])
    with contextlib.suppress(ValueError):
        parsed = json.loads(body)
        if known is not None and isinstance(parsed, dict):
            lowered = {name.lower(): value for name, value in headers.items()}
            return ProviderRequest(known[0], path, lowered, parsed)
    return None


def http_reply(request: ProviderRequest, respond: Respond) -> HttpReply:
    """Asks `respond` and spells its answer in the protocol of the request."""
    wire = DIALECTS[request.path.partition("?")[0]][1]
    refused = wire.refusal_of(request)
    answer = Answer(failure=refused) if refused else respond(request)
    failure = answer.failure
    if failure is not None and failure.after_pieces is None:
        return _failed(wire, failure, answer.delay_s)
    if not request.streaming:
        whole = json.dumps(wire.whole(request, answer)).encode()
        return HttpReply(200, _headers("application/json"), iter([whole]), delay_s=answer.delay_s)

    def body() -> Iterator[bytes]:
        for event in wire.events(request, answer):
            yield event.encode()
        if failure is not None and failure.status:
            yield wire.error_event(failure).encode()

    return HttpReply(
        200,
        _headers("text/event-stream; charset=utf-8"),
        body(),
        breaks=failure is not None and not failure.status,
        delay_s=answer.delay_s,
        piece_delay_s=answer.piece_delay_s,
    )


def _failed(wire: ModuleType, failure: Failure, delay_s: float) -> HttpReply:
    spelled = wire.error(failure) if hasattr(wire, "error") else chat.error(failure)
    headers = _headers("application/json")
    if failure.retry_after_s is not None:
        headers["retry-after"] = f"{failure.retry_after_s:g}"
        headers["retry-after-ms"] = f"{failure.retry_after_s * 1000:g}"
    body = iter([json.dumps(spelled).encode()])
    return HttpReply(failure.status, headers, body, breaks=not failure.status, delay_s=delay_s)


def _headers(content_type: str) -> dict[str, str]:
    identifier = new_id("req_")
    return {"content-type": content_type, "x-request-id": identifier, "request-id": identifier}


class ProviderServer:
    """The stand-in on a loopback port of its own, in threads of its own; a context manager.

    Answers come from `respond`; answers queued with `answer()` go first. `requests` lists what
    arrived, in order.
    """

    def __init__(self, respond: Respond | None = None, *, port: int = 0) -> None:
        self.requests: list[ProviderRequest] = []
        self.respond: Respond = respond or (lambda request: DEFAULT_ANSWER)
        self._queued: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.provider = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="stand-in provider", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """The `base_url` for OpenAI clients."""
        return self.url + "/v1"

    @property
    def anthropic_url(self) -> str:
        """The `base_url` for Anthropic clients."""
        return self.url

    def answer(self, *answers: Answer | str) -> None:
        """Queues answers for the next requests; a plain text is an answer too."""
        with self._lock:
            self._queued.extend(
                Answer(text=item) if isinstance(item, str) else item for item in answers
            )

    def fail(self, status: int, message: str = "", **fields: Any) -> None:
        """Queues one failure for the next request; fields as in `Failure`."""
        self.answer(Answer(failure=Failure(status, message, **fields)))

    def reset(self) -> None:
        """Forgets queued answers and received requests."""
        with self._lock:
            self._queued.clear()
            self.requests.clear()

    def take(self, request: ProviderRequest) -> Answer:
        """Notes the request and decides its answer."""
        with self._lock:
            self.requests.append(request)
            if self._queued:
                return self._queued.popleft()
        return self.respond(request)

    def start(self) -> ProviderServer:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stops listening and closes every connection."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ProviderServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    provider: ProviderServer
    daemon_threads = False  # joined by server_close, after close_connections woke them
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is its own business."""

    def close_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = parse_request(self.path, dict(self.headers.items()), body)
        if request is None:
            unknown = Failure(404, f"Invalid URL (POST {self.path})", code="unknown_url")
            self._send(_failed(chat, unknown, 0.0))
            return
        self._send(http_reply(request, self.server.provider.take))

    def _send(self, reply: HttpReply) -> None:
        if reply.delay_s:
            time.sleep(reply.delay_s)
        if not reply.status:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in reply.body:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if reply.piece_delay_s:
                time.sleep(reply.piece_delay_s)
        if reply.breaks:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Requests are kept in `requests`, not printed."""
