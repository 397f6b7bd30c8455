from __future__ import annotations

import base64
import json
import os
import signal
import stat
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_bodies import break_utf8, build_request, only_spans
from running_server import RunningServer


def count(server: RunningServer, trace_id: bytes) -> int:
    [(found,)] = server.query(
        f"SELECT count() FROM watchpost.spans WHERE trace_id = '{trace_id.hex()}'"
    )
    return int(found)


@pytest.mark.parametrize("compress", [False, True])
def test_protobuf_spans_are_acknowledged_and_can_be_queried(
    server: RunningServer, compress: bool
) -> None:
    trace_id = os.urandom(16)
    body = build_request(7, trace_id=trace_id).SerializeToString()

    answer = server.send(body, compress=compress)
    server.flush()

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert count(server, trace_id) == 7


def test_json_spans_are_acknowledged_in_json_and_can_be_queried(server: RunningServer) -> None:
    trace_id = os.urandom(16)
    request = build_request(2, trace_id=trace_id)
    document = MessageToDict(request)
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["traceId"], span["spanId"] = trace_id.hex(), os.urandom(8).hex()

    answer = server.send(json.dumps(document).encode(), "application/json")
    server.flush()

    assert (answer.status, answer.json()) == (200, {})
    assert count(server, trace_id) == 2


def test_a_request_sent_again_is_acknowledged_and_stored_once(server: RunningServer) -> None:
    trace_id = os.urandom(16)
    body = build_request(3, trace_id=trace_id).SerializeToString()

    statuses = [server.send(body).status for _ in range(2)]
    server.flush()
    statuses.append(server.send(body, compress=True).status)
    server.flush()

    assert statuses == [200, 200, 200]
    assert count(server, trace_id) == 3


def test_the_rest_of_a_batch_with_bad_spans_is_stored(server: RunningServer) -> None:
    trace_id = os.urandom(16)
    request = build_request(5, trace_id=trace_id)
    only_spans(request)[0].span_id = b""
    only_spans(request)[1].start_time_unix_nano = 2**63
    body = break_utf8(request.SerializeToString())

    answer = server.send(body)
    server.flush()

    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert answer.status == 200
    assert partial.rejected_spans == 1
    assert "spans[0]: spanId" in partial.error_message
    assert count(server, trace_id) == 4


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status", "says"),
    [
        (b"\xff\xff", "application/x-protobuf", {}, 400, "ExportTraceServiceRequest"),
        (b"{", "application/json", {}, 400, "not JSON"),
        (b"\x1f\x8b\x08\x00", "application/json", {"content_encoding": "gzip"}, 400, "ends before"),
        (b"", "application/x-protobuf", {"content_encoding": "br"}, 415, "content-encoding"),
        (b"<a/>", "application/xml", {}, 415, "content-type"),
        (bytes(33 << 20), "application/x-protobuf", {}, 413, "larger than"),
        (b"", "application/json", {"x_watchpost_project": "no/name"}, 400, "project"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words_and_the_server_lives(
    server: RunningServer,
    body: bytes,
    content_type: str,
    headers: dict[str, str],
    status: int,
    says: str,
) -> None:
    answer = server.send(body, content_type, **headers)

    assert answer.status == status
    assert says in answer.body.decode(errors="replace")
    told = {"status": "ok", "store": "ready", "version": version("watchpost")}
    assert server.request("GET", "/healthz").json() == told


def test_a_path_and_a_method_that_do_not_exist_are_told(server: RunningServer) -> None:
    assert server.request("POST", "/v1/profiles").status == 404
    assert server.request("GET", "/v1/traces").status == 405
    assert server.request("GET", "/api/flush").status == 405


def test_another_site_can_neither_send_nor_read(server: RunningServer) -> None:
    foreign = {"Origin": "https://evil.example"}
    rebound = {"Host": "evil.example"}

    assert server.request("GET", "/api/status", headers=foreign).status == 403
    assert server.request("GET", "/api/status", headers=rebound).status == 421
    assert server.send(b"", "text/plain").status == 415


def test_a_keyless_sender_may_name_its_project(server: RunningServer) -> None:
    trace_id = os.urandom(16)

    server.send(
        build_request(1, trace_id=trace_id).SerializeToString(), **server.project("elsewhere")
    )
    server.flush()

    rows = server.query(f"SELECT project FROM watchpost.spans WHERE trace_id = '{trace_id.hex()}'")
    assert rows == [("elsewhere",)]


def test_the_counters_add_up(server: RunningServer) -> None:
    request = build_request(4)
    only_spans(request)[0].trace_id = bytes(16)
    before = server.flush()

    server.send(request.SerializeToString())
    after = server.flush()

    change = {name: after[name] - before[name] for name in after}
    assert (change["received"], change["refused"], change["stored"]) == (4, 1, 3)
    settled = sum(after[n] for n in ("stored", "refused", "deduplicated", "set_aside", "waiting"))
    assert after["received"] + after["recovered"] == settled


def test_the_page_answers_at_the_root(server: RunningServer) -> None:
    with urllib.request.urlopen(server.page_url) as answer:
        assert "watchpost" in answer.read().decode()


def test_a_spool_past_its_bound_asks_to_come_back(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", "--spool-bytes", "1000") as small:
        answer = small.send(build_request(50).SerializeToString())

        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert small.send(build_request(1, text="x").SerializeToString()).status == 200
        assert small.flush()["stored"] == 1


def test_a_terminated_server_stores_what_it_acknowledged_and_leaves_well(tmp_path: Path) -> None:
    trace_id = os.urandom(16)
    running = RunningServer(tmp_path / "data", "--flush-interval", "600")
    running.start()
    running.send(build_request(9, trace_id=trace_id).SerializeToString())

    status = running.kill(signal.SIGTERM)

    assert status == 0
    assert list((tmp_path / "data" / "spool").glob("*.spool")) == []
    with running:
        assert count(running, trace_id) == 9


def test_what_is_kept_is_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RunningServer(data, "--flush-interval", "600") as running:
        running.send(build_request(1).SerializeToString())
        files = [path for path in (data / "spool").iterdir() if path.is_file()]

        assert len(files) == 1
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "spool").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "WATCHPOST_KEYS"),
        (("--data", "/proc/watchpost"), "--data"),
        (("--store", "mysql://x"), "chdb:///"),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    running = RunningServer(tmp_path / "data", *arguments)
    running.launch()

    assert running.wait() == 2
    assert says in running.output


def test_a_key_is_asked_for_and_decides_the_project(tmp_path: Path) -> None:
    ingest, admin = "i" * 20, "a" * 20
    keys = {"WATCHPOST_KEYS": f"ingest@shop:{ingest},admin:{admin}"}
    body = build_request(2).SerializeToString()
    with RunningServer(tmp_path / "data", environ=keys) as running:
        bearer = {"authorization": f"Bearer {ingest}"}

        assert running.send(body).status == 401
        assert running.send(body, **bearer, x_watchpost_project="other").status == 403
        assert running.send(body, **bearer).status == 200
        assert running.request("GET", "/api/status").status == 401
        assert running.request("GET", "/api/status", headers=bearer).status == 401
        headers = {"authorization": f"Bearer {admin}"}
        status = running.request("GET", "/api/status", headers=headers)
        assert status.json()["spans"]["received"] == 2
        # Langfuse's SDKs: a path of their own, and the secret as a password.
        for secret, expected in ((ingest, 200), ("x" * 20, 401)):
            basic = base64.b64encode(f"pk-lf-any:{secret}".encode()).decode()
            sent = {"authorization": f"Basic {basic}", "content-type": "application/x-protobuf"}
            path = "/api/public/otel/v1/traces"
            assert running.request("POST", path, body, sent).status == expected


def test_what_a_killed_insert_left_behind_lies_with_the_data_and_is_cleared(tmp_path: Path) -> None:
    data = tmp_path / "data"
    faults = {"WATCHPOST_FAULT": "after_insert", "TMPDIR": str(tmp_path)}
    with RunningServer(data, environ=faults) as running:
        assert running.send(build_request(2).SerializeToString()).status == 200
        running.wait()
    assert list(tmp_path.glob("*.raw")) == []
    (data / "scratch" / "left.raw").write_bytes(b"somebody's words")

    with RunningServer(data) as running:
        assert running.flush()["stored"] == 2
        assert list((data / "scratch").iterdir()) == []
