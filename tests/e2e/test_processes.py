"""Export in real processes: whatever forks, freezes or ends them, each span arrives, and once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer
from standin_collector import StandInCollector

_PATIENCE_S = 120.0
BEGIN = """
import os, signal, sys, time
import watchpost

def record(name):
    with watchpost.span(name, kind="tool"):
        pass

watchpost.configure(service="process")
"""


class Running:
    """A program with watchpost in a process of its own; killed when the test is over."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.environ = {
            **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME")},
            "PYTHONPATH": str(folder),
            "WATCHPOST_ENDPOINT": endpoint,
            "WATCHPOST_DATA_DIR": str(folder / "kept"),
        }
        self.processes: list[subprocess.Popen[str]] = []

    def write(self, name: str, program: str) -> None:
        """A module that the command can import."""
        (self.folder / f"{name}.py").write_text(BEGIN + textwrap.dedent(program))

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Any command, its output readable line by line."""
        started = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(started)
        return started

    def start_program(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """A program that imported and configured watchpost."""
        source = BEGIN + textwrap.dedent(program)
        return self.start("-W", "error", "-c", source, *arguments)

    def run(self, program: str) -> int:
        """A whole program; its exit status."""
        return self.start_program(program).wait(_PATIENCE_S)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def collector() -> Iterator[StandInCollector]:
    with StandInCollector() as running:
        yield running


@pytest.fixture
def programs(tmp_path: Path, collector: StandInCollector) -> Iterator[Running]:
    running = Running(tmp_path, collector.url)
    yield running
    running.close()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_for(found: Any) -> None:
    """Until something is there; it is never waited for to prove that something is not."""
    give_up = time.monotonic() + _PATIENCE_S
    while not found():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- forks --------------------------------------------------------------------------------------

FORKS = """
record("parent before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        record(f"child {number}")
        # Half of them leave at once, as workers do that flush at their end.
        if number == 0:
            watchpost.flush()
            os._exit(0)
        sys.exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
record("parent after")
"""
FORKED = sorted(["parent before", "parent after", "child 0", "child 1", "child 2"])


def test_children_of_a_fork_send_their_own_spans_and_nobody_sends_one_twice(
    programs: Running, collector: StandInCollector
) -> None:
    assert programs.run(FORKS) == 0
    assert sorted(collector.names) == FORKED


def test_a_real_collector_has_each_span_of_forks_once(
    server: RunningServer, tmp_path: Path
) -> None:
    service = f"forks-{uuid.uuid4().hex[:8]}"
    programs = Running(tmp_path, server.otlp_url)
    programs.environ["OTEL_SERVICE_NAME"] = service
    try:
        assert programs.run(f"watchpost.configure(service={service!r})\n" + FORKS) == 0
    finally:
        programs.close()
    server.flush()
    found = server.query(f"SELECT name FROM watchpost.spans WHERE service = '{service}'")
    assert sorted(name for (name,) in found) == FORKED


def test_children_of_multiprocessing_lose_nothing_although_they_skip_exit_handlers(
    programs: Running, collector: StandInCollector
) -> None:
    program = """
    import multiprocessing
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=record, args=(f"child {n}",)) for n in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    """
    assert programs.run(program) == 0
    assert sorted(collector.names) == ["child 0", "child 1"]


def test_what_an_earlier_process_left_is_sent_by_a_child_when_its_parent_records_nothing(
    programs: Running, tmp_path: Path
) -> None:
    away = StandInCollector()
    away.close()
    programs.environ["WATCHPOST_ENDPOINT"] = away.url
    assert programs.run("record('left behind')") == 0
    with StandInCollector(away.port) as back:
        child = "if os.fork() == 0:\n    record('child')\nelse:\n    os.wait()"
        assert programs.run(child) == 0
        assert back.names == ["left behind", "child"]


# --- servers and workers ------------------------------------------------------------------------

MEETING = """
def meet(number, folder):
    # The first waits for the second, which another worker has to take.
    open(os.path.join(folder, f"begun-{number}"), "w").close()
    while not os.path.exists(os.path.join(folder, "begun-1")):
        time.sleep(0.02)
"""
WSGI = f"""{MEETING}
def application(environ, start_response):
    number = environ["PATH_INFO"].strip("/")
    if number:
        meet(number, os.environ["MEETING"])
        record(f"request {{number}}")
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
ASGI = f"""{MEETING}
async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    number = scope["path"].strip("/")
    if number:
        meet(number, os.environ["MEETING"])
        record(f"request {{number}}")
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})
"""


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:
        return str(answer.read().decode())


def is_up(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn"])
def test_two_workers_of_a_server_lose_nothing_when_it_is_stopped(
    programs: Running, collector: StandInCollector, tmp_path: Path, kind: str
) -> None:
    programs.environ["MEETING"] = str(tmp_path)
    address = f"127.0.0.1:{free_port()}"
    if kind == "gunicorn":
        programs.write("app", WSGI)
        options = ["--preload", "--workers", "2", "--bind", address, "--log-level", "error"]
        served = programs.start("-m", "gunicorn", *options, "app:application")
    else:
        programs.write("app", ASGI)
        port = address.partition(":")[2]
        options = ["--workers", "2", "--port", port, "--log-level", "error"]
        served = programs.start("-m", "uvicorn", *options, "app:application")
    wait_for(lambda: is_up(f"http://{address}/"))
    answers: list[str] = []
    first = threading.Thread(target=lambda: answers.append(get(f"http://{address}/0")))
    first.start()
    wait_for((tmp_path / "begun-0").exists)
    answers.append(get(f"http://{address}/1"))
    first.join()
    served.terminate()
    served.wait(_PATIENCE_S)
    assert len(set(answers)) == 2
    assert sorted(collector.names) == ["request 0", "request 1"]


CELERY = """
from celery import Celery
queue = os.environ["QUEUE"]
for name in ("in", "control"):
    os.makedirs(os.path.join(queue, name), exist_ok=True)
inside = os.path.join(queue, "in")
app = Celery("app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": inside,
    "data_folder_out": inside,
    "control_folder": os.path.join(queue, "control"),
}

@app.task(name="work")
def work(number):
    record(f"task {number}")
    open(os.path.join(queue, f"done-{number}"), "w").close()
"""


def test_a_celery_worker_that_is_stopped_has_sent_the_spans_of_its_children(
    programs: Running, collector: StandInCollector, tmp_path: Path
) -> None:
    programs.environ["QUEUE"] = str(tmp_path)
    programs.write("app", CELERY)
    sender = "import app\nfor number in range(4):\n    app.work.delay(number)"
    assert programs.start("-c", sender).wait(_PATIENCE_S) == 0
    options = ["--pool", "prefork", "--concurrency", "2", "--loglevel", "error", "--without-gossip"]
    worker = programs.start("-m", "celery", "-A", "app", "worker", *options)
    wait_for(lambda: len(list(tmp_path.glob("done-*"))) == 4)
    worker.terminate()
    worker.wait(_PATIENCE_S)
    assert sorted(collector.names) == [f"task {number}" for number in range(4)]


# --- freezing and ending ------------------------------------------------------------------------


def test_a_process_frozen_between_invocations_has_sent_each_before_it_froze(
    programs: Running, tmp_path: Path
) -> None:
    program = """
    for number in range(3):
        sys.stdin.readline()
        record(f"invocation {number}")
        print(watchpost.flush(), flush=True)
    """
    port = free_port()
    programs.environ["WATCHPOST_ENDPOINT"] = f"http://127.0.0.1:{port}"
    handler = programs.start_program(program)
    assert handler.stdin is not None
    for number in range(3):
        # While it was frozen its connection was closed by the other side.
        with StandInCollector(port) as collector:
            handler.send_signal(signal.SIGCONT)
            handler.stdin.write("\n")
            handler.stdin.flush()
            assert read_line(handler) == "True"
            handler.send_signal(signal.SIGSTOP)
            assert collector.names == [f"invocation {number}"]
    handler.send_signal(signal.SIGCONT)
    assert handler.wait(_PATIENCE_S) == 0


# Whoever runs these tests in the background may have told its children to ignore Ctrl-C.
SLEEPER = """
signal.signal(signal.SIGINT, signal.default_int_handler)
record("last words")
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_as_ever_and_its_spans_arrive(
    programs: Running, collector: StandInCollector, number: signal.Signals
) -> None:
    process = programs.start_program(SLEEPER)
    assert read_line(process) == "ready"
    process.send_signal(number)
    assert process.wait(_PATIENCE_S) == -number
    assert collector.names == ["last words"]


def test_an_applications_own_handler_of_sigterm_still_decides(
    programs: Running, collector: StandInCollector
) -> None:
    program = """
    def leave(number, frame):
        record("handler")
        sys.exit(7)
    signal.signal(signal.SIGTERM, leave)
    watchpost.configure(service="again")
    """
    process = programs.start_program(textwrap.dedent(program) + SLEEPER)
    assert read_line(process) == "ready"
    process.terminate()
    assert process.wait(_PATIENCE_S) == 7
    assert collector.names == ["last words", "handler"]


def test_sigterm_can_be_left_alone_also_after_it_was_heeded(programs: Running) -> None:
    program = """
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    watchpost.configure(heed_sigterm=False)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    assert programs.run(textwrap.dedent(program)) == 0


def test_what_a_killed_process_had_spilled_the_next_one_delivers_in_order(
    programs: Running, tmp_path: Path
) -> None:
    away = StandInCollector()
    away.close()
    programs.environ["WATCHPOST_ENDPOINT"] = away.url
    program = """
    for number in range(3):
        record(f"away {number}")
        watchpost.flush()
    """
    process = programs.start_program(textwrap.dedent(program) + SLEEPER)
    assert read_line(process) == "ready"
    process.kill()
    assert process.wait(_PATIENCE_S) == -signal.SIGKILL
    kept = list((tmp_path / "kept").rglob("*.otlp.gz"))
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    with StandInCollector(away.port) as back:
        assert programs.run("record('next')") == 0
        assert back.names[:3] == ["away 0", "away 1", "away 2"]
        assert back.names[-1] == "next"
