from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_bodies import build_request, only_spans
from running_server import RunningServer

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SECRET = "correct-horse-battery"
Metadata = tuple[tuple[str, str], ...]


def export(
    server: RunningServer,
    body: bytes,
    metadata: Metadata = (),
    compression: grpc.Compression = grpc.Compression.NoCompression,
) -> bytes:
    """The bytes of the answer to an Export call; RpcError when it is refused."""
    address = server.grpc_url.removeprefix("http://")
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        call = channel.unary_unary(TRACES)
        return bytes(call(body, timeout=30, metadata=metadata, compression=compression))


def refuse(server: RunningServer, body: bytes, metadata: Metadata = ()) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        export(server, body, metadata)
    return caught.value


def count(server: RunningServer, trace_id: bytes) -> list[tuple[object, ...]]:
    return server.query(
        "SELECT project, count() FROM watchpost.spans "
        f"WHERE trace_id = '{trace_id.hex()}' GROUP BY project"
    )


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with keys and next to no room in its spool."""
    keys = f"ingest@team-a:{SECRET}, read:{SECRET}-read, admin:{SECRET}-admin"
    data = tmp_path_factory.mktemp("locked") / "data"
    with RunningServer(data, "--spool-bytes", "5000", environ={"WATCHPOST_KEYS": keys}) as running:
        yield running


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_the_exporter_of_opentelemetry_works_unchanged(
    server: RunningServer, compression: grpc.Compression
) -> None:
    exporter = OTLPSpanExporter(server.grpc_url, compression=compression)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    with provider.get_tracer("tests").start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        trace_id = span.get_span_context().trace_id.to_bytes(16)
    provider.shutdown()
    server.flush()

    assert count(server, trace_id) == [("default", 1)]


def test_the_same_request_by_either_protocol_is_stored_once(server: RunningServer) -> None:
    trace_id = os.urandom(16)
    body = build_request(3, trace_id=trace_id).SerializeToString()

    assert export(server, body) == b""
    assert server.send(body).status == 200
    assert export(server, body, compression=grpc.Compression.Gzip) == b""
    server.flush()

    assert count(server, trace_id) == [("default", 3)]


def test_a_refused_span_is_told_in_the_answer(server: RunningServer) -> None:
    request = build_request(3)
    only_spans(request)[1].span_id = b""

    answer = ExportTraceServiceResponse.FromString(export(server, request.SerializeToString()))

    assert answer.partial_success.rejected_spans == 1
    assert "spans[1]: spanId" in answer.partial_success.error_message


def test_what_is_no_request_is_an_invalid_argument(server: RunningServer) -> None:
    error = refuse(server, b"\xff\xff")

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "ExportTraceServiceRequest" in error.details()


def test_an_oversize_message_is_refused_also_when_it_is_small_on_the_wire(
    server: RunningServer,
) -> None:
    body = bytes(33 << 20)

    for compression in grpc.Compression:
        with pytest.raises(grpc.RpcError) as caught:
            export(server, body, compression=compression)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" not in dict(caught.value.trailing_metadata())


def test_a_project_is_chosen_by_metadata(server: RunningServer) -> None:
    trace_id = os.urandom(16)
    body = build_request(1, trace_id=trace_id).SerializeToString()

    export(server, body, (("x-watchpost-project", "by-grpc"),))
    server.flush()

    assert count(server, trace_id) == [("by-grpc", 1)]
    error = refuse(server, body, (("x-watchpost-project", "no/name"),))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer not-the-key-at-all"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", f"Bearer {SECRET}-read"),), grpc.StatusCode.UNAUTHENTICATED),
        (
            (("authorization", f"Bearer {SECRET}"), ("x-watchpost-project", "team-b")),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
    ],
)
def test_a_call_without_a_key_that_may_is_refused(
    locked: RunningServer, metadata: Metadata, code: grpc.StatusCode
) -> None:
    error = refuse(locked, build_request(1).SerializeToString(), metadata)

    assert error.code() is code
    assert SECRET not in str(error.details())


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", f"Bearer {SECRET}"),),
        (("x-watchpost-key", SECRET),),
        (("x-watchpost-key", f"{SECRET}-admin"), ("x-watchpost-project", "team-c")),
    ],
)
def test_a_key_may_come_in_either_header(locked: RunningServer, metadata: Metadata) -> None:
    assert export(locked, build_request(1, text="x").SerializeToString(), metadata) == b""


def test_a_full_spool_says_when_to_come_back(locked: RunningServer) -> None:
    body = build_request(50).SerializeToString()

    error = refuse(locked, body, (("x-watchpost-key", SECRET),))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    told = RetryInfo()
    assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert status.message == error.details()
    assert status.details[0].Unpack(told)
    assert told.retry_delay.seconds > 0
    assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]) == told


def test_the_port_is_named_and_can_be_left_out(server: RunningServer, tmp_path: Path) -> None:
    assert f"OTLP over gRPC {server.grpc_url}" in server.output
    with RunningServer(tmp_path / "data", "--no-grpc") as without:
        assert without.grpc_url == ""
        assert "gRPC" not in without.output


def test_a_taken_port_is_named_before_anything_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = RunningServer(tmp_path / "data", "--grpc-port", str(taken.getsockname()[1]))
        running.launch()

        assert running.wait() != 0

    assert "--grpc-port" in running.output
