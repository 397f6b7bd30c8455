"""The server is killed with SIGKILL, really, at the worst moments; no span is lost nor doubled."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from pathlib import Path

import pytest
from otlp_bodies import build_poison, build_request
from otlp_signals import Logs, Metrics
from running_server import RunningServer

KEEP_IN_SPOOL = ("--flush-interval", "600")


def read_counts(server: RunningServer, service: str) -> tuple[int, int, int, int]:
    """Rows and distinct spans of a service, counted calls, and content rows."""
    server.flush()
    [(rows, distinct)] = server.query(
        "SELECT count(), uniqExact(trace_id, span_id) FROM watchpost.spans "
        f"WHERE service = '{service}'"
    )
    [(calls,)] = server.query(
        f"SELECT count() FROM watchpost.generations WHERE service = '{service}'"
    )
    [(content,)] = server.query(
        "SELECT count() FROM watchpost.content WHERE trace_id IN "
        f"(SELECT trace_id FROM watchpost.spans WHERE service = '{service}')"
    )
    return int(rows), int(distinct), int(calls), int(content)


def test_a_kill_between_acknowledgement_and_flush_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    bodies = [build_request(20, service="acked").SerializeToString() for _ in range(3)]
    for body in bodies:
        with RunningServer(data, *KEEP_IN_SPOOL) as running:
            assert running.send(body).status == 200
            running.kill()

    with RunningServer(data) as running:
        assert read_counts(running, "acked") == (60, 60, 60, 60)
        assert running.status()["spans"]["recovered"] > 0
        # A client that never heard the acknowledgement sends it all again.
        assert [running.send(body).status for body in bodies] == [200] * 3
        assert read_counts(running, "acked") == (60, 60, 60, 60)


@pytest.mark.parametrize("fault", ["before_insert", "after_insert"])
def test_a_kill_around_the_insert_stores_every_span_once(tmp_path: Path, fault: str) -> None:
    data = tmp_path / "data"
    sent: list[bytes] = []
    for turn in range(3):
        # A segment that was not inserted reaches the point at recovery, before what is sent now.
        times = 2 if turn and fault == "before_insert" else 1
        environ = {"WATCHPOST_FAULT": f"{fault}:{times}"}
        running = RunningServer(data, *KEEP_IN_SPOOL, environ=environ)
        running.start()
        sent.append(build_request(30, service=fault).SerializeToString())
        assert running.send(sent[-1]).status == 200
        provoke_flush(running)
        assert running.wait() == -9

    with RunningServer(data) as running:
        total = 30 * len(sent)
        assert read_counts(running, fault) == (total, total, total, total)
        assert list((data / "spool").glob("*.spool")) == []
        assert [running.send(body).status for body in sent] == [200] * len(sent)
        assert read_counts(running, fault) == (total, total, total, total)


@pytest.mark.parametrize("fault", ["half_split:1", "before_insert:2"])
def test_a_kill_while_poison_is_parted_from_the_rest_loses_neither(
    tmp_path: Path, fault: str
) -> None:
    data = tmp_path / "data"
    sent = [build_request(4, service="rest").SerializeToString() for _ in range(5)]
    sent[1:1] = [build_poison(2)]
    sent[4:4] = [build_poison(3)]
    running = RunningServer(data, *KEEP_IN_SPOOL, environ={"WATCHPOST_FAULT": fault})
    running.start()
    assert [running.send(body).status for body in sent] == [200] * 7
    provoke_flush(running)
    assert running.wait() == -9

    with RunningServer(data) as running:
        for _ in range(2):
            assert read_counts(running, "rest") == (20, 20, 20, 20)
            assert running.status()["spans"]["set_aside"] == 5
            # Those who never heard the acknowledgement send it all again.
            assert [running.send(body).status for body in sent] == [200] * 7
        assert list((data / "spool").glob("*.spool")) == []
    assert len(list((data / "set-aside").glob("*.envelopes"))) == 1


def test_kills_at_any_moment_under_load_store_every_acknowledged_span_once(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    moments = random.Random(7)
    bodies = [build_request(10, service="storm").SerializeToString() for _ in range(120)]
    waiting = list(bodies)
    for _ in range(4):
        running = RunningServer(data, "--flush-interval", "0.2")
        running.start()
        killer = threading.Timer(moments.uniform(0.05, 0.6), running.kill)
        killer.start()
        waiting = send_until_it_dies(running, waiting)
        killer.join()

    with RunningServer(data) as running:
        # What was not acknowledged may be stored or not: it is sent again, as an exporter would.
        assert send_until_it_dies(running, waiting) == []
        assert read_counts(running, "storm") == (1200, 1200, 1200, 1200)


def test_a_torn_tail_costs_only_what_was_never_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RunningServer(data, *KEEP_IN_SPOOL) as running:
        running.send(build_request(4, service="torn").SerializeToString())
        running.kill()
    [segment] = (data / "spool").glob("*.spool")
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[: len(whole) // 2])

    with RunningServer(data) as running:
        assert read_counts(running, "torn") == (4, 4, 4, 4)
    assert len(list((data / "set-aside").glob("*.tail.reason.json"))) == 1


def send_until_it_dies(running: RunningServer, bodies: list[bytes]) -> list[bytes]:
    """Send in order; the bodies that were not acknowledged."""
    for number, body in enumerate(bodies):
        try:
            answer = running.send(body)
        except (OSError, http.client.HTTPException):
            return bodies[number:]
        assert answer.status == 200
        time.sleep(0.005)
    return []


def provoke_flush(running: RunningServer) -> None:
    """Ask for a flush; the server may die of it before it answers."""
    try:
        running.request("POST", "/api/flush")
    except (OSError, http.client.HTTPException):
        return


def post_others(server: RunningServer, bodies: dict[str, bytes]) -> list[int]:
    """Send logs and metrics; the statuses."""
    binary = {"content-type": "application/x-protobuf"}
    return [server.request("POST", path, body, binary).status for path, body in bodies.items()]


def count_others(server: RunningServer, service: str) -> tuple[int, int, int]:
    """Rows of logs, of the messages they brought, and of metrics."""
    server.flush()
    mine = f"WHERE service = '{service}'"
    [(logs, content)] = server.query(
        "SELECT count(), (SELECT count() FROM watchpost.content WHERE trace_id IN "
        f"(SELECT trace_id FROM watchpost.logs {mine})) FROM watchpost.logs {mine}"
    )
    [(points,)] = server.query(f"SELECT count() FROM watchpost.metrics {mine}")
    return int(logs), int(content), int(points)


@pytest.mark.parametrize("fault", ["synced", "after_insert"])
def test_logs_and_metrics_are_as_safe_as_spans(tmp_path: Path, fault: str) -> None:
    data, ids = tmp_path / "data", {"trace_id": b"t" * 16, "span_id": b"s" * 8}
    logs = Logs("others").add("", "just words")
    logs.add("gen_ai.user.message", {"content": "hello"}, **ids)
    metrics = Metrics("others")
    metrics.add("load").gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    bodies = {"/v1/logs": logs.encode(), "/v1/metrics": metrics.encode()}
    # The unit of a metric is text; here it is a number, which only the engine notices.
    poison = metrics.encode().replace(b"\x1a\x011", b"\x18\x81\x01", 1)
    running = RunningServer(data, *KEEP_IN_SPOOL, environ={"WATCHPOST_FAULT": f"{fault}:2"})
    running.start()
    with contextlib.suppress(OSError, http.client.HTTPException):
        post_others(running, bodies)
        provoke_flush(running)
    assert running.wait() == -9

    with RunningServer(data) as running:
        # What was acknowledged is there; what was not is sent again; nothing is there twice.
        assert post_others(running, bodies) == [200, 200]
        assert count_others(running, "others") == (2, 1, 1)
        assert post_others(running, {"/v1/metrics": poison}) == [200]
        assert count_others(running, "others") == (2, 1, 1)
        assert running.status()["data_points"]["set_aside"] == 1
        assert running.status()["spans"]["set_aside"] == 0
        assert list((data / "spool").glob("*.spool")) == []
