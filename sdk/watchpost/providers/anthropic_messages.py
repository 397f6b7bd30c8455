"""Anthropic's messages protocol: requests, results and streams of typed events.

Its input tokens leave the cached ones out; the record's contain them, so they are added here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from watchpost import attributes as names
from watchpost.providers.provider import (
    Flow,
    Piece,
    Provider,
    call_part,
    count,
    get,
    media_part,
    message,
    put,
    read_parameters,
    reasoning_part,
    response_part,
    text_part,
    visit_field,
    visit_flow,
    visit_leaves,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Part, Request, Result, Usage

if TYPE_CHECKING:
    from watchpost.screening.guard import Direction

_EVENTS = ("message_start", "message_delta", "message_stop")
_BLOCK_EVENTS = ("content_block_start", "content_block_delta", "content_block_stop")
_DELTA_FIELDS = ("text", "thinking", "partial_json")
_USAGE_FIELDS = (
    *("input_tokens", "output_tokens", "cache_read_input_tokens"),
    *("cache_creation_input_tokens", "cache_creation", "output_tokens_details", "service_tier"),
    *("server_tool_use", "speed"),
)


def owns_result(result: Any) -> bool:
    """Whether this is a message."""
    return get(result, "type") == "message" and isinstance(get(result, "content"), list)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed message."""
    return get(chunk, "type") in (*_EVENTS, *_BLOCK_EVENTS)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    parameters = read_parameters(body)
    if effort := get(body.get("output_config"), "effort"):
        parameters[names.REQUEST_REASONING_LEVEL] = effort
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[
            message(get(item, "role", "user"), _read_content(get(item, "content")))
            for item in body.get("messages") or ()
        ],
        system=_read_content(body.get("system")),
        tools=list(body.get("tools") or ()),
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    parts = _read_content(get(result, "content"))
    return _result(result, parts, get(result, "stop_reason", ""), get(result, "usage"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events, as far as it was seen."""
    started: Any = None
    reason = ""
    usage: dict[str, Any] = {}
    blocks: dict[int, tuple[Any, list[str]]] = {}
    for chunk in chunks:
        kind = get(chunk, "type")
        if kind == "message_start":
            started = get(chunk, "message")
            _update_usage(usage, get(started, "usage"))
        elif kind == "content_block_start":
            blocks[get(chunk, "index", 0)] = (get(chunk, "content_block"), [])
        elif kind == "content_block_delta":
            held = blocks.setdefault(get(chunk, "index", 0), ({"type": "text"}, []))[1]
            delta = get(chunk, "delta")
            held.extend(piece for name in _DELTA_FIELDS if (piece := get(delta, name)))
        elif kind == "message_delta":
            reason = get(get(chunk, "delta"), "stop_reason") or reason
            _update_usage(usage, get(chunk, "usage"))
    parts = [_read_grown(block, "".join(grown)) for _, (block, grown) in sorted(blocks.items())]
    found = _result(started, parts, reason, usage or None)
    if reason or found.usage is None:
        return found
    # A stream that broke off has told its input; its output tokens are the first event's.
    return replace(found, usage=replace(found.usage, source=names.ESTIMATED))


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    return bool(get(chunk, "type") == "content_block_delta")


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for block in get(result, "content", ()):
        changed = [visit_field(block, name, visit) for name in ("text", "thinking")]
        if any(changed) and get(block, "parsed_output") is not None:
            # The parsed object was built from the text that must not be shown.
            put(block, "parsed_output", None)
        if str(get(block, "type")).endswith("tool_use"):
            put(block, "input", visit_leaves(get(block, "input"), at(visit, "tool_argument")))


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    visit_flow(FLOW, chunks, visit)


def _pieces(chunk: Any) -> Iterator[Piece]:
    if get(chunk, "type") == "content_block_delta":
        delta = get(chunk, "delta")
        for name in _DELTA_FIELDS:
            if get(delta, name):
                stage: Direction = "tool_argument" if name == "partial_json" else "output"
                yield Piece(None, (get(chunk, "index", 0), name), delta, name, stage)


FLOW = Flow(_pieces)


def _result(source: Any, parts: Sequence[Part], reason: str, usage: Any) -> Result:
    details: dict[str, Attribute] = {}
    tier = get(usage, "service_tier", "")
    if tier:
        details[names.ANTHROPIC_RESPONSE_SERVICE_TIER] = tier
    # Fast answers have prices of their own, as tiers have.
    speed = get(usage, "speed", "")
    return Result(
        id=get(source, "id", ""),
        model=get(source, "model", ""),
        messages=[message("assistant", parts, reason)] if parts else [],
        finish_reasons=[reason] if reason else [],
        usage=_read_usage(usage),
        details=details,
        service_tier=speed if speed == "fast" else tier,
    )


def _update_usage(usage: dict[str, Any], reported: Any) -> None:
    for name in _USAGE_FIELDS:
        if (value := get(reported, name)) is not None:
            usage[name] = value


def _read_usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    read = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count(usage, "input_tokens") + read + written,
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count(usage, "cache_creation", "ephemeral_1h_input_tokens"),
        reasoning_tokens=count(usage, "output_tokens_details", "thinking_tokens"),
        searches=count(usage, "server_tool_use", "web_search_requests"),
    )


def _read_grown(block: Any, grown: str) -> Part:
    kind = get(block, "type")
    if kind == "tool_use":
        return call_part(get(block, "id"), get(block, "name"), grown)
    if kind == "thinking":
        return reasoning_part(get(block, "thinking", "") + grown)
    if kind == "text":
        return text_part(get(block, "text", "") + grown)
    return _read_part(block)


def _read_content(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_read_part(part) for part in content]


def _read_part(part: Any) -> Part:
    kind = get(part, "type", "")
    if kind == "text":
        return text_part(get(part, "text", ""))
    if kind == "tool_use":
        return call_part(get(part, "id"), get(part, "name"), get(part, "input"))
    if kind == "tool_result":
        content = get(part, "content")
        shown = content if isinstance(content, str) else _read_content(content)
        return response_part(get(part, "tool_use_id"), shown)
    if kind == "thinking":
        return reasoning_part(get(part, "thinking", ""))
    if kind in ("image", "document"):
        source = get(part, "source")
        if get(source, "type") == "url":
            return media_part(kind, get(source, "url", ""))
        return media_part(kind, get(source, "data", ""), get(source, "media_type", "unknown"))
    return {"type": kind}


PROVIDER = Provider(
    name="anthropic",
    operation="chat",
    paths=("/v1/messages",),
    roots=("system", "messages"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
    flow=FLOW,
    reads_snapshots=True,
)
