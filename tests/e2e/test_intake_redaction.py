"""What foreign emitters send is masked before anything of it is on a disk or in a table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from running_server import RunningServer

MAIL = "jane.roe@planted-canary.org"
KEY = "sk-proj-Zx81Qm2Lr7Tb5Wn9Vc3Kd6Fh0Jg4Ys8Pu2"
TICKET = "TCK-774411"
PLANTED = [text.encode() for text in (MAIL, KEY, TICKET)]
SLOW = "a" * 40 + "!"
PATTERNS = """
patterns:
  - {name: ticket, pattern: "TCK-[0-9]{6}"}
  - {name: endless, pattern: "(a|aa)+$"}
"""


def fill(service: str, trace_id: bytes) -> ExportTraceServiceRequest:
    """A span with a secret in every place that holds text."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    put(resource.resource.attributes, "service.name", service)
    put(resource.resource.attributes, "host.owner", MAIL)
    scope = resource.scope_spans.add()
    put(scope.scope.attributes, "scope.note", f"by {MAIL}")
    span = scope.spans.add(trace_id=trace_id, span_id=b"redacted", name=f"chat {TICKET}")
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
    put(span.attributes, "gen_ai.operation.name", "chat")
    put(span.attributes, "gen_ai.request.model", "gpt-4o-mini")
    messages = [{"role": "user", "content": f'my mail is "{MAIL}", key {KEY}'}]
    put(span.attributes, "gen_ai.input.messages", json.dumps(messages))
    put(span.attributes, "gen_ai.prompt.0.content", f"{TICKET} and {KEY}")
    put(span.attributes, "slow", SLOW)
    deep = span.attributes.add(key="deep").value.kvlist_value.values.add(key="inner")
    deep.value.array_value.values.add().kvlist_value.values.add(key="x").value.string_value = MAIL
    event = span.events.add(name=f"exception for {TICKET}", time_unix_nano=time.time_ns())
    put(event.attributes, "exception.message", f"cannot reach {MAIL}")
    link = span.links.add(trace_id=b"l" * 16, span_id=b"linklink")
    put(link.attributes, "note", TICKET)
    span.status.code, span.status.message = 2, f"refused for {MAIL}"
    return request


def put(attributes: Any, key: str, value: str) -> None:
    attributes.add(key=key).value.string_value = value


def fill_log() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = time.time_ns()
    record.body.string_value = f"mail to {MAIL} about {TICKET}"
    put(record.attributes, "api_key", KEY)
    return request


@pytest.fixture(scope="module")
def redacting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that masks, and flushes only when asked."""
    root = tmp_path_factory.mktemp("redacting")
    (root / "own.yaml").write_text(PATTERNS)
    names = f"pii,secrets,{root / 'own.yaml'}"
    arguments = ("--redact", names, "--flush-interval", "3600")
    with RunningServer(root / "data", *arguments) as running:
        yield running


def read_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def test_nothing_planted_reaches_the_disk_or_a_table_by_any_way_in(
    redacting: RunningServer,
) -> None:
    body = fill("by-http", b"1" * 16).SerializeToString()
    assert redacting.send(body).status == 200
    assert (
        redacting.send(fill("by-gzip", b"2" * 16).SerializeToString(), compress=True).status == 200
    )
    told = json_format.MessageToDict(fill("by-json", b"3" * 16), use_integers_for_enums=True)
    for resource in told["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                span["traceId"], span["spanId"] = "33" * 16, "72" * 8
                for link in span["links"]:
                    link["traceId"], link["spanId"] = "44" * 16, "72" * 8
    assert redacting.send(json.dumps(told).encode(), "application/json").status == 200
    with grpc.insecure_channel(redacting.grpc_url.removeprefix("http://")) as channel:
        TraceServiceStub(channel).Export(fill("by-grpc", b"4" * 16))
    log = redacting.request(
        "POST",
        "/v1/logs",
        fill_log().SerializeToString(),
        {"content-type": "application/x-protobuf"},
    )
    assert log.status == 200
    score = {"trace": "31" * 16, "name": "helpful", "value": 1, "author": MAIL}
    score["comment"] = f"write to {MAIL} about {TICKET}"
    as_json = {"content-type": "application/json"}
    told_score = json.dumps(score).encode()
    assert redacting.request("POST", "/api/v1/scores", told_score, as_json).status == 200

    spooled = read_disk(redacting.data / "spool")
    assert b"[EMAIL_ADDRESS]" in spooled
    assert b"[TICKET]" in spooled
    assert [text for text in PLANTED if text in spooled] == []
    redacting.flush()
    assert [text for text in PLANTED if text in read_disk(redacting.data)] == []
    for table in ("spans", "content", "logs", "calls", "score_events", "score_comments"):
        rows = redacting.query(f"SELECT toString(tuple(*)) FROM watchpost.{table}")
        text = "\n".join(str(row) for row in rows).encode()
        assert [planted for planted in PLANTED if planted in text] == [], table
    assert [text for text in PLANTED if text in redacting.output.encode()] == []
    [(comment,)] = redacting.query("SELECT comment FROM watchpost.scores WHERE name = 'helpful'")
    assert comment == "write to [EMAIL_ADDRESS] about [TICKET]"


def test_what_was_masked_says_so_and_messages_stay_json(redacting: RunningServer) -> None:
    redacting.send(fill("says-so", b"5" * 16).SerializeToString())
    plain = ExportTraceServiceRequest()
    span = (
        plain.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"6" * 16, span_id=b"innocent", name="chat")
    )
    span.start_time_unix_nano = time.time_ns()
    redacting.send(plain.SerializeToString())
    redacting.flush()

    marks = redacting.query(
        "SELECT trace_id, attributes['watchpost.redacted'], name, status_message, "
        "attributes['slow'] FROM watchpost.spans "
        f"WHERE trace_id IN ('{'35' * 16}', '{'36' * 16}') ORDER BY trace_id"
    )
    [(messages,)] = redacting.query(
        f"SELECT input_messages FROM watchpost.content WHERE trace_id = '{'35' * 16}'"
    )

    assert int(marks[0][1]) >= 8
    assert marks[0][2:] == ("chat [TICKET]", "refused for [EMAIL_ADDRESS]", "[REDACTION FAILED]")
    assert marks[1][1] == ""
    [message] = json.loads(messages)
    assert message["content"].startswith('my mail is "[EMAIL_ADDRESS]", key [')
    told = redacting.status()["redaction"]
    assert told["requests"] >= 2
    assert told["changed"] >= 2
    metrics = redacting.request("GET", "/metrics").body.decode()
    assert f"watchpost_redaction_requests_total {told['requests']}\n" in metrics
    assert f"watchpost_redaction_items_total {told['changed']}\n" in metrics


def test_a_setting_that_cannot_be_used_stops_the_start_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("patterns: [{name: x, pattern: '('}]")
    for setting, reason in (("no-such-guard", "name one of"), (f"{tmp_path}/bad.yaml", "pattern")):
        running = RunningServer(tmp_path / "data", "--redact", setting)
        running.launch()
        assert running.wait() == 2
        assert reason in running.output
