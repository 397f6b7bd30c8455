"""Bare OpenTelemetry: the attributes watchpost records, set by hand on a span around the call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from calls import BODY, MODEL, STREAMED
from opentelemetry import trace


class Bare:
    """Makes the calls of a client as a careful programmer would record them."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def ask(self, client: Any, shape: str) -> Any:
        """One whole call; what is returned is awaited where the shape is async."""
        if shape == "async":
            return self._ask_async(client)
        if shape == "stream":
            for _ in self._stream(client):
                pass
            return None
        with self._tracer.start_as_current_span("chat " + MODEL, kind=trace.SpanKind.CLIENT) as s:
            said = client.chat.completions.create(**BODY)
            _record(s, BODY, said, said.choices[0].message.content)
            return said

    async def _ask_async(self, client: Any) -> Any:
        with self._tracer.start_as_current_span("chat " + MODEL, kind=trace.SpanKind.CLIENT) as s:
            said = await client.chat.completions.create(**BODY)
            _record(s, BODY, said, said.choices[0].message.content)
            return said

    def _stream(self, client: Any) -> Iterator[Any]:
        """The span is current while the next chunk is awaited, and never across a yield."""
        span = self._tracer.start_span("chat " + MODEL, kind=trace.SpanKind.CLIENT)
        began, first_s, texts, last = time.perf_counter(), 0.0, [], None
        with trace.use_span(span):
            chunks = client.chat.completions.create(**STREAMED)
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
        _record(span, STREAMED, last, "".join(texts))
        span.end()


def _record(span: trace.Span, body: dict[str, Any], said: Any, text: str) -> None:
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
