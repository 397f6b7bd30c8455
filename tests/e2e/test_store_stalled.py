"""The database takes connections and answers nothing, or is never there: nothing is silent."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from otlp_bodies import build_request
from running_clickhouse import RunningClickHouse
from running_server import Answer, RunningServer

NOBODY = "http://nobody@127.0.0.1:9"


def wait_until(holds: Callable[[], bool], running: RunningServer) -> None:
    give_up = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < give_up, running.status()
        time.sleep(0.1)


def send_one(running: RunningServer) -> Answer:
    """A request nobody sent before: one that is sent again is stored already."""
    return running.send(build_request(1).SerializeToString())


def test_a_database_that_stalls_neither_doubles_spans_nor_keeps_the_server_from_stopping(
    tmp_path: Path,
) -> None:
    database = RunningClickHouse(tmp_path / "clickhouse")
    database.start()
    body = build_request(6, service="stalled").SerializeToString()
    running = RunningServer(tmp_path / "data", "--store", database.dsn, "--flush-interval", "0.05")
    try:
        running.start_without_store()
        running.wait_for_store()
        database.pause()
        assert running.send(body).status == 200
        assert running.kill(signal.SIGTERM) == 0
        assert running.output.count("with 6 spans in the spool") == 1
        database.resume()

        running.start_without_store()
        running.wait_for_store()
        running.flush()
        assert running.send(body).status == 200
        running.flush()
        question = "SELECT count() FROM watchpost.spans WHERE service = 'stalled'"
        assert [tuple(map(int, row)) for row in running.query(question)] == [(6,)]
    finally:
        running.kill()
        database.kill()


def test_past_their_age_spans_are_dropped_and_counted_where_that_is_wished(tmp_path: Path) -> None:
    bounds = ("--spool-age", "1", "--spool-when-old", "drop", "--flush-interval", "0.05")
    running = RunningServer(tmp_path / "data", "--store", NOBODY, *bounds)
    running.start_without_store()
    try:
        assert running.send(build_request(5).SerializeToString()).status == 200
        wait_until(lambda: running.status()["spans"]["dropped"] == 5, running)

        status = running.status()
        assert status["spool"]["waiting_bytes"] == status["spans"]["waiting"] == 0
        as_json = {"content-type": "application/json"}
        order = running.request("POST", "/api/erase", b'{"user": "ann"}', as_json)
        assert order.status == 503
        assert "nothing is erased yet: the store is away" in order.json()["error"]
        assert list((tmp_path / "data" / "spool").glob("*.spool")) == []
    finally:
        running.kill()


def test_past_their_age_spans_are_told_of_and_new_ones_refused_where_that_is_wished(
    tmp_path: Path,
) -> None:
    bounds = ("--spool-age", "0.5", "--spool-when-old", "refuse", "--flush-interval", "0.05")
    running = RunningServer(tmp_path / "data", "--store", NOBODY, *bounds)
    running.start_without_store()
    try:
        assert running.send(build_request(5).SerializeToString()).status == 200
        wait_until(lambda: send_one(running).status == 503, running)

        answer = send_one(running)
        assert int(answer.headers["retry-after"]) > 0
        assert running.request("GET", "/healthz").json()["status"] == "degraded"
        assert running.status()["spool"]["oldest_s"] > 0.5
    finally:
        running.kill()
