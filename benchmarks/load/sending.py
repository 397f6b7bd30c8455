"""Sending: many kept connections, as fast as they go or each request at its own time.

Times are milliseconds from when a request was due to when its answer was read: where a schedule
is kept, a request that had to wait for a free connection counts its waiting. A collector that
says it is full is asked again after the time it names. This file knows HTTP and no spans.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONNECTIONS = 32
_PATH = "/v1/traces"
_BUSY = (429, 503)


class RefusedError(Exception):
    """Raised when the collector refuses what it should take."""


@dataclass(slots=True)
class Sent:
    """What came of sending: each acknowledgement's milliseconds, and how often we were told off."""

    ack_ms: list[float] = field(default_factory=list)
    busy: int = 0

    def percentile(self, share: float) -> float:
        """The time a share of the acknowledgements stayed under, in milliseconds."""
        times = sorted(self.ack_ms)
        return round(times[min(int(len(times) * share), len(times) - 1)], 2)


def send(url: str, bodies: Sequence[bytes], *, gzip: bool, interval_s: float = 0.0) -> Sent:
    """Send all bodies over 32 connections and read the answers.

    `interval_s` spaces them on a fixed schedule that waits for nobody; 0 sends each when a
    connection is free. Raises RefusedError for an answer that is neither yes nor "later".
    """
    try:
        return asyncio.run(_send(url, bodies, gzip, interval_s))
    except ExceptionGroup as group:  # all connections fail of one cause
        raise group.exceptions[0] from None


class _Link:
    """One kept connection, opened anew when the collector closed it for want of use."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._place)

    async def ask(self, request: tuple[bytes, ...]) -> tuple[int, float, bytes]:
        if self._reader.at_eof():
            self.close()
            await self.open()
        try:
            self._writer.writelines(request)
            return await _read_answer(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if getattr(error, "partial", b""):
                raise
            # Closed just as we asked. A resend is stored once.
            await self.open()
            self._writer.writelines(request)
            return await _read_answer(self._reader)

    def close(self) -> None:
        self._writer.close()


async def _send(url: str, bodies: Sequence[bytes], gzip: bool, interval_s: float) -> Sent:
    sent = Sent()
    parts = urlsplit(url)
    encoding = "content-encoding: gzip\r\n" if gzip else ""
    head = (
        f"POST {_PATH} HTTP/1.1\r\nhost: {parts.netloc}\r\n{encoding}"
        "content-type: application/x-protobuf\r\ncontent-length: "
    ).encode()
    started = time.perf_counter() + 0.05
    due = ((body, started + number * interval_s) for number, body in enumerate(bodies))
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            link = _Link(parts.hostname or "", parts.port or 80)
            await link.open()
            group.create_task(_use(link, head, due, interval_s > 0, sent))
    return sent


async def _use(
    link: _Link,
    head: bytes,
    due: Iterator[tuple[bytes, float]],
    scheduled: bool,
    sent: Sent,
) -> None:
    """One connection: take what is due next, send it, wait for the answer."""
    for body, due_at in due:
        begun = due_at if scheduled else time.perf_counter()
        if (ahead := begun - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        while True:
            parts = (head, str(len(body)).encode(), b"\r\n\r\n", body)
            status, retry_s, text = await link.ask(parts)
            if status == 200:
                break
            if status not in _BUSY:
                raise RefusedError(f"the collector answered {status}: {text[:200]!r}")
            sent.busy += 1
            await asyncio.sleep(retry_s)
        sent.ack_ms.append((time.perf_counter() - begun) * 1000)
    link.close()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, float, bytes]:
    """The status, the seconds of Retry-After, and the body."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), float(headers.get("retry-after", "1")), body
