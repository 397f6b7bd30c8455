"""The database is away, comes, goes and comes back; every acknowledged span ends up in it once."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from otlp_bodies import build_request
from running_clickhouse import RunningClickHouse
from running_server import RunningServer


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
    clickhouse = RunningClickHouse(tmp_path / "clickhouse", port=find_port())
    running = RunningServer(
        tmp_path / "data", "--store", clickhouse.dsn, "--flush-interval", "0.05"
    )
    running.start_without_store()
    try:
        send(running, 3)
        assert running.request("GET", "/healthz").status == 200
        with clickhouse:
            running.wait_until_ready()
            assert running.flush()["stored"] == 3
        send(running, 4)
        wait_for_state(running, "away")
        assert running.status()["spans"]["waiting"] == 4
        with clickhouse:
            wait_for_state(running, "ready")
            assert running.flush()["stored"] == 7
            rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'away'")
            assert rows == [(7,)]
            assert clickhouse.password not in running.output
    finally:
        running.kill()
