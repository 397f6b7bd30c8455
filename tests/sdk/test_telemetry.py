"""`configure`: what it starts, joins, replaces and survives. Global state: one process a test."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """An OTLP endpoint that keeps what it is sent."""

    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import gzip

                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                sent = ExportTraceServiceRequest.FromString(body)
                collector.resources.extend(sent.resource_spans)
                collector.headers.append({k.lower(): v for k, v in self.headers.items()})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def spans(self) -> dict[str, dict[str, Any]]:
        """Attributes by span name."""
        return {
            span.name: {a.key: a.value for a in span.attributes}
            for resource in self.resources
            for scope in resource.scope_spans
            for span in scope.spans
        }

    def services(self) -> dict[str, str]:
        """The service each span came from."""
        found = {}
        for resource in self.resources:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found[span.name] = named["service.name"]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with watchpost in a process of its own."""
    source = "import watchpost\nfrom opentelemetry import trace\n" + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env={"WATCHPOST_DATA_DIR": str(folder), "PATH": "/usr/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_spans_arrive_with_key_and_resource_and_leave_at_exit(
    collector: Collector, tmp_path: Path
) -> None:
    program = """
    watchpost.configure(service="shop", service_version="1.2", environment="test")
    with watchpost.span("work", kind="tool", session="s"):
        pass
    """
    run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url, WATCHPOST_KEY="k-1")

    assert collector.headers[0]["authorization"] == "Bearer k-1"
    named = {a.key: a.value.string_value for a in collector.resources[0].resource.attributes}
    assert named["service.name"] == "shop"
    assert named["service.version"] == "1.2"
    assert named["deployment.environment.name"] == "test"
    assert collector.spans["work"]["session.id"].string_value == "s"


def test_configuring_again_replaces_and_delivers_what_was_before(
    collector: Collector, tmp_path: Path
) -> None:
    program = """
    for name in ("first", "second"):
        watchpost.configure(service=name)
        with watchpost.span("ours-" + name, kind="tool"):
            pass
        with trace.get_tracer("other").start_as_current_span("theirs-" + name):
            pass
    assert watchpost.flush()
    """
    run(program, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    services = collector.services()
    assert services["ours-first"] == "first"
    assert services["ours-second"] == "second"
    assert {"theirs-first", "theirs-second"} <= set(services)
    assert len(services) == 4


def test_an_applications_own_provider_is_joined_not_replaced(
    collector: Collector, tmp_path: Path
) -> None:
    program = """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    own = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "app"}))
    provider.add_span_processor(SimpleSpanProcessor(own))
    trace.set_tracer_provider(provider)
    for _ in range(2):
        watchpost.configure()
        with watchpost.span("both", kind="tool"):
            pass
    assert trace.get_tracer_provider() is provider
    assert [span.name for span in own.get_finished_spans()] == ["both", "both"]
    provider.shutdown()
    """
    run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url)

    assert collector.services() == {"both": "app"}
    assert sum(len(s.spans) for r in collector.resources for s in r.scope_spans) == 2


def test_without_a_collector_there_is_one_line_and_no_exception(tmp_path: Path) -> None:
    program = """
    watchpost.configure(endpoint="http://127.0.0.1:9")
    for _ in range(5):
        with watchpost.span("work", kind="tool"):
            pass
        watchpost.flush(5)
    watchpost.shutdown()
    """
    finished = run(program, tmp_path)
    assert len(finished.stderr.strip().splitlines()) <= 1


def test_a_program_can_ask_what_became_of_its_spans(collector: Collector, tmp_path: Path) -> None:
    program = """
    print(watchpost.counts())
    watchpost.configure(endpoint=COLLECTOR)
    for _ in range(2):
        with watchpost.span("work"):
            pass
    assert watchpost.flush()
    print(watchpost.counts())
    watchpost.configure(endpoint="http://127.0.0.1:9")
    with watchpost.span("work"):
        pass
    watchpost.flush(2)
    print(watchpost.counts())
    """
    finished = run(program.replace("COLLECTOR", repr(collector.url)), tmp_path)

    assert finished.stdout.splitlines() == [
        "Counts(received=0, delivered=0, spilled=0, dropped=0, waiting=0)",
        "Counts(received=2, delivered=2, spilled=0, dropped=0, waiting=0)",
        "Counts(received=1, delivered=0, spilled=1, dropped=0, waiting=0)",
    ]


def test_metadata_capture_sends_no_words(collector: Collector, tmp_path: Path) -> None:
    program = """
    watchpost.configure(capture="metadata")
    @watchpost.observe("work", kind="tool")
    def work(text):
        return text
    work("private words")
    try:
        with watchpost.span("fails", kind="tool"):
            raise ValueError("private words")
    except ValueError:
        pass
    """
    run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url)

    assert set(collector.spans) == {"work", "fails"}
    assert "private words" not in str(collector.resources)
    assert collector.spans["fails"]["error.type"].string_value == "ValueError"


def test_a_clock_gives_every_time(collector: Collector, tmp_path: Path) -> None:
    program = """
    watchpost.configure(clock=iter(range(10**18, 10**18 + 10)).__next__)
    with watchpost.span("work", kind="tool"):
        pass
    """
    run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url)

    (span,) = collector.resources[0].scope_spans[0].spans
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (10**18, 10**18 + 1)
    assert collector.headers[0]["x-watchpost-backfill"] == "1"


def test_disabled_records_nothing_and_guards_still_run(
    collector: Collector, tmp_path: Path
) -> None:
    program = """
    class Never:
        name = "never"
        def check(self, question):
            return watchpost.Verdict("never", probability=1.0, tripped=True)
    watchpost.configure(enabled=False, policy=watchpost.Policy(block=[Never()]))
    import openai
    with openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9") as client:
        watchpost.patch(client)
        try:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
        except watchpost.Blocked:
            print("blocked")
    watchpost.shutdown()
    """
    finished = run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url)
    assert finished.stdout == "blocked\n"
    assert collector.resources == []


def test_prices_of_the_user_are_used(collector: Collector, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"our-model": {"input": 1, "output": 2, "context_window": 100}}))
    program = """
    watchpost.configure()
    @watchpost.observe("work")
    def work(question):
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
        return {"id": "x", "model": "our-model", "choices": [choice], "usage": usage}
    work("q")
    """
    run(program, tmp_path, WATCHPOST_ENDPOINT=collector.url, WATCHPOST_PRICES=str(prices))

    found = collector.spans["work"]
    assert found["watchpost.cost.usd"].string_value == "0.00002"
    assert found["watchpost.context.use"].double_value == 0.15
