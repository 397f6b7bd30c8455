"""Waiting for the demo's own server until what was sent can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from watchpost.errors import CollectorError
from watchpost_collector.demo.own_server import wait_until_stored


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[str]]]:
    """A server with one status after the other, the last for good; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(statuses[min(len(asked), len(statuses)) - 1])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing is said of it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_store_that_is_not_done_is_asked_again() -> None:
    with answering(503, 503, 200) as (url, asked):
        wait_until_stored(url, 60)
    assert asked == ["/api/flush"] * 3


def test_a_store_that_is_never_done_is_told_with_its_reason() -> None:
    with answering(503) as (url, _), pytest.raises(CollectorError, match="answered 503"):
        wait_until_stored(url, 0.5)


def test_any_other_answer_is_told_at_once() -> None:
    with answering(500) as (url, asked), pytest.raises(CollectorError, match="answered 500"):
        wait_until_stored(url, 60)
    assert len(asked) == 1
