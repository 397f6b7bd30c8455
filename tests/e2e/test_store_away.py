"""The database is away, comes, goes and comes back; every acknowledged span ends up in it once."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otlp_bodies import build_request
from running_server import RunningServer

PASSWORD = "only-for-this-test"
PROGRAM = Path(__file__).with_name("clickhouse_over_http.py")


@contextmanager
def run_clickhouse(directory: Path, port: int) -> Iterator[None]:
    command = [sys.executable, str(PROGRAM), str(directory), str(port), PASSWORD]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(port).encode()
        try:
            yield
        finally:
            process.kill()


def find_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def send(running: RunningServer, spans: int) -> None:
    assert running.send(build_request(spans, service="away").SerializeToString()).status == 200


def wait_for_state(running: RunningServer, state: str) -> None:
    give_up = time.monotonic() + 60
    while running.status()["store"]["state"] != state:
        assert time.monotonic() < give_up, running.status()
        time.sleep(0.1)


def test_spans_wait_in_the_spool_for_a_database_that_is_away(tmp_path: Path) -> None:
    port = find_port()
    dsn = f"http://default:{PASSWORD}@127.0.0.1:{port}"
    running = RunningServer(tmp_path / "data", "--store", dsn, "--flush-interval", "0.05")
    running.start_without_store()
    try:
        send(running, 3)
        assert running.request("GET", "/healthz").status == 200
        with run_clickhouse(tmp_path / "clickhouse", port):
            running.wait_until_ready()
            assert running.flush()["stored"] == 3
        send(running, 4)
        wait_for_state(running, "away")
        assert running.status()["spans"]["waiting"] == 4
        with run_clickhouse(tmp_path / "clickhouse", port):
            wait_for_state(running, "ready")
            assert running.flush()["stored"] == 7
            rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'away'")
            assert rows == [(7,)]
            assert PASSWORD not in running.output
    finally:
        running.kill()
