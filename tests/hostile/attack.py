"""An attack on a running server: hostile requests, silent and slow connections, honest traffic.

Memory is the kernel's own record of the process (VmHWM, VmRSS). Every hostile request must be
answered or hung up on; none may be answered 500.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from otlp_bodies import build_request
from running_server import RunningServer

from hostile.shapes import UNFINISHED, draw_shape

_PATIENCE_S, _LEAVES_S = 60.0, 0.05
_SILENT, _SLOW = 200, 40


@dataclass(slots=True)
class Report:
    """What was sent, what came back, and what it cost the server."""

    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    by_shape: Counter[str] = field(default_factory=Counter)
    honest_spans: int = 0
    honest_waits_s: list[float] = field(default_factory=list)
    before_bytes: int = 0
    peak_bytes: int = 0
    after_bytes: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Attack:
    """One attack; lives while it is played."""

    def __init__(self, server: RunningServer, requests: int, seed: int, senders: int = 6) -> None:
        self.report = Report()
        self._server = server
        parts = urlsplit(server.otlp_url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._left = requests
        self._seed, self._senders = seed, senders
        self._lock = threading.Lock()
        self._over = threading.Event()

    def play(self) -> Report:
        """Send everything, wait until it is over, and read what it cost."""
        began = time.monotonic()
        self.report.before_bytes = read_memory(self._server.pid, "VmRSS")
        threads = [
            threading.Thread(target=self._send_all, args=(random.Random(self._seed + n),))
            for n in range(self._senders)
        ]
        others = [threading.Thread(target=work) for work in (self._be_honest, self._be_slow)]
        for thread in (*threads, *others):
            thread.start()
        for thread in threads:
            thread.join()
        self._over.set()
        for thread in others:
            thread.join()
        self.report.seconds = time.monotonic() - began
        self._server.flush()
        self.report.peak_bytes = read_memory(self._server.pid, "VmHWM")
        self.report.after_bytes = read_memory(self._server.pid, "VmRSS")
        return self.report

    def _send_all(self, dice: random.Random) -> None:
        while True:
            with self._lock:
                if self._left == 0:
                    return
                self._left -= 1
                self.report.requests += 1
            shape = draw_shape(dice)
            name = shape.__name__
            outcome = self._send(shape(dice), unfinished=shape in UNFINISHED)
            with self._lock:
                self.report.answers[outcome] += 1
                self.report.by_shape[f"{name}: {outcome}"] += 1
                if outcome in ("500", "no answer"):
                    self.report.wrong.append(f"{name} got {outcome}")

    def _send(self, content: bytes, *, unfinished: bool) -> str:
        """The status, or that the server hung up, or that nothing came.

        Whoever sends half a request is not waited for: it may leave, as attackers do.
        """
        try:
            with socket.create_connection(self._address, _PATIENCE_S) as connection:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(content)
                if unfinished:
                    connection.settimeout(_LEAVES_S)
                answer = connection.recv(64)
        except ConnectionError:
            return "hung up"
        except TimeoutError:
            return "left" if unfinished else "no answer"
        found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        return found.group(1).decode() if found else "hung up"

    def _be_honest(self) -> None:
        while not self._over.wait(0.1):
            body = build_request(5, service="honest").SerializeToString()
            began = time.monotonic()
            status = 0
            while status != 200 and time.monotonic() - began < _PATIENCE_S:
                status = self._server.send(body).status
                if status not in (200, 429, 503):
                    self.report.wrong.append(f"an honest request was answered {status}")
                    break
            self.report.honest_waits_s.append(time.monotonic() - began)
            self.report.honest_spans += 5 if status == 200 else 0

    def _be_slow(self) -> None:
        """Connections that say nothing, and some that send a body a byte at a time."""
        silent = [socket.create_connection(self._address) for _ in range(_SILENT)]
        slow = [socket.create_connection(self._address) for _ in range(_SLOW)]
        head = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n"
        head += b"content-type: application/x-protobuf\r\n\r\n"
        for number, connection in enumerate(slow):
            connection.sendall(head if number % 2 else head[:60])
        while not self._over.wait(0.5):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"a")
        for connection in (*silent, *slow):
            connection.close()


def read_memory(pid: int, name: str) -> int:
    """A line of /proc/PID/status in bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024


def check(server: RunningServer, report: Report) -> list[str]:
    """What is wrong after an attack, beside memory."""
    found = list(report.wrong[:10])
    rows = server.query("SELECT uniqExact(span_id) FROM watchpost.spans WHERE service = 'honest'")
    if rows != [(report.honest_spans,)] and rows != [(str(report.honest_spans),)]:
        found.append(f"{report.honest_spans} honest spans acknowledged, {rows} stored")
    spans = server.status()["spans"]
    ended = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
    lost = spans["received"] + spans["recovered"] - sum(spans[name] for name in ended)
    if lost:
        found.append(f"{lost} spans are in no counter: {spans}")
    return found
