"""The three signals of OpenTelemetry, and what each is called on the wire, on disk and in answers.

Traces are what watchpost lives of; logs and metrics go the same way with other messages. This file
knows names and descriptors; it opens, parses and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of telemetry: its items ("spans"), its request, its HTTP path and gRPC service.

    `rejected` is the JSON name of the answer's count of refused items.
    """

    name: str
    items: str
    request: Any
    rejected: str

    @property
    def path(self) -> str:
        """Where it is POSTed to."""
        return f"/v1/{self.name}"

    @property
    def service(self) -> str:
        """The full name of its gRPC service."""
        file = self.request.DESCRIPTOR.file
        return str(file.services_by_name[next(iter(file.services_by_name))].full_name)


TRACES = Signal("traces", "spans", ExportTraceServiceRequest, "rejectedSpans")
LOGS = Signal("logs", "log records", ExportLogsServiceRequest, "rejectedLogRecords")
METRICS = Signal("metrics", "data points", ExportMetricsServiceRequest, "rejectedDataPoints")
SIGNALS = (TRACES, LOGS, METRICS)


def mark_segment(stem: str, signal: Signal) -> str:
    """A segment's name that says what it holds; one of traces is its plain stem."""
    return stem if signal is TRACES else f"{stem}-{signal.name}"


def read_signal(segment: str) -> Signal:
    """What a segment holds, by its name or that of the one it was split from."""
    last = segment.partition(".")[0].rpartition("-")[2]
    return next((signal for signal in (LOGS, METRICS) if last == signal.name), TRACES)
