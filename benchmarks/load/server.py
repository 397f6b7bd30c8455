"""A server under measurement: starts it, reads what its threads use, asks it, stops it.

CPU seconds are user and system time of the process. Threads are looked at twice a second, because
the engine's come and go and change their names with their work. This file knows processes and two
HTTP addresses; it does not know what is sent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_READY_S = 180.0
_LOOK_EVERY_S = 0.5
_THREAD_NAMES = Path(__file__).with_name("thread_names")
# Names as the kernel keeps them: fifteen characters. The first that fits gives the role.
_ROLES = (
    ("watchpost-spool", "spool writer"),
    ("watchpost-flush", "flusher"),
    ("watchpost-upkee", "upkeep"),
    ("asyncio_", "admission threads"),
    ("uvloop_", "admission threads"),
    ("MergeMutate", "engine: merges"),
)


class MeasuredServer:
    """A collector in a process of its own, from `start` to `stop`."""

    def __init__(self, data: Path, command: Sequence[str] | None = None) -> None:
        self.data = data
        self.otlp = self.query_url = ""
        own = [str(Path(sys.executable).with_name("watchpost")), "up"]
        self._ready = data.with_name(f"{data.name}.ready")
        self._command = [*(command or own), "--data", str(data), "--ready-file", str(self._ready)]
        self._command += ["--port", "0", "--no-grpc", "--query-port", "0"]
        self._process: subprocess.Popen[bytes] | None = None
        self._roles: dict[int, str] = {}

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start it and do not wait."""
        paths = [str(_THREAD_NAMES), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with self.data.with_name(f"{self.data.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, env=environ
            )

    def wait_until_ready(self) -> None:
        """Wait until it can be asked and has nothing left to do; SystemExit when it ends."""
        assert self._process is not None
        give_up = time.monotonic() + _READY_S
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                log = self.data.with_name(f"{self.data.name}.log").read_text(errors="replace")
                raise SystemExit(f"the server did not start:\n{log[-3000:]}")
            time.sleep(0.05)
        urls = json.loads(self._ready.read_text())
        self.otlp, self.query_url = urls["otlp"], urls["query"]
        # Now, because the engine renames the threads that call it.
        self._roles = read_roles(self.pid)
        wait_until_quiet(self.pid)

    def time_threads(self) -> ThreadTimes:
        """Times its threads for the length of a `with` block."""
        return ThreadTimes(self.pid, self._roles)

    def flush(self) -> None:
        """Wait until everything acknowledged can be queried, however often the wait times out."""
        while True:
            try:
                _post(f"{self.otlp}/api/flush", b"", "application/json")
                return
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                error.close()
                time.sleep(0.1)

    def query(self, sql: str) -> list[list[str]]:
        """The rows of a question, as text."""
        answer = _post(self.query_url, sql.encode(), "text/plain")
        return [line.split("\t") for line in answer.splitlines()]

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(120)


class ThreadTimes:
    """CPU seconds of a process by what its threads do, from `with` to its end."""

    def __init__(self, pid: int, roles: Mapping[int, str]) -> None:
        self._pid = pid
        self._roles = roles
        self._seen: dict[int, int] = {}
        self._ticks: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ThreadTimes:
        self._begin_s = read_cpu_s(self._pid)
        self._look(count=False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.cpu_s = read_cpu_s(self._pid) - self._begin_s
        self._look(count=True)

    def groups(self) -> dict[str, float]:
        """Seconds by group; `ended unseen` is what short-lived threads used between two looks."""
        named = {name: ticks / _TICKS_A_SECOND for name, ticks in self._ticks.most_common()}
        unseen = self.cpu_s - sum(named.values())
        return {**named, "ended unseen": max(round(unseen, 2), 0.0)}

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._look(count=True)

    def _look(self, *, count: bool) -> None:
        for tid, name, ticks in _list_threads(self._pid):
            used = ticks - self._seen.get(tid, 0)
            self._seen[tid] = ticks
            if count and used > 0:
                self._ticks[self._roles.get(tid) or _find_role(name) or f"engine: {name}"] += used


def read_roles(pid: int) -> dict[int, str]:
    """What the threads that have a name of ours are for, by thread id."""
    roles = {tid: _find_role(name) for tid, name, _ in _list_threads(pid)}
    return {**{tid: role for tid, role in roles.items() if role}, pid: "main loop (HTTP)"}


def _find_role(name: str) -> str:
    return next((role for begin, role in _ROLES if name.startswith(begin)), "")


def _list_threads(pid: int) -> Iterator[tuple[int, str, int]]:
    """Thread id, name, and ticks of CPU time so far."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            head, _, rest = Path(f"/proc/{pid}/task/{task}/stat").read_text().rpartition(")")
        except OSError:  # it ended meanwhile
            continue
        fields = rest.split()
        yield int(task), head.partition("(")[2], int(fields[11]) + int(fields[12])


def read_cpu_s(pid: int) -> float:
    """CPU seconds a process used so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def wait_until_quiet(pid: int) -> None:
    """Wait until a process uses less than a twentieth of a CPU: its merges are over."""
    quiet = 0
    while quiet < 2:
        before_s = read_cpu_s(pid)
        time.sleep(0.3)
        quiet = quiet + 1 if read_cpu_s(pid) - before_s <= 0.015 else 0


def run_step(module: str, *words: object) -> str:
    """Run a module of this benchmark in a process of its own; the last line it printed."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


def _post(url: str, body: bytes, content_type: str) -> str:
    request = urllib.request.Request(url, data=body, headers={"content-type": content_type})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return str(answer.read().decode())
