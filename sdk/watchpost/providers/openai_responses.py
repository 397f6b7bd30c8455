"""OpenAI's responses protocol: requests, results and streams of typed events."""

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
    read_parameters,
    reasoning_part,
    response_part,
    summarise_logprobs,
    text_part,
    visit_field,
    visit_flow,
    withhold,
)
from watchpost.providers.stages import Visit, at, remember
from watchpost.record import NO_USAGE, Attribute, Message, Part, Request, Result, Usage

if TYPE_CHECKING:
    from watchpost.screening.guard import Direction

_SYSTEM_ROLES = ("system", "developer")
_ERROR = "error"
# What a tool is given, one's own or the provider's.
_CALLED = ("arguments", "input", "code")
# Made in the background: whoever asks for it later is told the tokens.
_WAITING = ("queued", "in_progress")
_ENDS = ("response.completed", "response.incomplete", "response.failed")


def owns_result(result: Any) -> bool:
    """Whether this is a response."""
    return get(result, "object") == "response" and isinstance(get(result, "output"), list)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed response."""
    return str(get(chunk, "type", "")).startswith("response.")


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    system: list[Part] = []
    messages: list[Message] = []
    if instructions := body.get("instructions"):
        system.append(text_part(str(instructions)))
    asked = body.get("input")
    for item in [{"role": "user", "content": asked}] if isinstance(asked, str) else asked or ():
        role = get(item, "role", "user")
        if role in _SYSTEM_ROLES:
            system.extend(_read_content(get(item, "content")))
        else:
            messages.append(_read_item(item, role))
    parameters = read_parameters(body)
    if effort := get(body.get("reasoning"), "effort"):
        parameters[names.REQUEST_REASONING_LEVEL] = effort
    if isinstance(tier := body.get("service_tier"), str):
        parameters[names.OPENAI_REQUEST_SERVICE_TIER] = tier
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=messages,
        system=system,
        tools=list(body.get("tools") or ()),
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    found = _result(result, [_read_output(item) for item in get(result, "output", ())])
    return replace(found, usage=NO_USAGE) if get(result, "status") in _WAITING else found


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events: the last one carries it all, unless the stream broke off."""
    started: Any = None
    grown: dict[tuple[int, str], list[str]] = {}
    items: dict[int, Any] = {}
    for chunk in chunks:
        kind = get(chunk, "type", "")
        if kind in _ENDS:
            return read_result(get(chunk, "response"))
        if kind == "response.created":
            started = get(chunk, "response")
        elif kind == "response.output_item.added":
            items[get(chunk, "output_index", 0)] = get(chunk, "item")
        elif _is_text(chunk):
            key = (get(chunk, "output_index", 0), kind)
            grown.setdefault(key, []).append(get(chunk, "delta"))
    parts = [
        _partial(kind, "".join(grown[index, kind]), items.get(index))
        for index, kind in sorted(grown)
    ]
    found = _result(started, [(part, ()) for part in parts])
    if any(get(chunk, "type") == _ERROR for chunk in chunks):
        # It is an event like any other here, and no client raises it.
        return replace(found, finish_reasons=["error"])
    return found


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    return str(get(chunk, "type", "")).endswith(".delta")


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for item in get(result, "output", ()):
        _visit_item(item, visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place.

    Its events say the same text several times; what was decided once holds for all of them.
    """
    visit_once = remember(visit)
    visit_flow(FLOW, chunks, visit_once)
    for chunk in chunks:
        _repeat(chunk, visit_once)


def _pieces(chunk: Any) -> Iterator[Piece]:
    if _is_text(chunk):
        place = (get(chunk, "type"), get(chunk, "output_index"), get(chunk, "content_index"))
        stage: Direction = "tool_argument" if _is_called(place[0]) else "output"
        yield Piece(None, (*place, get(chunk, "summary_index")), chunk, "delta", stage)


def _repeat(chunk: Any, visit: Visit) -> None:
    for name in ("text", "refusal"):
        visit_field(chunk, name, visit)
    for name in _CALLED if _is_called(get(chunk, "type", "")) else ():
        visit_field(chunk, name, at(visit, "tool_argument"))
    if (item := get(chunk, "item")) is not None:
        _visit_item(item, visit)
    if (part := get(chunk, "part")) is not None and visit_field(part, "text", visit):
        withhold(part, "logprobs")
    if (response := get(chunk, "response")) is not None:
        visit_result(response, visit)


def _empty(chunk: Any) -> None:
    """Tokens spell what was taken out of the text."""
    withhold(chunk, "logprobs")


FLOW = Flow(_pieces, _repeat, _empty)


def _visit_item(item: Any, visit: Visit) -> None:
    for name in _CALLED:
        visit_field(item, name, at(visit, "tool_argument"))
    for part in (*get(item, "content", ()), *get(item, "summary", ())):
        changed = [visit_field(part, name, visit) for name in ("text", "refusal")]
        if any(changed):
            # Both were made from the text that must not be shown.
            withhold(part, "parsed", "logprobs")


def _result(source: Any, outputs: Sequence[tuple[Part | None, Sequence[Part]]]) -> Result:
    parts = [part for single, several in outputs for part in (single, *several) if part]
    reason = _finish_reason(source, parts)
    details: dict[str, Attribute] = {}
    if status := get(source, "status"):
        details[names.RESPONSE_STATUS] = status
    tier = get(source, "service_tier", "")
    if tier:
        details[names.OPENAI_RESPONSE_SERVICE_TIER] = tier
    details.update(summarise_logprobs(list(_logprobs(source))))
    return Result(
        id=get(source, "id", ""),
        model=get(source, "model", ""),
        messages=[message("assistant", parts, reason)] if parts else [],
        finish_reasons=[reason] if reason else [],
        usage=_read_usage(get(source, "usage"), _count_searches(source)),
        details=details,
        service_tier=tier,
    )


def _finish_reason(source: Any, parts: Sequence[Part]) -> str:
    status = get(source, "status")
    if status == "incomplete":
        return str(get(get(source, "incomplete_details"), "reason", "length"))
    if status == "failed":
        return "error"
    if status != "completed":
        return ""
    called = any(part["type"] == "tool_call" for part in parts)
    return "tool_calls" if called else "stop"


def _read_usage(usage: Any, searches: int) -> Usage | None:
    if usage is None:
        return None
    return Usage(
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=count(usage, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=count(usage, "input_tokens_details", "cache_write_tokens"),
        reasoning_tokens=count(usage, "output_tokens_details", "reasoning_tokens"),
        searches=searches,
    )


def _count_searches(source: Any) -> int:
    """Searches of the web, each charged for; a page that was only opened is not."""
    calls = [item for item in get(source, "output", ()) if get(item, "type") == "web_search_call"]
    return sum(get(get(call, "action"), "type", "search") == "search" for call in calls)


def _logprobs(source: Any) -> Iterator[float]:
    for item in get(source, "output", ()):
        for part in get(item, "content", ()):
            for token in get(part, "logprobs", ()):
                yield get(token, "logprob", 0.0)


def _read_item(item: Any, role: str) -> Message:
    kind = get(item, "type", "message")
    if kind == "function_call_output":
        return message("tool", [response_part(get(item, "call_id"), get(item, "output"))])
    if kind != "message":
        single, several = _read_output(item)
        return message("assistant", [part for part in (single, *several) if part])
    return message(role, _read_content(get(item, "content")))


def _read_output(item: Any) -> tuple[Part | None, Sequence[Part]]:
    kind = get(item, "type")
    if kind == "message":
        return None, _read_content(get(item, "content"))
    if kind in ("function_call", "custom_tool_call"):
        arguments = get(item, "arguments") or get(item, "input")
        return call_part(get(item, "call_id"), get(item, "name"), arguments), ()
    if kind == "reasoning":
        thoughts = (*get(item, "summary", ()), *get(item, "content", ()))
        return None, [reasoning_part(get(thought, "text", "")) for thought in thoughts]
    # The provider's own tools (web search, code) keep their kind and nothing else.
    return {"type": str(kind), "id": get(item, "id", "")}, ()


def _is_text(chunk: Any) -> bool:
    """Whether an event brings a piece of text; sound comes as text too, but is none."""
    kind = get(chunk, "type", "")
    is_piece = kind.endswith(".delta") and kind != "response.audio.delta"
    return is_piece and isinstance(get(chunk, "delta"), str)


def _is_called(kind: str) -> bool:
    """Whether an event brings what a tool is given."""
    return any(word in kind for word in ("arguments", "tool_call", "interpreter_call"))


def _partial(kind: str, text: str, item: Any) -> Part:
    if "reasoning" in kind:
        return reasoning_part(text)
    if _is_called(kind):
        return call_part(get(item, "call_id"), get(item, "name"), text)
    return text_part(text)


def _read_content(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_read_part(part) for part in content]


def _read_part(part: Any) -> Part:
    kind = get(part, "type", "")
    if kind in ("input_text", "output_text", "text"):
        return text_part(get(part, "text", ""))
    if kind == "refusal":
        return text_part(get(part, "refusal", ""))
    if kind == "input_image":
        return media_part("image", get(part, "image_url", ""))
    if kind == "input_file":
        return media_part("file", get(part, "file_data", ""), "application/octet")
    return {"type": kind}


PROVIDER = Provider(
    name="openai",
    operation="chat",
    paths=("/responses",),
    roots=("instructions", "input"),
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
