from __future__ import annotations

import asyncio
import http.client
import time
from pathlib import Path
from typing import cast

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_bodies import build_request
from running_server import RunningServer

from watchpost.errors import ConfigError
from watchpost.serving.histogram import Histogram
from watchpost.serving.readings import Reading, Sample
from watchpost_collector import telemetry
from watchpost_collector.context import Context
from watchpost_collector.settings import read_telemetry
from watchpost_collector.telemetry import PROJECT, encode_readings, report_always


def test_each_kind_of_reading_becomes_the_metric_it_is() -> None:
    histogram = Histogram((0.1,))
    histogram.observe(0.5)
    readings = [
        Reading("a", "counter", "A.", "{span}", (Sample(3, {"fate": "stored"}),)),
        Reading("b", "gauge", "B.", "By", (Sample(1.5),)),
        Reading("c", "histogram", "C.", "s", (Sample(histogram.read()),)),
    ]

    request = ExportMetricsServiceRequest.FromString(encode_readings(readings, 5, 9))

    [resource] = request.resource_metrics
    assert resource.resource.attributes[0].value.string_value == "watchpost-collector"
    a, b, c = resource.scope_metrics[0].metrics
    [point] = a.sum.data_points
    assert (a.sum.is_monotonic, point.as_double) == (True, 3)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (5, 9)
    assert point.attributes[0].value.string_value == "stored"
    assert (b.unit, b.gauge.data_points[0].as_double) == ("By", 1.5)
    assert list(c.histogram.data_points[0].bucket_counts) == [0, 1]


async def test_it_goes_on_telling_after_an_answer_that_is_no_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "take_readings", lambda _: [])
    sent: list[bytes] = []
    heard = asyncio.Event()

    async def send(body: bytes) -> None:
        sent.append(body)
        if len(sent) == 1:
            raise http.client.BadStatusLine("?")
        heard.set()

    telling = asyncio.create_task(report_always(cast("Context", None), send, 0.0))
    await asyncio.wait_for(heard.wait(), 60)

    assert not telling.done()
    telling.cancel()


def test_a_place_that_is_none_is_refused_with_what_to_say() -> None:
    assert read_telemetry(None, {"WATCHPOST_TELEMETRY": "off"}) == "off"
    with pytest.raises(ConfigError, match="here, off, or an address"):
        read_telemetry("somewhere", {})


def test_a_collector_tells_of_itself_in_its_own_metrics_table(
    server: RunningServer, tmp_path: Path
) -> None:
    arguments = ("--store", "http://nobody@127.0.0.1:9", "--telemetry", server.otlp_url)
    teller = RunningServer(tmp_path / "data", *arguments, "--telemetry-interval", "0.2")
    teller.start_without_store()
    try:
        body = build_request(4).SerializeToString()
        assert teller.send(body).status == 200
        # The shared server tells of itself too, in a project of its own: not what is asked for.
        question = (
            "SELECT countIf(value = 4) FROM watchpost.metrics "
            "WHERE service = 'watchpost-collector' AND name = 'watchpost_spans_waiting' "
            f"AND project != '{PROJECT}'"
        )
        give_up = time.monotonic() + 60
        while int(server.query(question)[0][0]) == 0:
            assert time.monotonic() < give_up
            time.sleep(0.2)
            server.flush()
    finally:
        teller.kill()
