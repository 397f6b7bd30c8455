"""How long and how much a connection may take before a request is there: uvicorn has no bound.

A client that opens a connection and says nothing, one that sends its headers a byte a minute, one
whose headers never end: each would hold a connection, or memory, for as long as it likes. This
file knows bytes and timers of one connection; it knows no request.
"""

from __future__ import annotations

import asyncio
from typing import Any

HEAD_S, MESSAGE_S = 15.0, 90.0
HEAD_BYTES = 64 << 10

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n"


class Patience(asyncio.Protocol):
    """Closes an HTTP connection when its head takes too long, or is too large.

    Written before uvicorn's protocol over httptools in the list of a class's bases.

    A head has HEAD_S seconds from the first byte (or the connection) on, a message MESSAGE_S.
    """

    transport: Any
    parser: Any
    loop: asyncio.AbstractEventLoop

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client a while to begin."""
        super().connection_made(transport)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a message's headers are complete."""
        if self._in_message:
            super().data_received(data)
            return
        if self._timer is None:
            # Also for line ends between two messages, which begin none.
            self._wait(HEAD_S)
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_message and self._head_bytes > HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is there: now the body has its time."""
        self._in_message, self._head_bytes = True, 0
        self._stop_waiting()
        if not self.parser.should_upgrade():
            self._wait(MESSAGE_S)
        super().on_headers_complete()  # type: ignore[misc]

    def on_message_complete(self) -> None:
        """The message is there; what comes next is another one's head."""
        self._in_message = False
        self._stop_waiting()
        super().on_message_complete()  # type: ignore[misc]

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
