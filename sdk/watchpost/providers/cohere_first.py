"""Cohere's first protocol, which its older clients still speak: one message, what was said before.

Its stream ends with an event that holds the whole answer once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.cohere import read_settings, read_usage
from watchpost.providers.growth import Growth
from watchpost.providers.provider import (
    Provider,
    call_part,
    get,
    message,
    put,
    response_part,
    text_part,
    visit_field,
    visit_leaves,
    visit_pieces,
    withhold,
)
from watchpost.providers.stages import Visit, at, remember
from watchpost.record import Message, Part, Request, Result

_ROLES = {"USER": "user", "CHATBOT": "assistant", "TOOL": "tool"}
_TEXT = "text-generation"
_CALLS = "tool-calls-generation"
_CALL_PIECE = "tool-calls-chunk"
_END = "stream-end"
_CITED = "citation-generation"
_EVENTS = frozenset(
    {"stream-start", "search-queries-generation", "search-results", "debug"}
    | {_TEXT, _CALLS, _CALL_PIECE, _END, _CITED}
)


def owns_result(result: Any) -> bool:
    """Whether this is a chat response of the first protocol."""
    is_named = bool(get(result, "generation_id")) and isinstance(get(result, "text"), str)
    return is_named and bool(get(result, "meta") or get(result, "finish_reason"))


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed one."""
    return get(chunk, "event_type") in _EVENTS


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    system: list[Part] = [text_part(body["preamble"])] if body.get("preamble") else []
    messages: list[Message] = []
    if documents := body.get("documents"):
        told = [{"type": "document", "content": get(item, "data", item)} for item in documents]
        messages.append(message("user", told))
    for item in body.get("chat_history") or ():
        role = get(item, "role", "USER")
        if role == "SYSTEM":
            system.append(text_part(get(item, "message", "")))
        else:
            messages.append(_read_turn(item, _ROLES.get(role, "user")))
    if results := body.get("tool_results"):
        messages.append(message("tool", [_read_answer(item) for item in results]))
    if asked := body.get("message"):
        messages.append(message("user", [text_part(asked)]))
    return Request(
        model=str(body.get("model") or ""),
        parameters=read_settings(body),
        messages=messages,
        system=system,
        tools=list(body.get("tools") or ()),
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    growth = Growth()
    growth.add_text(get(result, "text", ""))
    for index, call in enumerate(get(result, "tool_calls", ())):
        growth.add_call(index, None, get(call, "name"), get(call, "parameters", {}))
    return _result(result, growth, get(result, "finish_reason"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events: the last one holds it all, unless the stream broke off."""
    growth, started = Growth(), None
    for chunk in chunks:
        kind = get(chunk, "event_type")
        if kind == _END:
            whole = get(chunk, "response")
            reason = get(chunk, "finish_reason") or get(whole, "finish_reason")
            # The pieces are what guards have seen and changed together.
            return _result(whole, growth, reason)
        if kind == "stream-start":
            started = chunk
        elif kind == _TEXT:
            growth.add_text(get(chunk, "text", ""))
        elif kind == _CALLS:
            for at, call in enumerate(get(chunk, "tool_calls", ())):
                growth.add_call(at, None, get(call, "name"), get(call, "parameters", {}))
    return _result(started, growth, None)


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    return get(chunk, "event_type") in (_TEXT, _CALLS, _CALL_PIECE)


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    changed = visit_field(result, "text", visit)
    if _visit_calls(result, visit) or changed:
        # Both say the answer again.
        withhold(result, "citations", "chat_history")


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place; what was decided once holds."""
    visit_once = remember(visit)
    pieces = [(chunk, "text") for chunk in chunks if get(chunk, "event_type") == _TEXT]
    is_new_text = visit_pieces(pieces, visit_once)
    # Every call is shown, whatever came of the one before.
    called = [_visit_calls(chunk, visit_once) for chunk in chunks]
    for chunk in chunks:
        kind = get(chunk, "event_type")
        if kind == _END:
            visit_result(get(chunk, "response"), visit_once)
        elif kind == _CITED and is_new_text:
            put(chunk, "citations", [])
        elif kind in (_CALLS, _CALL_PIECE):
            visit_field(chunk, "text", visit_once)
            if any(called):
                # The calls stand whole in an event of their own.
                withhold(chunk, "tool_call_delta")


def _visit_calls(source: Any, visit: Visit) -> bool:
    """Show the arguments of all calls; says whether any changed."""
    is_new = False
    for call in get(source, "tool_calls", ()):
        given = get(call, "parameters", {})
        changed = visit_leaves(given, at(visit, "tool_argument"))
        if changed != given:
            put(call, "parameters", changed)
            is_new = True
    return is_new


def _read_turn(item: Any, role: str) -> Message:
    if role == "tool":
        return message(role, [_read_answer(one) for one in get(item, "tool_results", ())])
    parts = [text_part(get(item, "message"))] if get(item, "message") else []
    return message(role, [*parts, *_read_calls(item)])


def _read_calls(item: Any) -> Iterator[Part]:
    for call in get(item, "tool_calls", ()):
        yield call_part(None, get(call, "name"), get(call, "parameters", {}))


def _read_answer(item: Any) -> Part:
    told = get(item, "data", item)
    return response_part(get(get(told, "call"), "name"), get(told, "outputs"))


def _result(source: Any, growth: Growth, reason: Any) -> Result:
    growth.finish_reason = str(reason or "").lower()
    return Result(
        id=get(source, "generation_id", ""),
        messages=[growth.message()] if growth.parts() else [],
        finish_reasons=[growth.finish_reason] if growth.finish_reason else [],
        usage=read_usage(get(source, "meta")),
    )


PROVIDER = Provider(
    name="cohere",
    operation=names.CHAT,
    paths=("/v1/chat",),
    roots=("preamble", "chat_history", "documents", "tool_results", "message"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
