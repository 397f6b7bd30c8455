"""The collector's own telemetry: what it measures of itself as OTLP metrics, every so often.

They go into its own `metrics` table, under a project that nobody else sends to, or to another
collector; what cannot be sent is left out, for the next reading holds it too. This file knows how
a reading is written as OTLP; it does not know what is measured.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from watchpost.serving.histogram import Distribution
from watchpost.serving.readings import Reading, Sample
from watchpost_collector.context import Context
from watchpost_collector.intake.admission import Parcel
from watchpost_collector.intake.reception import Reception
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.otlp.signals import METRICS
from watchpost_collector.readings import take_readings
from watchpost_collector.trouble import describe

log = logging.getLogger(__name__)

PROJECT = "watchpost"
SERVICE = "watchpost-collector"
HERE, OFF = "here", "off"
_TIMEOUT_S = 10.0
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

Send = Callable[[bytes], Awaitable[object]]


async def report_always(context: Context, send: Send, every_s: float) -> None:
    """Send a reading every `every_s` seconds until cancelled; a failure is left out and told."""
    started_ns = time.time_ns()
    while True:
        await asyncio.sleep(every_s)
        try:
            await send(encode_readings(take_readings(context), started_ns, time.time_ns()))
        except Exception as error:  # whatever it is, the next reading is another try
            log.warning("own telemetry could not be sent: %s", describe(error))


def choose_way(where: str, reception: Reception) -> Send | None:
    """How readings are sent: `here`, to the OTLP address `where`, or not at all (`off`)."""
    if where == OFF:
        return None
    if where == HERE:
        return lambda body: reception.take(_pack(body))
    return lambda body: asyncio.to_thread(_post, f"{where.rstrip('/')}{METRICS.path}", body)


def encode_readings(readings: Iterable[Reading], started_ns: int, now_ns: int) -> bytes:
    """An encoded `ExportMetricsServiceRequest`; sums and histograms count since `started_ns`."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    named = {"service.name": SERVICE, "service.version": version("watchpost")}
    _label(resource.resource, named)
    scope = resource.scope_metrics.add()
    scope.scope.name = __name__
    for reading in readings:
        metric = scope.metrics.add(name=reading.name, description=reading.help, unit=reading.unit)
        for sample in reading.samples:
            point = _add_point(metric, reading, sample)
            point.start_time_unix_nano, point.time_unix_nano = started_ns, now_ns
            _label(point, sample.labels)
    return bytes(request.SerializeToString())


def _add_point(metric: Any, reading: Reading, sample: Sample) -> Any:
    if isinstance(sample.value, Distribution):
        metric.histogram.aggregation_temporality = _CUMULATIVE
        return metric.histogram.data_points.add(
            count=sample.value.count,
            sum=sample.value.total_s,
            bucket_counts=sample.value.counts,
            explicit_bounds=sample.value.bounds,
        )
    if reading.kind == "counter":
        metric.sum.aggregation_temporality = _CUMULATIVE
        metric.sum.is_monotonic = True
        return metric.sum.data_points.add(as_double=sample.value)
    return metric.gauge.data_points.add(as_double=sample.value)


def _label(owner: Any, labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        owner.attributes.add(key=name).value.string_value = value


def _pack(body: bytes) -> Parcel:
    return Parcel(body, PROTOBUF_TYPE, "", PROJECT, time.time_ns(), signal=METRICS)


def _post(url: str, body: bytes) -> None:
    headers = {"content-type": PROTOBUF_TYPE}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        answer.read()
