"""A receiver in a process of its own that counts the spans it is sent; GET tells.

Spans are counted under the first part of the path, so that each contender has a place of its own.
Under `slow-...` an answer takes 100 ms.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.request import urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SLOW_S = 0.1
_LOCK = Lock()


class Counting(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    protocol_version = "HTTP/1.1"
    counts: dict[str, int] = {}  # noqa: RUF012 - one process, one count

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        place = self.path.strip("/").partition("/")[0]
        if self.path.endswith("/v1/traces"):
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            sent = ExportTraceServiceRequest.FromString(body).resource_spans
            spans = sum(len(scope.spans) for resource in sent for scope in resource.scope_spans)
            with _LOCK:
                self.counts[place] = self.counts.get(place, 0) + spans
        if place.startswith("slow-"):
            time.sleep(SLOW_S)
        self.reply(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        self.reply(json.dumps(self.counts).encode(), "application/json")

    def reply(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Say nothing."""


class Receiver:
    """The process; `with Receiver() as receiver`."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.url = ""

    def __enter__(self) -> Receiver:
        command = [sys.executable, __file__, str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def count(self, place: str) -> int:
        """The spans that arrived at a place."""
        with urlopen(self.url) as answer:
            return int(json.loads(answer.read()).get(place, 0))


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Counting)
    print(server.server_address[1], flush=True)
    server.serve_forever()
