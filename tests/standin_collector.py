"""A collector on loopback that answers as told and keeps what it was sent."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class StandInCollector:
    """Answers 200 unless `answers` holds (status, headers, body) to give first."""

    def __init__(self, port: int = 0) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[ExportTraceServiceRequest] = []
        self.log_requests: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                collector.connections += 1
                collector._open.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers.append({"path": self.path, **dict(self.headers)})
                status, headers, answer = (
                    collector.answers.pop(0) if collector.answers else (200, {}, b"")
                )
                if status == 200 and self.path.endswith("/v1/logs"):
                    sent = ExportLogsServiceRequest.FromString(gzip.decompress(body))
                    collector.log_requests.append(sent)
                elif status == 200:
                    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
                    collector.requests.append(request)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> StandInCollector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        # A process that ends leaves no connection open behind it.
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, status: int, **headers: str) -> None:
        """Answer the next request with an error."""
        self.answers.append((status, headers, b"no"))

    def reject(self, spans: int) -> None:
        """Accept the next request but for some spans."""
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = spans
        answer.partial_success.error_message = "no"
        self.answers.append((200, {}, answer.SerializeToString()))

    @property
    def names(self) -> list[str]:
        """The names of the spans received, in order."""
        return [span.name for span in self.spans()]

    def spans(self) -> Iterator[object]:
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans

    def events(self) -> list[tuple[str, str, dict[str, object]]]:
        """Trace, span and attributes of every log record received, in order."""
        return [
            (
                record.trace_id.hex(),
                record.span_id.hex(),
                {
                    pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
                    for pair in record.attributes
                },
            )
            for request in self.log_requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
