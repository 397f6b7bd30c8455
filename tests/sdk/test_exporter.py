"""One destination: what each answer of a collector means for the batch that was sent."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from standin_collector import StandInCollector

from watchpost.errors import ConfigError
from watchpost.export.exporter import Outcome, Sender, compress, parse_endpoint

BODY = compress(ExportTraceServiceRequest().SerializeToString())


def send(collector: StandInCollector, **options: object) -> Outcome:
    sender = Sender(
        parse_endpoint(collector.url),
        **{"key": None, "backfill": False, **options},  # type: ignore[arg-type]
    )
    try:
        return sender.send(BODY)
    finally:
        sender.close()


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "loopback"),
    [
        ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces", True),
        ("http://localhost:4318/", "localhost", 4318, "/v1/traces", True),
        ("http://[::1]:4318", "::1", 4318, "/v1/traces", True),
        ("https://c.example", "c.example", 443, "/v1/traces", False),
        ("http://c.example/otlp", "c.example", 80, "/otlp/v1/traces", False),
        ("http://c.example/v1/traces", "c.example", 80, "/v1/traces", False),
    ],
)
def test_an_endpoint_is_taken_apart(
    url: str, host: str, port: int, path: str, loopback: bool
) -> None:
    destination = parse_endpoint(url)
    assert (destination.host, destination.port, destination.path) == (host, port, path)
    assert destination.is_loopback is loopback


@pytest.mark.parametrize("url", ["", "c.example:4318", "ftp://x", "http://", "http://x:port"])
def test_anything_but_a_url_is_refused_by_value(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_endpoint(url)
    assert error.value.value == url


def test_a_batch_arrives_with_its_key_and_its_age() -> None:
    with StandInCollector() as collector:
        assert send(collector, key="k1", backfill=True) == Outcome("accepted")
        (headers,) = collector.headers
    assert headers["path"] == "/v1/traces"
    assert headers["Authorization"] == "Bearer k1"
    assert headers["X-Watchpost-Backfill"] == "1"
    assert headers["Content-Encoding"] == "gzip"


def test_spans_the_collector_rejects_are_counted() -> None:
    with StandInCollector() as collector:
        collector.reject(3)
        assert send(collector) == Outcome("accepted", rejected=3)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "later"),
        (503, "later"),
        (502, "later"),
        (401, "later"),
        (400, "refused"),
        (413, "refused"),
    ],
)
def test_a_status_says_whether_to_come_back(status: int, kind: str) -> None:
    with StandInCollector() as collector:
        collector.refuse(status)
        outcome = send(collector)
    assert (outcome.kind, outcome.reason) == (kind, f"HTTP {status}")


@pytest.mark.parametrize(
    ("header", "least", "most"), [("7", 7, 7), ("-3", 0, 0), ("9e9", 300, 300)]
)
def test_retry_after_in_seconds_is_kept_within_reason(
    header: str, least: float, most: float
) -> None:
    with StandInCollector() as collector:
        collector.refuse(503, **{"Retry-After": header})
        wait_s = send(collector).retry_after_s
    assert wait_s is not None
    assert least <= wait_s <= most


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    with StandInCollector() as collector:
        collector.refuse(503, **{"Retry-After": format_datetime(datetime.now(UTC) + timedelta(90))})
        collector.refuse(503, **{"Retry-After": "soon"})
        assert send(collector).retry_after_s == 300
        assert send(collector).retry_after_s is None


def test_a_connection_is_kept_between_batches() -> None:
    with StandInCollector() as collector:
        sender = Sender(parse_endpoint(collector.url), key=None, backfill=False)
        assert [sender.send(BODY).kind for _ in range(3)] == ["accepted"] * 3
        sender.close()
        assert collector.connections == 1


def test_a_collector_that_is_away_is_no_exception_and_one_that_restarts_is_found() -> None:
    collector = StandInCollector()
    sender = Sender(parse_endpoint(collector.url), key=None, backfill=False)
    assert sender.send(BODY).kind == "accepted"
    collector.close()
    sender.close()
    assert sender.send(BODY) == Outcome("later", reason="ConnectionRefusedError")
    with StandInCollector(collector.port):
        assert sender.send(BODY).kind == "accepted"
        sender.close()


def test_a_kept_connection_the_collector_closed_is_opened_again() -> None:
    with StandInCollector() as collector:
        collector.answers.append((200, {"Connection": "close"}, b""))
        sender = Sender(parse_endpoint(collector.url), key=None, backfill=False)
        assert [sender.send(BODY).kind for _ in range(2)] == ["accepted"] * 2
        sender.close()
        assert collector.connections == 2
