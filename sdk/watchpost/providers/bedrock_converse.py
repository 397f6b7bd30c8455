"""Bedrock's Converse protocol: requests, results and streams of one shape for every model.

Its input tokens leave the cached ones out; the record's contain them, so they are added here.
Amazon's own Nova models speak the same shape when they are invoked directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.growth import Growth
from watchpost.providers.provider import (
    Provider,
    call_part,
    count,
    get,
    media_part,
    message,
    put,
    reasoning_part,
    response_part,
    text_part,
    visit_field,
    visit_leaves,
    visit_pieces,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Part, Request, Result, Usage

_EVENTS = frozenset(
    {
        *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"),
        *("messageStop", "metadata"),
    }
)
_PARAMETERS: Mapping[str, str] = {
    "maxTokens": names.REQUEST_MAX_TOKENS,
    "max_new_tokens": names.REQUEST_MAX_TOKENS,
    "temperature": names.REQUEST_TEMPERATURE,
    "topP": names.REQUEST_TOP_P,
    "topK": names.REQUEST_TOP_K,
}
_MEDIA = ("image", "video", "audio", "document")


def owns_result(result: Any) -> bool:
    """Whether this is what Converse returns."""
    return get(get(result, "output"), "message") is not None and bool(get(result, "stopReason"))


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of ConverseStream."""
    return isinstance(chunk, dict) and len(chunk) == 1 and not _EVENTS.isdisjoint(chunk)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    settings = get(body, "inferenceConfig", {})
    parameters: dict[str, Attribute] = {
        name: value
        for key, name in _PARAMETERS.items()
        if isinstance(value := get(settings, key), int | float)
    }
    if stops := get(settings, "stopSequences"):
        parameters[names.REQUEST_STOP_SEQUENCES] = tuple(stops)
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[
            message(get(item, "role", "user"), _read_content(get(item, "content")))
            for item in body.get("messages") or ()
        ],
        system=_read_content(body.get("system")),
        tools=list(get(body.get("toolConfig"), "tools", ())),
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    said = get(get(result, "output"), "message")
    parts = _read_content(get(said, "content"))
    identifier = get(get(result, "ResponseMetadata"), "RequestId", "")
    return _result(parts, get(result, "stopReason", ""), result, identifier)


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events, as far as it was seen."""
    grown, told = Growth(), None
    for chunk in chunks:
        if event := get(chunk, "contentBlockStart"):
            if call := get(get(event, "start"), "toolUse"):
                key = get(event, "contentBlockIndex", 0)
                grown.add_call(key, get(call, "toolUseId"), get(call, "name"), "")
        elif event := get(chunk, "contentBlockDelta"):
            _grow(grown, get(event, "contentBlockIndex", 0), get(event, "delta"))
        elif event := get(chunk, "messageStop"):
            grown.finish_reason = get(event, "stopReason", "")
        elif event := get(chunk, "metadata"):
            told = event
    return _result(grown.parts(), grown.finish_reason, told)


def has_output(chunk: Any) -> bool:
    """Whether an event brings anything of the answer."""
    return "contentBlockDelta" in chunk


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for block in get(get(get(result, "output"), "message"), "content", ()):
        visit_field(block, "text", visit)
        visit_field(get(get(block, "reasoningContent"), "reasoningText"), "text", visit)
        for cited in get(get(block, "citationsContent"), "content", ()):
            visit_field(cited, "text", visit)
        if call := get(block, "toolUse"):
            put(call, "input", visit_leaves(get(call, "input"), at(visit, "tool_argument")))


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[tuple[int, str], list[tuple[Any, str]]] = {}
    for chunk in chunks:
        event = get(chunk, "contentBlockDelta")
        delta, index = get(event, "delta"), get(event, "contentBlockIndex", 0)
        holders = (delta, get(delta, "toolUse"), get(delta, "reasoningContent"))
        for holder, name in zip(holders, ("text", "input", "text"), strict=True):
            if isinstance(get(holder, name), str):
                pieces.setdefault((index, name), []).append((holder, name))
    for (_, name), found in pieces.items():
        visit_pieces(found, at(visit, "tool_argument") if name == "input" else visit)


def _grow(grown: Growth, key: int, delta: Any) -> None:
    grown.add_text(get(delta, "text", ""))
    grown.add_reasoning(get(get(delta, "reasoningContent"), "text", ""))
    if call := get(delta, "toolUse"):
        grown.add_call(key, None, None, get(call, "input", ""))


def _result(parts: Sequence[Part], reason: str, told: Any, identifier: str = "") -> Result:
    tier = get(get(told, "serviceTier"), "type", "")
    return Result(
        id=identifier,
        messages=[message("assistant", parts, reason)] if parts else [],
        finish_reasons=[reason] if reason else [],
        usage=_read_usage(get(told, "usage")),
        service_tier="" if tier == "default" else tier,
    )


def _read_usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    # Invoked directly, Nova spells them with "Count" at the end.
    read = count(usage, "cacheReadInputTokens") or count(usage, "cacheReadInputTokenCount")
    written = count(usage, "cacheWriteInputTokens") or count(usage, "cacheWriteInputTokenCount")
    return Usage(
        input_tokens=count(usage, "inputTokens") + read + written,
        output_tokens=count(usage, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=sum(
            count(detail, "inputTokens")
            for detail in get(usage, "cacheDetails", ())
            if get(detail, "ttl") == "1h"
        ),
    )


def _read_content(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [part for block in content if (part := _read_block(block))]


def _read_block(block: Any) -> Part | None:
    if (text := get(block, "text")) is not None:
        return text_part(text)
    if call := get(block, "toolUse"):
        return call_part(get(call, "toolUseId"), get(call, "name"), get(call, "input"))
    if answer := get(block, "toolResult"):
        return response_part(get(answer, "toolUseId"), _read_answer(get(answer, "content", ())))
    if thought := get(block, "reasoningContent"):
        return reasoning_part(get(get(thought, "reasoningText"), "text", ""))
    if guarded := get(block, "guardContent"):
        return text_part(get(get(guarded, "text"), "text", ""))
    if cited := get(block, "citationsContent"):
        return text_part("".join(get(part, "text", "") for part in get(cited, "content", ())))
    for kind in _MEDIA:
        if media := get(block, kind):
            return _read_media(kind, media)
    # A cache point is a mark and no content.
    return None if get(block, "cachePoint") else {"type": next(iter(block), "unknown")}


def _read_answer(content: Any) -> Any:
    """What a tool answered: its one text or value as it is, several as parts."""
    found = [get(part, "json") or _read_block(part) for part in content]
    if len(found) == 1:
        return get(content[0], "text") or found[0]
    return found


def _read_media(kind: str, media: Any) -> Part:
    source = get(media, "source")
    if place := get(get(source, "s3Location"), "uri"):
        return media_part(kind, place)
    if text := get(source, "text"):
        return text_part(text)
    data = get(source, "bytes", b"")
    mime = f"{kind}/{get(media, 'format', 'unknown')}"
    # The client encodes bytes as it sends them; a body written by hand has them encoded already.
    size = len(data) * 3 // 4 if isinstance(data, str) else len(data)
    return {"type": "blob", "modality": kind, "mime_type": mime, "size_bytes": size}


PROVIDER = Provider(
    name="aws.bedrock",
    operation="chat",
    paths=(),
    roots=("system", "messages", "promptVariables"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
