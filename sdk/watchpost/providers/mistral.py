"""Mistral's protocol: chat, fill-in-the-middle and agents, their streams, and embeddings.

It resembles OpenAI's, but a content may be a list of chunks in answers too, with the thinking
among them, and every event of a stream wraps its piece. What a field was never set to is not None
but a value of the client's own that is false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchpost import attributes as names
from watchpost.providers.growth import Growth, logprob_details
from watchpost.providers.provider import (
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
    visit_leaves,
    visit_pieces,
    withhold,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Message, Part, Request, Result, Usage

_PACKAGE = "mistralai"
_ARGUMENTS = "arguments"
_FIM_ROOTS = ("prompt", "suffix")
_MEDIA = {"image_url": "image", "document_url": "file", "input_audio": "audio"}


def owns_result(result: Any) -> bool:
    """Whether this is a completion of Mistral's own client: as plain JSON it is OpenAI's."""
    return _is_own(result) and isinstance(get(result, "choices"), list)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed completion."""
    choices = get(get(chunk, "data"), "choices")
    return isinstance(choices, list) and all(get(choice, "delta") is not None for choice in choices)


def owns_embeddings(result: Any) -> bool:
    """Whether these are embeddings of Mistral's own client."""
    return _is_own(result) and type(result).__name__ == "EmbeddingResponse"


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked, of a model or of an agent."""
    system: list[Part] = []
    messages: list[Message] = []
    for item in body.get("messages") or ():
        role = get(item, "role", "user")
        if role == "system":
            system.extend(_read_content(get(item, "content")))
        else:
            messages.append(_read_input(item, role))
    for name in _FIM_ROOTS:
        if text := body.get(name):
            messages.append(message("user", [text_part(text)]))
    parameters = read_parameters(body)
    if (seed := body.get("random_seed")) is not None:
        parameters[names.REQUEST_SEED] = seed
    if agent := body.get("agent_id"):
        parameters[names.AGENT_ID] = agent
    if kind := _plain(get(body.get("response_format"), "type")):
        parameters[names.OUTPUT_TYPE] = "text" if kind == "text" else "json"
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=messages,
        system=system,
        tools=list(body.get("tools") or ()),
    )


def read_embeddings_request(body: Mapping[str, Any]) -> Request:
    """What was to be embedded."""
    inputs = body.get("inputs") or ()
    texts = [inputs] if isinstance(inputs, str) else inputs
    messages = [message("user", [text_part(text)]) for text in texts if isinstance(text, str)]
    return Request(model=str(body.get("model") or ""), messages=messages)


def read_result(result: Any) -> Result:
    """What came back at once."""
    grown = []
    for choice in get(result, "choices", ()):
        growth = Growth()
        _grow(growth, choice)
        grown.append(growth)
    return _result(result, grown, get(result, "usage"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events, as far as it was seen."""
    grown: dict[int, Growth] = {}
    usage: Any = None
    last: Any = None
    for chunk in chunks:
        last = get(chunk, "data")
        usage = get(last, "usage") or usage
        for choice in get(last, "choices", ()):
            growth = grown.setdefault(get(choice, "index", 0), Growth())
            _grow(growth, choice)
    return _result(last, [grown[index] for index in sorted(grown)], usage)


def read_embeddings(result: Any) -> Result:
    """What came back, without the numbers."""
    details: dict[str, Attribute] = {}
    if found := get(result, "data"):
        details[names.EMBEDDING_DIMENSIONS] = len(get(found[0], "embedding", ()))
    usage = _read_usage(get(result, "usage"))
    return Result(
        id=get(result, "id", ""), model=get(result, "model", ""), usage=usage, details=details
    )


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    deltas = (get(choice, "delta") for choice in get(get(chunk, "data"), "choices", ()))
    return any(get(delta, "content") or get(delta, "tool_calls") for delta in deltas)


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for choice in get(result, "choices", ()):
        for said in _said(choice):
            changed = [visit_field(owner, name, visit) for _, owner, name in _texts_of(said)]
            for call in get(said, "tool_calls") or ():
                _visit_arguments(get(call, "function"), visit)
            if any(changed):
                withhold(said, "parsed")
                withhold(choice, "logprobs")


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[tuple[Any, ...], list[tuple[Any, str]]] = {}
    whole: list[Any] = []
    for chunk in chunks:
        for choice in get(get(chunk, "data"), "choices", ()):
            delta, index = get(choice, "delta"), get(choice, "index", 0)
            for kind, owner, name in _texts_of(delta):
                pieces.setdefault((index, kind), []).append((owner, name))
            for call in get(delta, "tool_calls") or ():
                function = get(call, "function")
                if isinstance(get(function, "arguments"), str):
                    key = (index, _ARGUMENTS, get(call, "index", 0))
                    pieces.setdefault(key, []).append((function, "arguments"))
                else:
                    whole.append(function)
    changed = [
        visit_pieces(found, at(visit, "tool_argument") if kind == _ARGUMENTS else visit)
        for (_, kind, *_), found in pieces.items()
    ]
    for chunk in chunks if any(changed) else ():
        for choice in get(get(chunk, "data"), "choices", ()):
            withhold(choice, "logprobs")
    for function in whole:
        _visit_arguments(function, visit)


def _said(choice: Any) -> Iterator[Any]:
    """The message of a choice, or its messages where a tool of Mistral's own took part."""
    if (said := get(choice, "message") or get(choice, "delta")) is not None:
        yield said
    yield from get(choice, "messages") or ()


def _visit_arguments(function: Any, visit: Visit) -> None:
    if function is not None:
        seen = visit_leaves(get(function, "arguments"), at(visit, "tool_argument"))
        put(function, "arguments", seen)


def _texts_of(said: Any) -> Iterator[tuple[str, Any, str]]:
    """Every text of a message: what kind it is, whose field, and which."""
    content = get(said, "content")
    if isinstance(content, str):
        yield "text", said, "content"
        return
    for part in content or ():
        if get(part, "type") == "text":
            yield "text", part, "text"
        for thought in get(part, "thinking") or ():
            yield "thinking", thought, "text"


def _grow(growth: Growth, choice: Any) -> None:
    is_piece = get(choice, "delta") is not None
    for said in _said(choice):
        for part in _read_content(get(said, "content")):
            growth.add(part)
        for call in get(said, "tool_calls") or ():
            function = get(call, "function")
            # Calls that come at once may all carry the index 0.
            key = get(call, "index", 0) if is_piece else growth.calls
            arguments = get(function, "arguments")
            growth.add_call(key, get(call, "id"), get(function, "name"), arguments)
    growth.finish_reason = _plain(get(choice, "finish_reason")) or growth.finish_reason
    for token in get(get(choice, "logprobs"), "content") or ():
        growth.logprobs.append(get(token, "logprob", 0.0))


def _result(source: Any, grown: list[Growth], usage: Any) -> Result:
    return Result(
        id=get(source, "id", ""),
        model=get(source, "model", ""),
        messages=[growth.message() for growth in grown],
        finish_reasons=[growth.finish_reason for growth in grown if growth.finish_reason],
        usage=_read_usage(usage),
        details=logprob_details(grown),
        service_tier=_plain(get(usage, "service_tier")),
    )


def _read_usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    cached = count(usage, "prompt_tokens_details", "cached_tokens")
    return Usage(
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cache_read_tokens=cached or count(usage, "num_cached_tokens"),
        reasoning_tokens=count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _read_input(item: Any, role: str) -> Message:
    content = get(item, "content")
    if role == "tool":
        shown = content if isinstance(content, str) else _read_content(content)
        return message("tool", [response_part(get(item, "tool_call_id"), shown)])
    parts = _read_content(content)
    for call in get(item, "tool_calls") or ():
        function = get(call, "function")
        parts.append(call_part(get(call, "id"), get(function, "name"), get(function, "arguments")))
    return message(role, parts)


def _read_content(content: Any) -> list[Part]:
    if not content:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_read_part(part) for part in content]


def _read_part(part: Any) -> Part:
    kind = _plain(get(part, "type", "text"))
    if kind == "text":
        return text_part(get(part, "text", ""))
    if kind == "thinking":
        thoughts = get(part, "thinking") or ()
        return reasoning_part("".join(get(thought, "text", "") for thought in thoughts))
    if kind in _MEDIA:
        source = get(part, kind, "")
        return media_part(_MEDIA[kind], source if isinstance(source, str) else get(source, "url"))
    return {"type": kind}


def _plain(value: Any) -> str:
    return str(value) if value else ""


def _is_own(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == _PACKAGE


PROVIDER = Provider(
    name="mistral_ai",
    operation=names.CHAT,
    paths=(),
    roots=("messages", "prediction", *_FIM_ROOTS),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
FIM = replace(PROVIDER, operation=names.COMPLETION, owns_result=lambda result: False)
EMBEDDINGS = Provider(
    name="mistral_ai",
    operation=names.EMBEDDINGS,
    paths=(),
    roots=("inputs",),
    owns_result=owns_embeddings,
    read_request=read_embeddings_request,
    read_result=read_embeddings,
)
