"""One chaos run: a seed decides the traffic, the blows and their moments; then the books are read.

A run is a handful of rounds. In each the server starts, traffic flows, something happens to it (the
blow), and in the end everything is healed, flushed and compared with what was acknowledged.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from running_clickhouse import RunningClickHouse
from running_server import RunningServer

from chaos.disk import SmallDisk
from chaos.traffic import Exporter, Request, build_requests, send_cut
from chaos.truth import find_differences
from watchpost_collector.otlp.envelope import read_envelopes

FAULTS = (
    *("written", "synced", "sealed", "before_insert", "after_insert"),
    *("before_delete", "half_split", "half_settled", "half_closed"),
)
EMBEDDED_BLOWS = ("kill", "kill", "fault", "fault", "full", "torn", "stop")
SERVER_BLOWS = (*EMBEDDED_BLOWS, "away", "away", "killed together", "stalled")
_DISK_MEGABYTES = 192
# Seconds that a database that was stopped can outlast.
_PATIENCE = "send_receive_timeout=5"


@dataclass(slots=True)
class Outcome:
    """What a run did and found."""

    seed: int
    store: str
    blows: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    resent: int = 0
    refused: int = 0
    cut: int = 0
    spans: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


class ChaosRun:
    """One run's server, disk, database and traffic."""

    def __init__(self, seed: int, database: RunningClickHouse | None, disk: SmallDisk) -> None:
        self.outcome = Outcome(seed, "server" if database else "embedded")
        self._dice = random.Random(seed)
        self._project = f"chaos-{seed}"
        self._database, self._disk = database, disk
        self._data = disk.place / "data"
        self._sent = Exporter(build_requests(self._dice, 30, self._project))
        self._spare = build_requests(self._dice, 12, self._project)
        self._server: RunningServer | None = None

    def play(self) -> Outcome:
        """Play every round, heal, and compare."""
        began = time.monotonic()
        blows = SERVER_BLOWS if self._database else EMBEDDED_BLOWS
        for _ in range(self._dice.randint(2, 4)):
            blow = self._dice.choice(blows)
            self.outcome.blows[blow] += 1
            self._play_round(blow)
        self._finish()
        self.outcome.acknowledged = len(self._sent.acknowledged)
        self.outcome.spans = sum(len(r.span_ids) for r in self._sent.acknowledged.values())
        self.outcome.resent, self.outcome.refused = self._sent.resent, self._sent.refused
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def close(self) -> None:
        """End the server, whatever happened."""
        if self._server is not None:
            self._server.kill()

    def _start(self, fault: str = "", interval_s: float = 600.0) -> RunningServer:
        environ = {"WATCHPOST_FAULT": fault} if fault else {}
        # What a server tells of itself would be a segment that nobody sent.
        options = ["--flush-interval", str(interval_s), "--telemetry", "off"]
        if self._database:
            options += ["--store", f"{self._database.dsn}?{_PATIENCE}"]
        self._server = server = RunningServer(self._data, *options, environ=environ)
        wait = self._dice.random() < 0.5
        try:
            server.start_without_store()
            if wait:
                server.wait_for_store()
        except (AssertionError, OSError):
            # A fault may kill it that early; nothing else may.
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(5)
            if server.poll() != -signal.SIGKILL:
                self.outcome.differences.append(f"it did not start: {server.output[-300:]}")
        return server

    def _play_round(self, blow: str) -> None:
        fault = ""
        if blow == "fault":
            fault = f"{self._dice.choice(FAULTS)}:{self._dice.randint(1, 4)}"
            self.outcome.blows[fault.partition(":")[0]] += 1
        server = self._start(fault, self._dice.choice((0.05, 0.3, 600.0)))
        if server.otlp_url:
            sender = threading.Thread(target=self._send, args=(server, self._dice.random()))
            sender.start()
            time.sleep(self._dice.uniform(0.0, 0.6))
            self._strike(blow, server)
            sender.join()
        if blow == "stop":
            server.stop()
        else:
            server.kill()

    def _strike(self, blow: str, server: RunningServer) -> None:
        if blow in ("kill", "torn"):
            server.kill()
        if blow == "torn":
            self._tear()
        elif blow == "fault":
            _provoke(server)
        elif blow == "full":
            self._disk.fill(server.pid)
            time.sleep(self._dice.uniform(0.1, 0.6))
            if self._dice.random() < 0.5:
                server.kill()
            self._disk.empty(server.pid)
        elif blow in ("away", "killed together", "stalled"):
            self._hurt_database(blow, server)

    def _hurt_database(self, blow: str, server: RunningServer) -> None:
        assert self._database is not None
        if blow == "stalled":
            self._database.pause()
            time.sleep(self._dice.choice((0.3, 1.0, 6.0)))
            self._database.resume()
            return
        self._database.kill()
        if blow == "killed together":
            server.kill()
        time.sleep(self._dice.uniform(0.0, 0.5))
        self._database.start()

    def _tear(self) -> None:
        """Half an envelope behind the last one, as a crash in the middle of a write leaves it."""
        files = sorted((self._data / "spool").glob("*.spool"))
        if files:
            content = files[-1].read_bytes()
            first = next(iter(read_envelopes(content)), None)
            with files[-1].open("ab") as file:
                file.write(content[: self._dice.randrange(1, first.end)] if first else b"\xff")

    def _send(self, server: RunningServer, mischief: float) -> None:
        url = server.otlp_url
        dice = random.Random(mischief)
        for _ in range(3):
            self._sent.send_for(url, 0.25, dice.choice((0.0, 0.002, 0.02)))
            if self._sent.acknowledged and dice.random() < 0.5:
                self._sent.resend(url, dice.choice(list(self._sent.acknowledged.values())))
            if dice.random() < 0.5:
                self._cut(url, dice)

    def _cut(self, url: str, dice: random.Random) -> None:
        request: Request = dice.choice(self._spare)
        status = send_cut(url, request, dice)
        self.outcome.cut += 1
        if status == http.client.OK:
            self._sent.wrong.append("a cut body was acknowledged")

    def _finish(self) -> None:
        server = self._start()
        try:
            server.wait_for_store()
            self._sent.send_for(server.otlp_url, 120, 0)
            # A request without an answer is usually sent again; here all that are left are.
            for request in list(self._sent.acknowledged.values())[-5:]:
                self._sent.resend(server.otlp_url, request)
            server.flush()
            self._wait_for_rest(server)
            found = find_differences(server.query, self._project, self._sent)
            self.outcome.differences += found + self._check_books(server)
        except (AssertionError, OSError) as error:
            self.outcome.differences.append(f"the last round failed: {str(error)[-300:]}")
        finally:
            server.kill()

    def _wait_for_rest(self, server: RunningServer) -> None:
        """Until upkeep has settled and closed what past processes left."""
        give_up = time.monotonic() + 20
        open_hours = (
            "SELECT count() FROM (SELECT hour FROM watchpost.hours GROUP BY hour HAVING "
            "max(closed) <= max(touched) AND hour < toStartOfHour(now() - INTERVAL 10 MINUTE))"
        )
        while server.query(open_hours) == [(1,)] and time.monotonic() < give_up:
            time.sleep(0.2)

    def _check_books(self, server: RunningServer) -> list[str]:
        spans = server.status()["spans"]
        ended = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
        lost = spans["received"] + spans["recovered"] - sum(spans.get(n, 0) for n in ended)
        problems = [f"{lost} spans are in no counter: {spans}"] if lost else []
        if spans["waiting"] or spans["set_aside"]:
            problems.append(f"not settled: {spans}")
        if any((self._data / "spool").glob("*.spool")):
            problems.append("segments are left in the spool")
        return problems


def play_run(seed: int, directory: Path, database: RunningClickHouse | None) -> Outcome:
    """Play the run of a seed in a directory of its own."""
    directory.mkdir(parents=True)
    with (
        SmallDisk(directory / "disk", _DISK_MEGABYTES) as disk,
        contextlib.closing(ChaosRun(seed, database, disk)) as run,
    ):
        return run.play()


def _provoke(server: RunningServer) -> None:
    """Ask for a flush; the server may die of it before it answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.request("POST", "/api/flush")
    if server.poll() is None:
        server.kill(signal.SIGKILL)
