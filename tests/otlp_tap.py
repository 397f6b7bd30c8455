"""A tap in the pipe: an OTLP receiver that keeps what an emitter sent and passes it on unchanged.

Everything goes to a real collector and the emitter gets the collector's own answer. What was
kept says what an emitter sent, whatever became of it later. Knows nothing about calls.
"""

from __future__ import annotations

import gzip
import http.client
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS: dict[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A span or a log record as it left the emitter: when it began, and all it says."""

    kind: str
    name: str
    scope: str
    time_ns: int
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Relayed:
    """A request that went through, and the HTTP or gRPC status the collector answered with."""

    path: str
    body: bytes
    status: int


class OtlpTap:
    """Listens on loopback and relays to `collector_url`; a context manager."""

    def __init__(self, collector_url: str) -> None:
        self.relayed: list[Relayed] = []
        self._lock = threading.Lock()
        self._collector = urlsplit(collector_url)
        self._server = _Server(("127.0.0.1", 0), _Relay)
        self._server.tap = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The endpoint to give an emitter."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OtlpTap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def relay(self, handler: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request on; the collector's status, headers and body."""
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        kept = [(k, v) for k, v in handler.headers.items() if k.lower() not in _HOP_BY_HOP]
        connection = http.client.HTTPConnection(str(self._collector.netloc), timeout=60)
        try:
            connection.request(str(handler.command), handler.path, body, dict(kept))
            answer = connection.getresponse()
            answered = answer.read()
        finally:
            connection.close()
        plain = _unpack(body, handler.headers.get("content-encoding", ""))
        with self._lock:
            self.relayed.append(Relayed(handler.path, plain, answer.status))
        back = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP]
        return answer.status, back, answered


class _Server(ThreadingHTTPServer):
    tap: OtlpTap
    daemon_threads = True


class _Relay(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        status, headers, body = self.server.tap.relay(self)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Requests are kept, not printed."""


def _unpack(body: bytes, encoding: str) -> bytes:
    return {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(encoding, bytes)(body)


def read_sent(request: Relayed) -> Iterator[Sent]:
    """The spans and log records of a request."""
    kind = next((known for known in _KINDS if request.path.endswith(known)), "")
    if not kind:
        return
    message: Any = _KINDS[kind]()
    message.ParseFromString(request.body)
    if kind == "/v1/traces":
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                yield from (_read_span(span, scope.scope.name) for span in scope.spans)
    elif kind == "/v1/logs":
        for resource in message.resource_logs:
            for scope in resource.scope_logs:
                yield from (_read_record(record, scope.scope.name) for record in scope.log_records)


def _read_span(span: Any, scope: str) -> Sent:
    attributes = _plain_all(span.attributes)
    for number, event in enumerate(span.events):
        attributes[f"event {number} {event.name}"] = _plain_all(event.attributes)
    return Sent("span", span.name, scope, span.start_time_unix_nano, attributes)


def _read_record(record: Any, scope: str) -> Sent:
    attributes = _plain_all(record.attributes)
    name = record.event_name or str(attributes.get("event.name", ""))
    attributes["body"] = _plain(record.body)
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    return Sent("log", name, scope, time_ns, attributes)


def _plain_all(pairs: Any) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: Any) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return _plain_all(value.kvlist_value.values)
        case None:
            return None
        case which:
            return getattr(value, which)
