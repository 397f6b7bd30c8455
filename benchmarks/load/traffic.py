"""The traffic: OTLP requests of agent traces whose text reads like English and does not repeat.

A request holds 25 traces of an agent and its three calls, 20 attributes a span and about 1 KB of
messages. The text is made of three-word pieces of Python's own manual, drawn with a seed. This
file knows what a client sends and nothing of who receives it.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SEED = 20260
CALLS_A_TRACE = 3
TRACES_A_REQUEST = 25
SPANS_A_REQUEST = TRACES_A_REQUEST * (1 + CALLS_A_TRACE)
MODELS = ("gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini")
_PLANS = ("free", "pro", "team")
_CHUNK = 25
# One body in so many is squeezed hard, to say how much its text repeats.
_SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Text:
    """Message text of a sample of the spans: bytes as they are, and by gzip -6 a request."""

    spans: int = 0
    size_bytes: int = 0
    gzip_bytes: int = 0

    def __add__(self, other: Text) -> Text:
        return Text(
            self.spans + other.spans,
            self.size_bytes + other.size_bytes,
            self.gzip_bytes + other.gzip_bytes,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """Requests ready to send, as they are and by gzip, and how much their text repeats."""

    plain: list[bytes]
    squeezed: list[bytes]
    text: Text

    @property
    def spans(self) -> int:
        """How many spans all of it holds."""
        return len(self.plain) * SPANS_A_REQUEST

    def bodies(self, gzip: bool) -> list[bytes]:
        """The requests as they are sent."""
        return self.squeezed if gzip else self.plain


class Writer:
    """Text that reads like English and does not repeat, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._pieces = _cut_pieces()

    def write(self, words: int) -> str:
        """About that many words."""
        return " ".join(self.random.choices(self._pieces, k=max(1, words // 3)))

    def message(self, role: str, words: int) -> dict[str, Any]:
        """One message in OpenTelemetry's shape."""
        return {"role": role, "parts": [{"type": "text", "content": self.write(words)}]}


@cache
def _cut_pieces() -> list[str]:
    words = " ".join(topics.values()).split()
    return [" ".join(words[i : i + 3]) for i in range(len(words) - 3)]


def build_load(requests: int, now_ns: int, seed: int = SEED) -> Load:
    """That many requests, the same for the same seed and time; built on all cores."""
    chunks = [(seed + n, min(_CHUNK, requests - n), now_ns) for n in range(0, requests, _CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        built = list(pool.map(_build_chunk, chunks))
    return Load(
        [body for load in built for body in load.plain],
        [body for load in built for body in load.squeezed],
        sum((load.text for load in built), Text()),
    )


def _build_chunk(order: tuple[int, int, int]) -> Load:
    seed, requests, now_ns = order
    writer = Writer(seed)
    plain: list[bytes] = []
    sample = Text()
    for number in range(requests):
        body, texts = _build_request(writer, now_ns)
        plain.append(body)
        if number % _SAMPLE == 0:
            text = "".join(texts).encode()
            sample += Text(SPANS_A_REQUEST, len(text), len(gzip.compress(text, 6)))
    return Load(plain, [gzip.compress(body, 1) for body in plain], sample)


def _build_request(writer: Writer, now_ns: int) -> tuple[bytes, list[str]]:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _put(
        resource.resource,
        {
            "service.name": f"shop-{writer.random.randrange(4)}",
            "service.version": "1.4.2",
            "deployment.environment.name": "production",
        },
    )
    scope = resource.scope_spans.add()
    scope.scope.name = "watchpost"
    texts: list[str] = []
    for _ in range(TRACES_A_REQUEST):
        texts += _add_trace(scope.spans, writer, now_ns - writer.random.randrange(3_600 * 10**9))
    return request.SerializeToString(), texts


def _add_trace(spans: Any, writer: Writer, start_ns: int) -> list[str]:
    """An agent and its calls, one after the other; the texts they hold."""
    draw = writer.random
    trace_id, root_id = draw.randbytes(16), draw.randbytes(8)
    session, user = draw.randbytes(6).hex(), f"user-{draw.randrange(5000)}"
    texts: list[str] = []
    for place in range(1 + CALLS_A_TRACE):
        begin_ns = start_ns + place * 10**8
        span = spans.add(
            trace_id=trace_id,
            span_id=draw.randbytes(8) if place else root_id,
            parent_span_id=root_id if place else b"",
            name="chat" if place else "answer",
            start_time_unix_nano=begin_ns,
            end_time_unix_nano=begin_ns + draw.randrange(10**8, 4 * 10**9),
        )
        values = _draw_attributes(writer, "generation" if place else "agent")
        _put(span, {**values, "session.id": session, "user.id": user})
        texts += (str(values["gen_ai.input.messages"]), str(values["gen_ai.output.messages"]))
        if place and draw.random() < 0.3:
            event = span.events.add(time_unix_nano=span.end_time_unix_nano)
            event.name = "watchpost.guard.verdict"
            verdict = {"name": "pii", "action": "allow", "probability": round(draw.random(), 4)}
            _put(event, {f"watchpost.guard.{key}": value for key, value in verdict.items()})
    return texts


def _draw_attributes(writer: Writer, kind: str) -> dict[str, str | int | float]:
    """All attributes of a span but the session and the user: eighteen."""
    draw = writer.random
    model = draw.choice(MODELS)
    answer = {**writer.message("assistant", 80), "finish_reason": "stop"}
    return {
        "watchpost.kind": kind,
        "gen_ai.operation.name": "chat" if kind == "generation" else "invoke_agent",
        "gen_ai.provider.name": "anthropic" if model.startswith("claude") else "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"resp-{draw.randbytes(12).hex()}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": draw.randrange(80, 600),
        "gen_ai.usage.output_tokens": draw.randrange(40, 200),
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.response.time_to_first_chunk": round(draw.uniform(0.2, 0.9), 4),
        "gen_ai.prompt.name": "support",
        "gen_ai.prompt.version": f"v{draw.randrange(3)}",
        "watchpost.segment.plan": draw.choice(_PLANS),
        "gen_ai.input.messages": json.dumps([writer.message("user", 60)]),
        "gen_ai.output.messages": json.dumps([answer]),
    }


def _put(owner: Any, values: dict[str, str | int | float]) -> None:
    owner.attributes.extend(
        KeyValue(key=key, value=_VALUES[type(value)](value)) for key, value in values.items()
    )


_VALUES = {
    str: lambda value: AnyValue(string_value=value),
    int: lambda value: AnyValue(int_value=value),
    float: lambda value: AnyValue(double_value=value),
}
