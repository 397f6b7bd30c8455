"""A server of prompts on loopback that answers as told and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class StandInLibrary:
    """A server of prompts: `texts` by name, with what it was asked."""

    def __init__(self) -> None:
        self.texts: dict[str, Any] = {}
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[dict[str, str]] = []
        self.unchanged = 0
        library = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                library.asked.append(
                    {"path": parts.path, "key": self.headers["Authorization"] or ""}
                    | dict(parse_qsl(parts.query))
                )
                library.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer the question asked last."""
        name = self.asked[-1].get("name", "")
        text = self.texts.get(name, "")
        etag = f'"{hash(str(text))}"'
        status, body = self.status, self.body
        if body is None:
            found = {"name": name, "version": len(str(text)), "template": text}
            body = json.dumps(found if text else {"error": f"no prompt {name}"}).encode()
            status = status if text else 404
        if status == 200 and handler.headers["If-None-Match"] == etag:
            status, body = 304, b""
            self.unchanged += 1
        handler.send_response(status)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
