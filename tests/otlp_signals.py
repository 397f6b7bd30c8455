"""OTLP logs and metrics for tests: requests in a few words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


def set_value(target: Any, value: Any) -> None:
    """Write a Python value into an AnyValue, however deep."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
    else:
        target.kvlist_value.SetInParent()
        put_all(target.kvlist_value.values, value)


def put_all(pairs: Any, values: Mapping[str, Any]) -> None:
    """Add key and value pairs."""
    for key, value in values.items():
        set_value(pairs.add(key=key).value, value)


class Logs:
    """A request of log records, all of one service."""

    def __init__(self, service: str = "tests") -> None:
        self.request = ExportLogsServiceRequest()
        resource = self.request.resource_logs.add()
        put_all(resource.resource.attributes, {"service.name": service})
        self._records = resource.scope_logs.add().log_records

    def add(
        self,
        event: str = "",
        body: Any = None,
        *,
        trace_id: bytes = b"",
        span_id: bytes = b"",
        at_ns: int = 0,
        **attributes: Any,
    ) -> Logs:
        """One record more; attributes by name with `__` for a dot."""
        record = self._records.add(
            event_name=event,
            trace_id=trace_id,
            span_id=span_id,
            time_unix_nano=at_ns or time.time_ns(),
            severity_number=9,
            severity_text="INFO",
        )
        put_all(record.attributes, {k.replace("__", "."): v for k, v in attributes.items()})
        if body is not None:
            set_value(record.body, body)
        return self

    def encode(self) -> bytes:
        """The request's bytes."""
        return self.request.SerializeToString()


class Metrics:
    """A request of metrics, all of one service."""

    def __init__(self, service: str = "tests") -> None:
        self.request = ExportMetricsServiceRequest()
        resource = self.request.resource_metrics.add()
        put_all(resource.resource.attributes, {"service.name": service})
        self._metrics = resource.scope_metrics.add().metrics

    def add(self, name: str, unit: str = "1") -> Any:
        """One metric more, still without data."""
        return self._metrics.add(name=name, unit=unit)

    def encode(self) -> bytes:
        """The request's bytes."""
        return self.request.SerializeToString()
