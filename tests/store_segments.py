"""Segments for store tests: LLM spans in a few words, framed as the spool frames them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from known_calls import PlainSpan, build_request

from watchpost_collector.otlp.envelope import Letter, frame_head

USAGE = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
# A quiet hour in the past, the same for all tests: each keeps apart by its project.
NOON_NS = 1_790_000_000_000_000_000 // 3_600_000_000_000 * 3_600_000_000_000


def make_call(
    span_id: str = "",
    *,
    trace_id: str = "ab" * 16,
    parent: str = "",
    usage: bool = True,
    start_ms: float = 0,
    lasts_ms: float = 100,
    scope: str = "",
    response_id: str = "",
    **attributes: Any,
) -> PlainSpan:
    """An LLM span; attributes by name with `__` for a dot."""
    start_ns = NOON_NS + int(start_ms * 1e6)
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return PlainSpan(
        "chat",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            **({"gen_ai.response.id": response_id} if response_id else {}),
            **(USAGE if usage else {}),
            **named,
        },
        span_id or secrets.token_hex(8),
        parent,
        trace_id,
        start_ns,
        start_ns + int(lasts_ms * 1e6),
        scope=scope,
    )


def pack_segment(
    segment: str,
    spans: Sequence[PlainSpan],
    project: str,
    *,
    backfill: bool = True,
    received_ns: int = 0,
) -> bytes:
    """A segment's bytes: one envelope with these spans."""
    body = build_request(list(spans)).SerializeToString()
    letter = Letter(body, project, received_ns or time.time_ns(), len(spans), backfill=backfill)
    return frame_head(letter, segment) + body


def name_segment(prefix: str = "segment") -> str:
    """A segment name nobody used before."""
    return f"{prefix}-{secrets.token_hex(6)}"
