"""The record, the wire and the schema hold the same fields: each one set, sent and read back."""

import dataclasses
import json
import os
import time
from decimal import Decimal

import pytest

from watchpost.record import Generation, Origin, Request, Result, Usage, to_attributes

ASKED = [{"role": "user", "parts": [{"type": "text", "content": "where is it?"}]}]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "on its way"}]}]
GENERATION = Generation(
    operation="chat",
    provider="anthropic",
    server="api.example.org",
    request=Request(
        model="claude-sonnet-4-5",
        parameters={"gen_ai.request.temperature": 0.25},
        messages=ASKED,
        system=[{"type": "text", "content": "be brief"}],
        tools=[{"type": "function", "name": "find_parcel"}],
    ),
    result=Result(
        id="msg_agrees",
        model="claude-sonnet-4-5-20250929",
        messages=ANSWERED,
        finish_reasons=["stop"],
        details={"openai.response.service_tier": "priority"},
        service_tier="priority",
    ),
    usage=Usage(
        input_tokens=1000,
        output_tokens=200,
        cache_read_tokens=300,
        cache_write_tokens=400,
        cache_write_1h_tokens=100,
        reasoning_tokens=50,
        cache_read_audio_tokens=5,
        cache_read_image_tokens=6,
        audio_input_tokens=7,
        audio_output_tokens=8,
        image_input_tokens=9,
        image_output_tokens=10,
        images=2,
        seconds=1.5,
        characters=44,
        searches=3,
    ),
    origin=Origin(
        prompt="agrees",
        version="7",
        template_hash="0123abcd",
        session="session-1",
        user="user-1",
        tags=("beta", "eu"),
        segments={"plan": "pro"},
        sizes={"order": 12},
    ),
    streaming=True,
    time_to_first_token_s=0.5,
    retries=2,
    error_type="TimeoutError",
    http_status=503,
    stream_end="closed",
    blocked=True,
    guard_action="block",
    cost_usd=Decimal("0.0125"),
    context_window=200_000,
)

# Every leaf of the record, and the relation and expression a reader finds it under.
COLUMNS: dict[str, tuple[str, str, object]] = {
    "operation": ("generations", "operation", "chat"),
    "provider": ("generations", "provider", "anthropic"),
    "server": ("spans", "attributes['server.address']", "api.example.org"),
    "request.model": ("generations", "request_model", "claude-sonnet-4-5"),
    "request.parameters": ("spans", "parameters['temperature']", "0.25"),
    "request.messages": ("content", "input_messages", ASKED),
    "request.system": ("content", "system_instructions", list(GENERATION.request.system)),
    "request.tools": ("content", "tool_definitions", list(GENERATION.request.tools)),
    "result.id": ("generations", "response_id", "msg_agrees"),
    "result.model": ("generations", "response_model", "claude-sonnet-4-5-20250929"),
    "result.messages": ("content", "output_messages", ANSWERED),
    "result.finish_reasons": ("generations", "finish_reasons", ["stop"]),
    "result.details": ("spans", "service_tier", "priority"),
    "result.service_tier": ("spans", "service_tier", "priority"),
    "usage.input_tokens": ("generations", "toUInt32(input_tokens)", 1000),
    "usage.output_tokens": ("generations", "toUInt32(output_tokens)", 200),
    "usage.cache_read_tokens": ("generations", "toUInt32(cache_read_tokens)", 300),
    "usage.cache_write_tokens": ("generations", "toUInt32(cache_write_tokens)", 400),
    "usage.cache_write_1h_tokens": ("generations", "toUInt32(cache_write_1h_tokens)", 100),
    "usage.reasoning_tokens": ("generations", "toUInt32(reasoning_tokens)", 50),
    "usage.cache_read_audio_tokens": ("generations", "toUInt32(cache_read_audio_tokens)", 5),
    "usage.cache_read_image_tokens": ("generations", "toUInt32(cache_read_image_tokens)", 6),
    "usage.audio_input_tokens": ("generations", "toUInt32(audio_input_tokens)", 7),
    "usage.audio_output_tokens": ("generations", "toUInt32(audio_output_tokens)", 8),
    "usage.image_input_tokens": ("generations", "toUInt32(image_input_tokens)", 9),
    "usage.image_output_tokens": ("generations", "toUInt32(image_output_tokens)", 10),
    "usage.images": ("generations", "toUInt32(images)", 2),
    "usage.seconds": ("generations", "toUInt32(media_ms)", 1500),
    "usage.characters": ("generations", "toUInt32(characters)", 44),
    "usage.searches": ("generations", "toUInt32(searches)", 3),
    "usage.source": ("generations", "usage_source", "provider"),
    "origin.prompt": ("generations", "prompt_name", "agrees"),
    "origin.version": ("generations", "prompt_version", "7"),
    "origin.template_hash": ("generations", "template_hash", "0123abcd"),
    "origin.session": ("generations", "session_id", "session-1"),
    "origin.user": ("generations", "user_id", "user-1"),
    "origin.tags": ("generations", "tags", ["beta", "eu"]),
    "origin.segments": ("generations", "segments['plan']", "pro"),
    "origin.sizes": ("spans", "attributes['watchpost.prompt.variable.order.size']", "12"),
    "streaming": ("generations", "streaming", True),
    "time_to_first_token_s": ("generations", "ttft_ms", 500),
    "retries": ("generations", "retries", 2),
    "error_type": ("generations", "error_type", "TimeoutError"),
    "http_status": ("spans", "attributes['http.response.status_code']", "503"),
    "stream_end": ("spans", "attributes['watchpost.stream.end']", "closed"),
    "blocked": ("generations", "blocked", True),
    "guard_action": ("generations", "guard_action", "block"),
    "cost_usd": ("generations", "toString(cost_reported)", "0.0125"),
    "context_window": ("generations", "round(context_use, 4)", 0.006),
}
# Put on the record by its provider's file in a field of another name.
# What becomes part of other fields, or only orders what a program said.
NOT_SENT = {"result.usage", "result.provider", "origin.said"}


def leaves(value: object, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        inner = getattr(value, field.name)
        name = prefix + field.name
        found |= leaves(inner, f"{name}.") if dataclasses.is_dataclass(inner) else {name}
    return found


def as_otlp(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    assert isinstance(value, list | tuple)
    return {"arrayValue": {"values": [as_otlp(item) for item in value]}}


@pytest.fixture(scope="module")
def trace_id(server) -> str:
    """The record above, sent as one span."""
    now, identity = time.time_ns(), os.urandom(16).hex()
    span = {
        "traceId": identity,
        "spanId": identity[:16],
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "status": {"code": 2},
        "attributes": [
            {"key": key, "value": as_otlp(value)}
            for key, value in to_attributes(GENERATION, content=True).items()
        ],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert server.send(json.dumps(body).encode(), "application/json").status == 200
    server.flush()
    return identity


def test_every_field_of_the_record_has_a_column_or_says_why_not() -> None:
    assert leaves(GENERATION) == set(COLUMNS) | NOT_SENT


def test_no_field_is_left_at_its_default_above() -> None:
    # A field nobody set would be read back as empty and agree with anything.
    blank = Generation()
    for name in set(COLUMNS) - {"operation", "usage.source"}:
        value: object = GENERATION
        default: object = blank
        for part in name.split("."):
            value, default = getattr(value, part), getattr(default, part)
        assert value != default, name


@pytest.mark.parametrize("name", COLUMNS)
def test_a_field_set_by_the_sdk_is_read_back_from_its_column(name, server, trace_id) -> None:
    relation, expression, expected = COLUMNS[name]
    ((found,),) = server.query(
        f"SELECT {expression} FROM watchpost.{relation} WHERE trace_id = '{trace_id}'"
    )
    if relation == "content":
        found = json.loads(found)
    assert found == expected
