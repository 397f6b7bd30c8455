"""OpenTelemetry's own exporters, unchanged, and every encoding OTLP has, against a real server."""

from __future__ import annotations

import base64
import gzip
import json
import re
import secrets
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from backports import zstd
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_bodies import build_request
from otlp_signals import Logs, Metrics, put_all
from running_server import Answer, RunningServer

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


@pytest.fixture
def service() -> str:
    return f"exporters-{secrets.token_hex(4)}"


def make_exporters(server: RunningServer, protocol: str) -> tuple[Any, Any, Any]:
    """Exporters of spans, logs and metrics, compressing as they can."""
    if protocol == "grpc":
        packed = grpc.Compression.Gzip
        return tuple(  # type: ignore[return-value]
            make(server.grpc_url, compression=packed) for make in (GrpcSpans, GrpcLogs, GrpcMetrics)
        )
    kinds = (HttpSpans, HttpLogs, HttpMetrics)
    return tuple(  # type: ignore[return-value]
        make(f"{server.otlp_url}/v1/{path}", compression=Compression.Deflate)
        for make, path in zip(kinds, ("traces", "logs", "metrics"), strict=True)
    )


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_exporters_of_opentelemetry_work_unchanged(
    server: RunningServer, service: str, protocol: str
) -> None:
    resource = Resource.create({"service.name": service})
    spans_out, logs_out, metrics_out = make_exporters(server, protocol)
    tracing, logging = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans_out))
    logging.add_log_record_processor(BatchLogRecordProcessor(logs_out))
    metering = MeterProvider([PeriodicExportingMetricReader(metrics_out)], resource=resource)
    events, meter = logging.get_logger("tests"), metering.get_meter("tests")
    usage = meter.create_histogram("gen_ai.client.token.usage", "{token}")

    with tracing.get_tracer("tests").start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        events.emit(event_name="gen_ai.user.message", body={"content": "where is it?"})
        call = {"id": "c1", "function": {"name": "find", "arguments": '{"id": 7}'}}
        message = {"role": "assistant", "tool_calls": [call]}
        events.emit(event_name="gen_ai.choice", body={"index": 0, "message": message})
        usage.record(120, {"gen_ai.token.type": "input", "gen_ai.request.model": "gpt-4o"})
    for provider in (tracing, logging, metering):
        provider.shutdown()
    server.flush()

    [(asked, answered)] = server.query(
        "SELECT input_messages, output_messages FROM watchpost.messages WHERE (trace_id, span_id) "
        f"IN (SELECT trace_id, span_id FROM watchpost.spans WHERE service = '{service}')"
    )
    assert json.loads(asked) == [{"role": "user", "content": "where is it?"}]
    assert json.loads(answered) == [message]
    trace_id = f"{span.get_span_context().trace_id:032x}"
    [shown] = server.request("GET", f"/api/v1/traces/{trace_id}").json()["content"]
    assert (shown["input_messages"], shown["output_messages"]) == (
        json.loads(asked),
        json.loads(answered),
    )
    logs = f"SELECT event_name FROM watchpost.logs WHERE service = '{service}' ORDER BY ALL"
    assert server.query(logs) == [("gen_ai.choice",), ("gen_ai.user.message",)]
    points = f"SELECT model, token_type, sum FROM watchpost.metrics WHERE service = '{service}'"
    assert server.query(points) == [("gpt-4o", "input", 120)]


def post(
    server: RunningServer, path: str, body: bytes, content_type: str, encoding: str = "identity"
) -> Answer:
    headers = {"content-type": content_type, "content-encoding": encoding}
    return server.request("POST", path, PACKERS[encoding](body), headers)


def build_bodies(service: str, content_type: str) -> dict[str, bytes]:
    """One item of each signal, in an encoding."""
    spans = build_request(1, service=service)
    logs = Logs(service).add("", "words").request
    metrics = Metrics(service)
    metrics.add("load").gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    made = {"/v1/traces": spans, "/v1/logs": logs, "/v1/metrics": metrics.request}
    if content_type == PROTOBUF:
        return {path: request.SerializeToString() for path, request in made.items()}
    return {path: write_json(request) for path, request in made.items()}


def write_json(request: Any) -> bytes:
    """OTLP/JSON: as protobuf's, but ids are hexadecimal."""

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            ids = ("traceId", "spanId")
            return {
                k: base64.b64decode(v).hex() if k in ids else visit(v) for k, v in value.items()
            }
        return [visit(item) for item in value] if isinstance(value, list) else value

    return json.dumps(visit(MessageToDict(request))).encode()


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_every_signal_is_taken_in_every_encoding(
    server: RunningServer, service: str, content_type: str
) -> None:
    for encoding in PACKERS:
        for path, body in build_bodies(service, content_type).items():
            answer = post(server, path, body, content_type, encoding)
            assert (answer.status, answer.body) == (200, b"" if content_type == PROTOBUF else b"{}")
            assert answer.headers["content-type"] == content_type
    server.flush()

    counted = " UNION ALL ".join(
        f"SELECT count() FROM watchpost.{table} WHERE service = '{service}'"
        for table in ("spans", "logs", "metrics")
    )
    assert server.query(counted) == [(len(PACKERS),)] * 3


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_an_error_is_a_status_in_the_encoding_of_its_request(
    server: RunningServer, path: str
) -> None:
    binary = post(server, path, b"\xff\xff", PROTOBUF)
    written = post(server, path, b"{", JSON)

    assert (binary.status, written.status) == (400, 400)
    assert (binary.headers["content-type"], written.headers["content-type"]) == (PROTOBUF, JSON)
    assert "retry-after" not in {name.lower() for name in binary.headers}
    assert Status.FromString(binary.body).code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "are not an Export" in Status.FromString(binary.body).message
    assert written.json()["code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_refused_points_are_told_in_the_answer(server: RunningServer, service: str) -> None:
    metrics = Metrics(service)
    metrics.add("").gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    metrics.add("load").gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)

    binary = post(server, "/v1/metrics", metrics.encode(), PROTOBUF)
    written = post(server, "/v1/metrics", write_json(metrics.request), JSON)

    told = ExportMetricsServiceResponse.FromString(binary.body).partial_success
    assert (binary.status, written.status) == (200, 200)
    assert told.rejected_data_points == 1
    partial = written.json()["partialSuccess"]
    assert partial == {"rejectedDataPoints": "1", "errorMessage": told.error_message}


def test_each_signal_is_counted_for_itself_and_adds_up(server: RunningServer, service: str) -> None:
    server.flush()
    before = server.status()
    bodies = build_bodies(service, PROTOBUF)
    for _ in range(2):
        for path in ("/v1/logs", "/v1/metrics"):
            assert post(server, path, bodies[path], PROTOBUF).status == 200
    server.flush()
    after = server.status()

    for items in ("log_records", "data_points"):
        change = {name: after[items][name] - before[items][name] for name in after[items]}
        assert (change["received"], change["stored"], change["deduplicated"]) == (2, 1, 1)
        fates = ("stored", "refused", "deduplicated", "set_aside", "waiting", "dropped")
        settled = sum(after[items][fate] for fate in fates)
        assert after[items]["received"] + after[items]["recovered"] == settled
    assert after["spans"] == before["spans"]


def test_the_panel_of_the_guide_may_be_asked_from_outside(
    server: RunningServer, service: str
) -> None:
    metrics = Metrics(service)
    histogram = metrics.add("gen_ai.server.time_to_first_token", "s").histogram
    histogram.aggregation_temporality = 1
    point = histogram.data_points.add(time_unix_nano=time.time_ns(), count=1)
    point.bucket_counts.extend([1, 0])
    point.explicit_bounds.append(0.25)
    put_all(point.attributes, {"gen_ai.request.model": service})
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text()
    panels = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    [panel] = [sql for sql in panels if "watchpost.metrics" in sql]

    assert post(server, "/v1/metrics", metrics.encode(), PROTOBUF).status == 200
    server.flush()

    assert [row[2] for row in server.query(panel) if row[1] == service] == [0.25]
