"""What ingest costs: spans per CPU-second over sockets until they can be queried, beside a limit.

Starts `watchpost up`, sends gzip OTLP requests over four connections, waits until every span can be
queried and the merges are over, and divides the spans by the server's CPU seconds (all its threads;
making the requests is the load generator's and is not counted). The limit is the same canonical
rows, decoded beforehand to Arrow, inserted into the same tables with the same rollups and indexes,
segment by segment, merges included: what ClickHouse itself takes when nobody has to decode.

    python benchmarks/ingest.py [--quick] [--json]

The text is made of three-word pieces of Python's own manual, drawn with a seed: it reads like
English to a compressor and does not repeat.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SEED = 20260
CONNECTIONS = 4
SPANS_A_TRACE = 4
TRACES_A_REQUEST = 64
QUICK_REQUESTS, FULL_REQUESTS = 60, 400
TABLES = ("spans", "content", "verdicts", "calls", "links")
MODELS = ("gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini")


class Writer:
    """Text that reads like English and does not repeat, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        words = " ".join(topics.values()).split()
        self._pieces = [" ".join(words[i : i + 3]) for i in range(len(words) - 3)]

    def write(self, words: int) -> str:
        """About that many words."""
        return " ".join(self.random.choices(self._pieces, k=max(1, words // 3)))

    def message(self, role: str, words: int) -> dict[str, Any]:
        """One message in OpenTelemetry's shape."""
        return {"role": role, "parts": [{"type": "text", "content": self.write(words)}]}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests ready to send, how many spans they hold, and the size of their text by gzip."""

    requests: list[bytes]
    spans: int
    content_gzip_bytes: int


def build_load(requests: int, now_ns: int) -> Load:
    """Traces of an agent: a chain, a tool call and two chats with their conversation so far."""
    writer = Writer(SEED)
    bodies: list[bytes] = []
    squeezed = 0
    for _ in range(requests):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        put(resource.resource, "service.name", f"shop-{writer.random.randrange(4)}")
        put(resource.resource, "service.version", "1.4.2")
        put(resource.resource, "deployment.environment.name", "production")
        scope = resource.scope_spans.add()
        scope.scope.name = "watchpost"
        texts: list[str] = []
        for _ in range(TRACES_A_REQUEST):
            start_ns = now_ns - writer.random.randrange(3_600 * 10**9)
            texts += add_trace(scope.spans, writer, start_ns)
        squeezed += len(gzip.compress("".join(texts).encode(), 6))
        bodies.append(gzip.compress(request.SerializeToString(), 1))
    return Load(bodies, requests * TRACES_A_REQUEST * SPANS_A_TRACE, squeezed)


def add_trace(spans: Any, writer: Writer, start_ns: int) -> Iterator[str]:
    """Add one trace; the content texts it holds."""
    trace_id = writer.random.randbytes(16)
    root = add_span(spans, writer, trace_id, b"", "answer", start_ns, 9)
    put(root, "watchpost.kind", "chain")
    put(root, "session.id", writer.random.randbytes(6).hex())
    tool = add_span(spans, writer, trace_id, root.span_id, "search_orders", start_ns, 1)
    put(tool, "gen_ai.operation.name", "execute_tool")
    put(tool, "gen_ai.tool.name", "search_orders")
    put(tool, "gen_ai.tool.call.arguments", json.dumps({"query": writer.write(9)}))
    history = [writer.message("user", 60)]
    for _ in range(2):
        chat = add_span(spans, writer, trace_id, root.span_id, "chat", start_ns, 4)
        answer = writer.message("assistant", 90)
        yield from add_chat(chat, writer, history, answer)
        history += [answer, writer.message("user", 40)]


def add_chat(
    span: Any, writer: Writer, history: Sequence[dict[str, Any]], answer: dict[str, Any]
) -> Iterator[str]:
    """Fill a generation: some twenty attributes, its messages, and now and then a verdict."""
    model = writer.random.choice(MODELS)
    provider = "anthropic" if model.startswith("claude") else "openai"
    texts = {
        "gen_ai.input.messages": json.dumps(history),
        "gen_ai.output.messages": json.dumps([{**answer, "finish_reason": "stop"}]),
    }
    values: dict[str, str | int | float] = {
        "watchpost.kind": "generation",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"resp-{writer.random.randbytes(12).hex()}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": sum(map(len, texts.values())) // 4,
        "gen_ai.usage.output_tokens": writer.random.randrange(40, 200),
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.response.time_to_first_chunk": round(writer.random.uniform(0.2, 0.9), 4),
        "gen_ai.prompt.name": "support",
        "gen_ai.prompt.version": f"v{writer.random.randrange(3)}",
        "session.id": writer.random.randbytes(6).hex(),
        "user.id": f"user-{writer.random.randrange(5000)}",
        "watchpost.usage.source": "provider",
        "watchpost.context.use": round(writer.random.uniform(0.01, 0.4), 4),
        "watchpost.segment.plan": writer.random.choice(("free", "pro", "team")),
    }
    for key, value in {**values, **texts}.items():
        put(span, key, value)
    if writer.random.random() < 0.3:
        event = span.events.add(time_unix_nano=span.end_time_unix_nano)
        event.name = "watchpost.guard.verdict"
        put(event, "watchpost.guard.name", "pii")
        put(event, "watchpost.guard.action", "allow")
        put(event, "watchpost.guard.probability", round(writer.random.random(), 4))
    yield from texts.values()


def add_span(
    spans: Any, writer: Writer, trace_id: bytes, parent: bytes, name: str, start_ns: int, s: int
) -> Any:
    """A span of up to `s` seconds."""
    return spans.add(
        trace_id=trace_id,
        span_id=writer.random.randbytes(8),
        parent_span_id=parent,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + writer.random.randrange(10**8, s * 10**9),
    )


def put(owner: Any, key: str, value: str | int | float) -> None:
    """Add an attribute."""
    target = owner.attributes.add(key=key).value
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, int):
        target.int_value = value
    else:
        target.double_value = value


@dataclass(frozen=True, slots=True)
class Served:
    """What the server took: CPU seconds, acknowledgement times, and the spans found in it."""

    cpu_s: float
    ack_ms: list[float]
    stored: int


def measure_server(data: Path, load: Load) -> Served:
    """Run a server on `data`, send the load, wait until it is queryable and quiet."""
    ready = data.with_name("ready.json")
    command = [str(Path(sys.executable).with_name("watchpost")), "up", "--data", str(data)]
    command += ["--port", "0", "--query-port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise SystemExit("the server did not start")
                time.sleep(0.05)
            urls = json.loads(ready.read_text())
            wait_until_quiet(process.pid)
            before_s = read_cpu_s(process.pid)
            ack_ms = send_load(urls["otlp"], load.requests)
            ask(f"{urls['otlp']}/api/flush", b"", "application/json")
            wait_until_quiet(process.pid)
            cpu_s = read_cpu_s(process.pid) - before_s
            answer = ask(urls["query"], b"SELECT count() FROM watchpost.spans", "text/plain")
            return Served(cpu_s, ack_ms, int(answer))
        finally:
            process.send_signal(signal.SIGTERM)


def send_load(url: str, requests: Sequence[bytes]) -> list[float]:
    """Send everything over a few connections, each waiting for its answer; milliseconds each."""
    waiting = iter(requests)
    lock = threading.Lock()
    ack_ms: list[float] = []

    def run() -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            start = time.perf_counter()
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            with lock:
                ack_ms.append((time.perf_counter() - start) * 1000)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ack_ms


def ask(url: str, body: bytes, content_type: str) -> str:
    """POST and read text."""
    request = urllib.request.Request(url, data=body, headers={"content-type": content_type})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(answer.read().decode())


def read_cpu_s(pid: int) -> float:
    """CPU seconds a process used so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(pid: int) -> None:
    """Wait until a process uses less than a twentieth of a CPU: its merges are over."""
    while True:
        before_s = read_cpu_s(pid)
        time.sleep(0.5)
        if read_cpu_s(pid) - before_s <= 0.025:
            return


def dump_tables(data: Path) -> None:
    """Read a stopped server's tables back as Arrow, by segment, and their sizes on disk.

    In a process of its own, as the next step: the engine opens one path a process.
    """
    import pyarrow as pa
    from clickhouse_connect import get_client

    client = get_client(dsn=f"chdb://{data / 'store'}")
    out = data.with_name("arrow")
    out.mkdir()
    for table in TABLES:
        for (segment,) in client.query(
            f"SELECT DISTINCT spool_segment FROM watchpost.{table} ORDER BY 1"
        ).result_rows:
            rows = client.query_arrow(
                f"SELECT * FROM watchpost.{table} WHERE spool_segment = '{segment}'",
                use_strings=True,
            )
            with pa.ipc.new_file(str(out / f"{segment}.{table}"), rows.schema) as writer:
                writer.write_table(rows)
    client.command("OPTIMIZE TABLE watchpost.content FINAL")
    sizes = client.query(
        "SELECT table, sum(bytes_on_disk) FROM system.parts "
        "WHERE active AND database = 'watchpost' GROUP BY table"
    ).result_rows
    (data.with_name("sizes.json")).write_text(json.dumps({t: int(n) for t, n in sizes}))


def insert_limit(directory: Path) -> None:
    """Insert the Arrow tables into a fresh store; print the CPU seconds, merges included."""
    import pyarrow as pa
    from clickhouse_connect import get_client

    from watchpost_collector.store.client import PINNED, open_store
    from watchpost_collector.store.migrate import migrate

    store = open_store(f"chdb://{directory / 'limit'}")
    migrate(store)
    client = get_client(dsn=f"chdb://{directory / 'limit'}", settings=dict(PINNED))
    batches = [
        (path.suffix[1:], pa.ipc.open_file(path.read_bytes()).read_all())
        for path in sorted((directory / "arrow").iterdir())
    ]
    started_s = time.process_time()
    for table, rows in batches:
        client.insert_arrow(f"watchpost.{table}", rows)
    wait_until_quiet(os.getpid())
    print(time.process_time() - started_s)


def run_child(step: str, place: Path) -> str:
    """Run one of the two steps above and return what it printed."""
    command = [sys.executable, __file__, step, str(place)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(requests: int) -> dict[str, Any]:
    """The whole benchmark; its keys are a contract."""
    load = build_load(requests, time.time_ns())
    with tempfile.TemporaryDirectory(prefix="watchpost-bench-") as name:
        place = Path(name)
        served = measure_server(place / "data", load)
        run_child("--dump", place / "data")
        limit_s = float(run_child("--limit", place))
        sizes = json.loads((place / "sizes.json").read_text())
    content = sizes.get("content", 0)
    ours, limit = load.spans / served.cpu_s, load.spans / limit_s
    ack_ms = sorted(served.ack_ms)
    return {
        "spans_per_cpu_second": round(ours),
        "limit_spans_per_cpu_second": round(limit),
        "ratio": round(ours / limit, 3),
        "ack_ms": {
            "p50": round(ack_ms[len(ack_ms) // 2], 2),
            "p99": round(ack_ms[len(ack_ms) * 99 // 100], 2),
        },
        "stored": served.stored,
        "sent": load.spans,
        "bytes_per_span": {
            "metadata": round((sum(sizes.values()) - content) / load.spans, 1),
            "content": round(content / load.spans, 1),
        },
        "content_gzip_bytes": round(load.content_gzip_bytes / load.spans, 1),
    }


def print_table(result: dict[str, Any]) -> None:
    """For people."""
    rows = [
        ("spans sent, over sockets, gzip", f"{result['sent']:,}"),
        ("spans found in the store", f"{result['stored']:,}"),
        ("spans per CPU-second, server, until queryable", f"{result['spans_per_cpu_second']:,}"),
        ("  limit: the same rows as Arrow", f"{result['limit_spans_per_cpu_second']:,}"),
        ("  ratio", f"{result['ratio']:.2f}"),
        ("acknowledged (on disk), ms, median", f"{result['ack_ms']['p50']}"),
        ("acknowledged (on disk), ms, 99th of 100", f"{result['ack_ms']['p99']}"),
        ("bytes on disk a span, all but content", f"{result['bytes_per_span']['metadata']}"),
        ("bytes on disk a span, content", f"{result['bytes_per_span']['content']}"),
        ("  the same text by gzip -6, a span", f"{result['content_gzip_bytes']}"),
    ]
    for name, value in rows:
        print(f"{name:<48}{value:>14}")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description="What ingest costs, beside its limit.")
    parser.add_argument("--quick", action="store_true", help="fewer spans, under a minute")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--dump", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.dump:
        dump_tables(given.dump)
    elif given.limit:
        insert_limit(given.limit)
    else:
        result = measure(QUICK_REQUESTS if given.quick else FULL_REQUESTS)
        print_table(result)
        if given.json:
            print(json.dumps(result))


if __name__ == "__main__":
    main()
