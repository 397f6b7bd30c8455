"""A door in front of a server that can be shut: what comes then waits until it is opened."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit


class GatedDoor:
    """Passes connections to `url` on, those that come while it is shut as soon as it opens."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._open = threading.Event()
        self._open.set()
        self._arrived = threading.Condition()
        self.waiting = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def __enter__(self) -> GatedDoor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self._open.set()
        # A thread in accept() is not woken by a close on every system; by a visitor it is.
        with self._listener:
            self._target = ("", 0)
            socket.create_connection(self._listener.getsockname()).close()
            self._thread.join()

    def shut(self) -> None:
        """Have what comes from now on wait."""
        self._open.clear()

    def open(self) -> None:
        """Let everybody through."""
        self._open.set()

    def wait_for(self, visitors: int) -> None:
        """Return when this many have come since the beginning."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.waiting >= visitors, 60)

    def _accept(self) -> None:
        passing = []
        while True:
            visitor, _ = self._listener.accept()
            if self._target == ("", 0):
                visitor.close()
                break
            with self._arrived:
                self.waiting += 1
                self._arrived.notify_all()
            passing.append(threading.Thread(target=self._pass, args=(visitor, self._target)))
            passing[-1].start()
        for thread in passing:
            thread.join()

    def _pass(self, visitor: socket.socket, target: tuple[str, int]) -> None:
        with visitor:
            self._open.wait()
            with socket.create_connection(target) as server:
                back = threading.Thread(target=_pump, args=(server, visitor))
                back.start()
                _pump(visitor, server)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
