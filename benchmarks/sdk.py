"""What recording a call costs its caller, and what a burst of calls loses; beside OpenTelemetry.

The peer is bare OpenTelemetry: a hand-written span with the same attributes, a batch processor and
the OTLP exporter. Both record the same calls of a client that answers at once with real response
objects, and both send to the same counting receiver in a process of its own. Microseconds are CPU
time of the calling thread beyond the bare client's; the ratio is the median over pairs of blocks
that ran beside each other, so that a noisy machine disturbs both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import watchpost

SHAPES = ("sync", "async", "stream")
BURST, QUICK_BURST = 20_000, 6_000
MODEL = "gpt-4o-2024-08-06"
MESSAGES = [
    {"role": "system", "content": "You answer questions about orders. " * 6},
    {"role": "user", "content": "Where is my order 1234? " * 4},
    {"role": "assistant", "content": "It left the warehouse yesterday. " * 5},
    {"role": "user", "content": "And when does it arrive? I am away on Friday. " * 3},
]
ANSWER = "It arrives on Thursday between nine and eleven in the morning, before you leave."
TOKENS = {"prompt_tokens": 160, "completion_tokens": 18, "total_tokens": 178}
ASKED, SAID = {"cached_tokens": 128, "audio_tokens": 0}, {"reasoning_tokens": 0, "audio_tokens": 0}
USAGE = {**TOKENS, "prompt_tokens_details": ASKED, "completion_tokens_details": SAID}
HEAD = {"id": "chatcmpl-1", "created": 1, "model": MODEL, "system_fingerprint": "fp_1"}


def make_completion() -> ChatCompletion:
    """A whole answer, as the client would have parsed it."""
    said = {"role": "assistant", "content": ANSWER}
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    body = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return ChatCompletion.model_validate(body)


def make_chunks() -> list[ChatCompletionChunk]:
    """The same answer in a chunk a word."""
    words = [word + " " for word in ANSWER.split(" ")]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in words]
    head = {**HEAD, "object": "chat.completion.chunk"}
    bodies = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    bodies.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    bodies.append({**head, "choices": [], "usage": USAGE})
    return [ChatCompletionChunk.model_validate(body) for body in bodies]


COMPLETION, CHUNKS = make_completion(), make_chunks()


class Stream:
    """A client's stream object with its chunks already there."""

    def __init__(self) -> None:
        self.response = None
        self._iterator = iter(CHUNKS)

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        yield from self._iterator

    def __next__(self) -> ChatCompletionChunk:
        return next(self._iterator)

    def close(self) -> None:
        """Nothing is open."""


class Client:
    """The part of an OpenAI client that every call goes through, answering at once."""

    base_url = SimpleNamespace(host="api.openai.com")

    def request(self, cast_to: Any, options: Any, *, stream: bool = False) -> Any:
        """Answer."""
        self._build_request(options, retries_taken=0)
        return Stream() if stream else COMPLETION

    def _build_request(self, options: Any, *, retries_taken: int) -> None:
        """Nothing is sent."""


class AsyncClient(Client):
    """The same, async."""

    async def request(self, cast_to: Any, options: Any, *, stream: bool = False) -> Any:
        """Answer."""
        self._build_request(options, retries_taken=0)
        return COMPLETION


def make_options(*, stream: bool) -> Any:
    """What the client's `create` makes of its arguments."""
    body = {"model": MODEL, "messages": MESSAGES, "temperature": 0.2, "max_tokens": 200}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return SimpleNamespace(method="post", url="/chat/completions", json_data=body, headers={})


class BarePeer:
    """The attributes watchpost records, set by hand on an OpenTelemetry span."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def record(self, span: trace.Span, body: dict[str, Any], said: Any, text: str) -> None:
        """Set what is known when the call is over. Cost and context use are given for free."""
        asked = [
            {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]}
            for m in body["messages"]
        ]
        answered = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
        usage = said.usage
        found = {
            "gen_ai.input.messages": json.dumps(asked[1:]),
            "gen_ai.system_instructions": json.dumps(asked[0]["parts"]),
            "gen_ai.output.messages": json.dumps(answered),
            "gen_ai.request.temperature": body["temperature"],
            "gen_ai.request.max_tokens": body["max_tokens"],
            "openai.response.system_fingerprint": said.system_fingerprint,
            "server.address": "api.openai.com",
            "gen_ai.response.id": said.id,
            "gen_ai.response.finish_reasons": ["stop"],
            "watchpost.retries": 0,
            "gen_ai.request.stream": bool(body.get("stream")),
            "watchpost.kind": "generation",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": body["model"],
            "gen_ai.response.model": said.model,
            "watchpost.usage.source": "provider",
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.prompt_tokens_details.cached_tokens,
            "gen_ai.usage.cache_write.input_tokens": 0,
            "gen_ai.usage.reasoning.output_tokens": 0,
            "watchpost.context.window": 128_000,
            "watchpost.context.use": 0.001391,
            "watchpost.cost.usd": "0.00042",
        }
        for name, value in found.items():
            span.set_attribute(name, value)

    def call(self, client: Client, options: Any) -> Any:
        """A whole call."""
        with self._tracer.start_as_current_span("chat " + MODEL, kind=trace.SpanKind.CLIENT) as s:
            said = client.request(ChatCompletion, options)
            self.record(s, options.json_data, said, said.choices[0].message.content)
            return said

    async def call_async(self, client: AsyncClient, options: Any) -> Any:
        """A whole async call."""
        with self._tracer.start_as_current_span("chat " + MODEL, kind=trace.SpanKind.CLIENT) as s:
            said = await client.request(ChatCompletion, options)
            self.record(s, options.json_data, said, said.choices[0].message.content)
            return said

    def stream(self, client: Client, options: Any) -> Iterator[Any]:
        """A streamed call, the span current while the next chunk is awaited."""
        span = self._tracer.start_span("chat " + MODEL, kind=trace.SpanKind.CLIENT)
        began, first_s, texts, last = time.perf_counter(), 0.0, [], None
        with trace.use_span(span):
            chunks = client.request(ChatCompletion, options, stream=True)
        while True:
            try:
                with trace.use_span(span):
                    chunk = next(chunks)
            except StopIteration:
                break
            if chunk.choices and chunk.choices[0].delta.content:
                first_s = first_s or time.perf_counter() - began
                texts.append(chunk.choices[0].delta.content)
            last = chunk
            yield chunk
        span.set_attribute("gen_ai.response.time_to_first_chunk", first_s)
        self.record(span, options.json_data, last, "".join(texts))
        span.end()


def make_contenders(shape: str, peer: BarePeer) -> dict[str, Callable[[], Any]]:
    """The bare client, watchpost and the peer in one shape; async ones return a coroutine."""
    if shape == "async":
        bare, patched = AsyncClient(), watchpost.patch(AsyncClient())
        return {
            "bare": lambda: bare.request(ChatCompletion, make_options(stream=False)),
            "otel": lambda: peer.call_async(bare, make_options(stream=False)),
            "watchpost": lambda: patched.request(ChatCompletion, make_options(stream=False)),
        }
    plain, watched = Client(), watchpost.patch(Client())
    if shape == "sync":
        return {
            "bare": lambda: plain.request(ChatCompletion, make_options(stream=False)),
            "otel": lambda: peer.call(plain, make_options(stream=False)),
            "watchpost": lambda: watched.request(ChatCompletion, make_options(stream=False)),
        }

    def read(chunks: Any) -> None:
        for _ in chunks:
            pass

    return {
        "bare": lambda: read(plain.request(ChatCompletion, make_options(stream=True), stream=True)),
        "otel": lambda: read(peer.stream(plain, make_options(stream=True))),
        "watchpost": lambda: read(
            watched.request(ChatCompletion, make_options(stream=True), stream=True)
        ),
    }


async def time_blocks(
    contenders: dict[str, Callable[[], Any]], *, blocks: int, calls: int, settle: Callable[[], Any]
) -> dict[str, list[list[float]]]:
    """Microseconds of every call, in interleaved blocks whose order rotates."""
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    order = list(contenders)
    for block in range(blocks + 1):
        for name in order:
            call, found = contenders[name], []
            for _ in range(calls):
                began = time.thread_time_ns()
                if asyncio.iscoroutine(pending := call()):
                    await pending
                found.append((time.thread_time_ns() - began) / 1000)
            if block:  # the first one warms up
                times[name].append(found)
            settle()
        order.append(order.pop(0))
    return times


def summarise(times: dict[str, list[list[float]]]) -> dict[str, Any]:
    """What each adds to the bare call in microseconds, and how they compare block by block."""
    bare = statistics.median(t for block in times["bare"] for t in block)
    found: dict[str, Any] = {}
    for name in ("watchpost", "otel"):
        cuts = statistics.quantiles((t for block in times[name] for t in block), n=100)
        found[name] = {"p50": round(cuts[49] - bare, 1), "p99": round(cuts[98] - bare, 1)}
    added = {
        name: [statistics.median(block) - bare for block in times[name]]
        for name in ("watchpost", "otel")
    }
    pairs = zip(added["watchpost"], added["otel"], strict=True)
    found["ratio"] = round(statistics.median(ours / theirs for ours, theirs in pairs), 3)
    return found


class Receiver(BaseHTTPRequestHandler):
    """Counts the spans of each service it is sent; GET tells."""

    protocol_version = "HTTP/1.1"
    counts: dict[str, int] = {}  # noqa: RUF012 - one process, one thread, one count

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            spans = sum(len(scope.spans) for scope in resource.scope_spans)
            service = named["service.name"]
            self.counts[service] = self.counts.get(service, 0) + spans
        self.reply(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        self.reply(json.dumps(self.counts).encode(), "application/json")

    def reply(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Say nothing."""


def serve(ports: Any) -> None:
    """The receiver's process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    ports.put(server.server_address[1])
    server.serve_forever()


def count_stored(endpoint: str, service: str) -> int:
    """The spans of a service the receiver has."""
    with urlopen(endpoint) as answer:
        return int(json.loads(answer.read()).get(service, 0))


def measure_burst(
    endpoint: str, peer: BarePeer, provider: TracerProvider, calls: int
) -> dict[str, Any]:
    """How many of a burst of calls arrive, given all the time they need."""
    client, plain, found = watchpost.patch(Client()), Client(), {}
    runs = {
        "watchpost": (client.request, (), lambda: watchpost.flush(60)),
        "otel": (peer.call, (plain,), lambda: provider.force_flush(60_000)),
    }
    for name, (call, first, flush) in runs.items():
        flush()
        before, began = count_stored(endpoint, name), time.perf_counter()
        for _ in range(calls):
            if name == "otel":
                call(*first, make_options(stream=False))
            else:
                call(ChatCompletion, make_options(stream=False))
        called_s = time.perf_counter() - began
        flush()
        done_s = time.perf_counter() - began
        stored = count_stored(endpoint, name) - before
        found[name] = {"sent": calls, "stored": stored}
        print(f"  {name:<10} {calls:>7,} sent  {stored:>7,} stored", end="")
        print(f"   calls {called_s:.1f} s, all delivered after {done_s:.1f} s")
    return found


def run(endpoint: str, *, blocks: int, calls: int, burst: int) -> dict[str, Any]:
    """Every measurement, printed as it comes."""
    provider = TracerProvider(resource=Resource.create({"service.name": "otel"}))
    exporter = OTLPSpanExporter(endpoint + "/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    peer = BarePeer(provider.get_tracer("bench"))

    def settle() -> None:
        watchpost.flush(30)
        provider.force_flush(30_000)

    added: dict[str, Any] = {"watchpost": {}, "otel": {}}
    ratio: dict[str, float] = {}
    print(
        f"{'added to a call':<16}{'watchpost p50':>14}{'p99':>8}{'otel p50':>10}{'p99':>8}  ratio"
    )
    for shape in SHAPES:
        contenders = make_contenders(shape, peer)
        times = asyncio.run(time_blocks(contenders, blocks=blocks, calls=calls, settle=settle))
        found = summarise(times)
        ours, theirs, ratio[shape] = found["watchpost"], found["otel"], found["ratio"]
        added["watchpost"][shape], added["otel"][shape] = ours, theirs
        print(f"  {shape:<14}{ours['p50']:>11} us{ours['p99']:>8}", end="")
        print(f"{theirs['p50']:>10}{theirs['p99']:>8}{ratio[shape]:>7}")
    print(f"a burst of {burst:,} calls")
    arrived = measure_burst(endpoint, peer, provider, burst)
    provider.shutdown()
    return {"added_us": added, "ratio": ratio, "burst": arrived}


def main() -> int:
    """Run against a receiver in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    chosen = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ports = spawn.Queue()
    receiver = spawn.Process(target=serve, args=(ports,), daemon=True)
    receiver.start()
    endpoint = f"http://127.0.0.1:{ports.get(timeout=30)}"
    with tempfile.TemporaryDirectory() as folder:
        watchpost.configure(endpoint=endpoint, service="watchpost", data_dir=folder)
        blocks, burst = (8, QUICK_BURST) if chosen.quick else (30, BURST)
        found = run(endpoint, blocks=blocks, calls=150, burst=burst)
        watchpost.shutdown()
    receiver.terminate()
    receiver.join()
    if chosen.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
