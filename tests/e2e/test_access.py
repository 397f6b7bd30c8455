"""Keys, limits and retention as an operator meets them: from the command line, while it runs."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_bodies import build_request
from running_server import Answer, RunningServer

ADMIN = "a" * 24
REQUEST = build_request(5, service="shop")
BODY = REQUEST.SerializeToString()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that was given one admin key at its start."""
    environ = {"WATCHPOST_KEYS": f"admin:{ADMIN}"}
    with RunningServer(tmp_path_factory.mktemp("locked") / "data", environ=environ) as running:
        yield running


def command(server: RunningServer, *words: str) -> str:
    """What `watchpost WORDS` prints, run on the server's data directory."""
    program = str(Path(sys.executable).with_name("watchpost"))
    done = subprocess.run(
        [program, *words, "--data", str(server.data)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def create_key(server: RunningServer, project: str, scope: str) -> str:
    return command(server, "keys", "create", "--project", project, "--scope", scope)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def send(server: RunningServer, secret: str) -> Answer:
    return server.send(BODY, **bearer(secret))


def send_by_grpc(server: RunningServer, secret: str) -> grpc.StatusCode:
    """The status of one export over gRPC."""
    with grpc.insecure_channel(urlsplit(server.grpc_url).netloc) as channel:
        metadata = [("authorization", f"Bearer {secret}")]
        try:
            TraceServiceStub(channel).Export(REQUEST, metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            status: grpc.StatusCode = error.code()
            return status
    return grpc.StatusCode.OK


def get(server: RunningServer, path: str, secret: str) -> Answer:
    return server.request("GET", path, headers=bearer(secret))


def ask_sql(server: RunningServer, secret: str, sql: str) -> tuple[int, str]:
    where = urlsplit(server.query_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request("POST", "/", sql.encode(), {"X-ClickHouse-Key": secret})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_key_works_and_ends_while_the_server_runs(locked: RunningServer) -> None:
    assert send(locked, "wpk_none").status == 401
    secret = create_key(locked, "shop", "ingest")
    wait_until(lambda: send(locked, secret).status == 200)
    assert get(locked, "/api/v1/traces", secret).status == 401
    command(locked, "keys", "revoke", secret.split("_")[1])
    wait_until(lambda: send(locked, secret).status == 401)
    assert send(locked, ADMIN).status == 200


def test_a_key_reads_its_own_project_and_no_sql(locked: RunningServer) -> None:
    secrets = {}
    for project in ("red", "blue"):
        writer = create_key(locked, project, "ingest")
        secrets[project] = create_key(locked, project, "read")
        wait_until(lambda key=writer: send(locked, key).status == 200)  # type: ignore[misc]
    wait_until(lambda: get(locked, "/api/v1/key", secrets["blue"]).status == 200)
    flushed = locked.request("POST", "/api/flush", headers=bearer(ADMIN))
    assert flushed.status == 200
    for project, secret in secrets.items():
        traces = get(locked, "/api/v1/traces", secret).json()["traces"]
        assert {trace["project"] for trace in traces} == {project}
        other = "red" if project == "blue" else "blue"
        assert get(locked, f"/api/v1/traces?project={other}", secret).status == 403
    for secret, status in ((secrets["red"], 401), (ADMIN, 200)):
        answered, body = ask_sql(locked, secret, "SELECT DISTINCT project FROM watchpost.spans")
        assert answered == status
        assert ("blue" in body) == (secret == ADMIN)


def test_over_its_limit_a_project_is_told_when_to_come_back(locked: RunningServer) -> None:
    slow, free = (create_key(locked, name, "ingest") for name in ("slow", "free"))
    command(locked, "projects", "set", "slow", "--spans-per-second", "1", "--burst-s", "1")
    told: list[Answer] = []

    def is_throttled() -> bool:
        told.append(send(locked, slow))
        return told[-1].status == 429

    wait_until(is_throttled)
    assert 1 <= int(told[-1].headers["retry-after"]) <= 6
    assert send_by_grpc(locked, slow) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert send(locked, free).status == 200
    status = get(locked, "/api/status", ADMIN).json()
    assert status["throttled"]["slow"]["requests"] >= 1
    assert "free" not in status["throttled"]
    reader = create_key(locked, "free", "read")
    wait_until(lambda: get(locked, "/api/status", reader).status == 200)
    assert get(locked, "/api/status", reader).json()["throttled"] == {}
    metrics = get(locked, "/metrics", ADMIN).body
    assert b'watchpost_project_requests_throttled_total{project="slow"}' in metrics
    command(locked, "projects", "set", "slow", "--spans-per-second", "none")
    wait_until(lambda: send(locked, slow).status == 200)


def test_days_set_while_it_runs_reach_the_tables(locked: RunningServer) -> None:
    command(locked, "retention", "set", "--project", "red", "--kind", "content", "--days", "7")

    def read_ttl() -> str:
        sql = "SELECT engine_full FROM system.tables WHERE name = 'content'"
        return ask_sql(locked, ADMIN, sql)[1]

    wait_until(lambda: "[7], 30" in read_ttl())
    assert "red" in read_ttl()
