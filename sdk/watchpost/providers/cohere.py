"""Cohere's second protocol: chat, and its stream of typed events.

Tokens are counted twice: what was billed, and what the model worked through. The billed ones are
the record's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.growth import Growth, logprob_details
from watchpost.providers.provider import (
    Provider,
    call_part,
    get,
    media_part,
    message,
    put,
    read_parameters,
    reasoning_part,
    response_part,
    text_part,
    visit_field,
    visit_pieces,
    withhold,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Message, Part, Request, Result, Usage

_EVENTS = frozenset(
    {
        *("message-start", "content-start", "content-delta", "content-end", "message-end"),
        *("tool-plan-delta", "tool-call-start", "tool-call-delta", "tool-call-end"),
        *("citation-start", "citation-end"),
    }
)
_ARGUMENTS = "arguments"
_OUTPUT = frozenset({"content-delta", "tool-plan-delta", "tool-call-start"})
_TEXTS = ("text", "thinking")


def owns_result(result: Any) -> bool:
    """Whether this is a chat response."""
    is_finished = isinstance(get(result, "finish_reason"), str) and bool(get(result, "id"))
    return is_finished and get(get(result, "message"), "role") == "assistant"


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed chat."""
    return get(chunk, "type") in _EVENTS


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    system: list[Part] = []
    messages: list[Message] = []
    if documents := body.get("documents"):
        messages.append(message("user", [_read_document(item) for item in documents]))
    for item in body.get("messages") or ():
        role = get(item, "role", "user")
        if role == "system":
            system.extend(_read_content(get(item, "content")))
        else:
            messages.append(_read_input(item, role))
    parameters = read_settings(body)
    if kind := get(body.get("response_format"), "type"):
        parameters[names.OUTPUT_TYPE] = "text" if kind == "text" else "json"
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=messages,
        system=system,
        tools=list(body.get("tools") or ()),
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    growth, said = Growth(), get(result, "message")
    growth.finish_reason = get(result, "finish_reason", "").lower()
    for part in _read_output(said):
        growth.add(part)
    for item in get(result, "logprobs", ()):
        growth.logprobs.extend(get(item, "logprobs", ()))
    return _result(get(result, "id", ""), growth, get(result, "usage"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events, as far as it was seen."""
    growth, usage, found_id = Growth(), None, ""
    for chunk in chunks:
        kind, delta = get(chunk, "type"), get(chunk, "delta")
        said = get(delta, "message")
        if kind == "message-start":
            found_id = get(chunk, "id", "")
        elif kind == "message-end":
            growth.finish_reason = get(delta, "finish_reason", "").lower()
            usage = get(delta, "usage")
        elif kind in ("content-start", "content-delta"):
            content = get(said, "content")
            growth.add(reasoning_part(get(content, "thinking", "")))
            growth.add(text_part(get(content, "text", "")))
            growth.logprobs.extend(get(get(chunk, "logprobs"), "logprobs", ()))
        elif kind == "tool-plan-delta":
            growth.add(reasoning_part(get(said, "tool_plan", "")))
        elif kind in ("tool-call-start", "tool-call-delta"):
            call = get(said, "tool_calls")
            function = get(call, "function")
            arguments = get(function, "arguments")
            growth.add_call(get(chunk, "index"), get(call, "id"), get(function, "name"), arguments)
    return _result(found_id, growth, usage)


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    return get(chunk, "type") in _OUTPUT


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    said = get(result, "message")
    fields = [(item, name) for item in get(said, "content", ()) for name in _TEXTS]
    fields.append((said, "tool_plan"))
    changed = [visit_field(target, name, visit) for target, name in fields]
    for call in get(said, "tool_calls", ()):
        seen = visit_field(get(call, "function"), _ARGUMENTS, at(visit, "tool_argument"))
        changed.append(seen)
    if any(changed):
        # Citations quote the answer, and log-probabilities spell it.
        withhold(said, "citations")
        withhold(result, "logprobs")


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[tuple[Any, ...], list[tuple[Any, str]]] = {}
    for chunk in chunks:
        for target, name in _texts_of(get(get(chunk, "delta"), "message")):
            pieces.setdefault((get(chunk, "index"), name), []).append((target, name))
    changed = [
        visit_pieces(found, at(visit, "tool_argument") if name == _ARGUMENTS else visit)
        for (_, name), found in pieces.items()
    ]
    for chunk in chunks if any(changed) else ():
        withhold(chunk, "logprobs")
        if (quoted := get(get(get(chunk, "delta"), "message"), "citations")) is not None:
            put(quoted, "text", "")


def _texts_of(said: Any) -> Iterator[tuple[Any, str]]:
    """The fields of a piece that hold text."""
    content, function = get(said, "content"), get(get(said, "tool_calls"), "function")
    for target, name in ((content, "text"), (content, "thinking"), (said, "tool_plan")):
        if get(target, name):
            yield target, name
    if get(function, _ARGUMENTS):
        yield function, _ARGUMENTS


def _result(found_id: str, growth: Growth, usage: Any) -> Result:
    return Result(
        id=found_id,
        messages=[growth.message()] if growth.parts() else [],
        finish_reasons=[growth.finish_reason] if growth.finish_reason else [],
        usage=read_usage(usage),
        details=logprob_details([growth]),
    )


def read_settings(body: Mapping[str, Any]) -> dict[str, Attribute]:
    """The request's parameters, also those that have a name of Cohere's."""
    found = read_parameters(body)
    for key, name in (("k", names.REQUEST_TOP_K), ("p", names.REQUEST_TOP_P)):
        if isinstance(value := body.get(key), int | float):
            found[name] = value
    return found


def read_usage(usage: Any) -> Usage | None:
    """The tokens that were billed, or that were worked through where nothing is said of a bill."""
    billed, worked = get(usage, "billed_units"), get(usage, "tokens")
    source = billed if get(billed, "input_tokens") is not None else worked
    if get(source, "input_tokens") is None:
        return None
    # Counts come as floats.
    asked, said = (round(get(source, name, 0)) for name in ("input_tokens", "output_tokens"))
    return Usage(asked, said, cache_read_tokens=min(round(get(usage, "cached_tokens", 0)), asked))


def _read_input(item: Any, role: str) -> Message:
    if role == "assistant":
        return message(role, _read_output(item))
    content = get(item, "content")
    if role == "tool":
        shown = content if isinstance(content, str) else _read_content(content)
        return message("tool", [response_part(get(item, "tool_call_id"), shown)])
    return message(role, _read_content(content))


def _read_output(said: Any) -> list[Part]:
    parts = [reasoning_part(plan)] if (plan := get(said, "tool_plan")) else []
    parts.extend(_read_content(get(said, "content")))
    for call in get(said, "tool_calls", ()):
        function = get(call, "function")
        parts.append(call_part(get(call, "id"), get(function, "name"), get(function, "arguments")))
    return parts


def _read_content(content: Any) -> list[Part]:
    if not content:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_read_part(part) for part in content]


def _read_part(part: Any) -> Part:
    kind = get(part, "type", "text")
    if kind == "text":
        return text_part(get(part, "text", ""))
    if kind == "thinking":
        return reasoning_part(get(part, "thinking", ""))
    if kind == "image_url":
        return media_part("image", get(get(part, "image_url"), "url", ""))
    if kind == "document":
        return _read_document(get(part, "document"))
    return {"type": kind}


def _read_document(document: Any) -> Part:
    if isinstance(document, str):
        return {"type": "document", "content": document}
    return {"type": "document", "id": get(document, "id"), "content": get(document, "data")}


PROVIDER = Provider(
    name="cohere",
    operation=names.CHAT,
    paths=("/v2/chat",),
    roots=("messages", "documents"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
