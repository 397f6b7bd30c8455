"""A real HTTP server as the target of webhooks: it keeps what came and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).parent / "fixtures" / "tls" / "localhost.pem"
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that came: its path, its headers in small letters, its JSON."""

    path: str
    headers: Mapping[str, str]
    told: Any


class HookServer:
    """Serves in a `with` block, on loopback. `statuses` are answered in turn, then 200."""

    def __init__(
        self, *statuses: int, headers: Mapping[str, str] | None = None, secure: bool = False
    ) -> None:
        self.taken: list[Taken] = []
        self.statuses = list(statuses)
        self._headers = dict(headers or {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = True
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._scheme = "https" if secure else "http"

    def __enter__(self) -> HookServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """An address of it."""
        return f"{self._scheme}://localhost:{self.port}/hook"

    def wait_for(self, count: int) -> list[Taken]:
        """What came, when it is at least this much."""
        wait_until(lambda: len(self.taken) >= count)
        return self.taken

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = hook.statuses.pop(0) if hook.statuses else 200
                self.send_response(status)
                for name, value in hook._headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                # Before the answer: whoever has that finds it here.
                hook.taken.append(Taken(self.path, headers, json.loads(body)))
                self.end_headers()

            def do_GET(self) -> None:
                hook.taken.append(Taken(self.path, {}, None))
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait, for a bounded time, until something is so."""
    give_up = time.monotonic() + _PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.005)
