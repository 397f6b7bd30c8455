"""The query endpoint on a loopback port, and a way to ask it by hand."""

from __future__ import annotations

import http.client
import socket
import threading

import uvicorn

from watchpost.serving.keys import Keys
from watchpost_collector.query.facade import Facade
from watchpost_collector.query.reader import Reader
from watchpost_collector.query.session import Limits
from watchpost_collector.store.client import Store

ADMIN, READ = "a" * 24, "r" * 24


class Running:
    """A façade on a loopback port."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self.reader = Reader(store.dsn, Limits(execution_s=10))
        self.app = Facade(self.reader, keys)
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        self.port: int = bound.getsockname()[1]
        config = uvicorn.Config(self.app, lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([bound],))
        bound.listen()
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.app.close()
        self.reader.close()

    def ask(
        self, target: str, body: bytes | None = None, method: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if body is None else "POST"), target, body, spelled)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, answer
