"""Ollama's protocol: chat, generate and embed, their streams of objects, and who ran out of what.

Its settings stand under `options`. A stream's last object tells the tokens of all of it; the
cached ones are among the prompt's.
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
    visit_leaves,
    visit_pieces,
    withhold,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Message, Part, Request, Result, Usage

_PROMPT = ("prompt", "suffix")


def owns_chat(result: Any) -> bool:
    """Whether this is an answer of chat, whole or a piece."""
    return _is_told(result) and get(get(result, "message"), "role") is not None


def owns_text(result: Any) -> bool:
    """Whether this is an answer of generate, whole or a piece."""
    return _is_told(result) and isinstance(get(result, "response"), str)


def owns_embeddings(result: Any) -> bool:
    """Whether these are embeddings."""
    is_timed = isinstance(get(result, "total_duration"), int)
    return is_timed and isinstance(get(result, "embeddings"), list | tuple)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked, as a conversation or as a prompt."""
    system: list[Part] = [text_part(text)] if (text := body.get("system")) else []
    messages: list[Message] = []
    for item in body.get("messages") or ():
        role = get(item, "role", "user")
        if role == "system":
            system.extend(_read_message(item))
        elif role == "tool":
            answer = response_part(get(item, "tool_name"), get(item, "content", ""))
            messages.append(message("tool", [answer]))
        else:
            messages.append(message(role, _read_message(item)))
    asked = [text_part(text) for name in _PROMPT if (text := body.get(name))]
    asked += [_read_image(image) for image in body.get("images") or ()]
    if asked:
        messages.append(message("user", asked))
    return Request(
        model=str(body.get("model") or ""),
        parameters=_read_options(body),
        messages=messages,
        system=system,
        tools=list(body.get("tools") or ()),
    )


def read_embeddings_request(body: Mapping[str, Any]) -> Request:
    """What was to be embedded."""
    texts = body.get("input") or ()
    parts = [text_part(text) for text in ([texts] if isinstance(texts, str) else texts)]
    return Request(model=str(body.get("model") or ""), messages=[message("user", parts)])


def read_result(result: Any) -> Result:
    """What came back at once."""
    return read_stream([result])


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in pieces, as far as it was seen."""
    growth = Growth()
    last = chunks[-1] if chunks else None
    for chunk in chunks:
        for part in _read_message(get(chunk, "message", chunk)):
            growth.add(part)
        growth.finish_reason = get(chunk, "done_reason") or growth.finish_reason
        growth.logprobs.extend(get(token, "logprob", 0.0) for token in get(chunk, "logprobs", ()))
    return Result(
        model=get(last, "model", ""),
        messages=[growth.message()] if growth.parts() else [],
        finish_reasons=[growth.finish_reason] if growth.finish_reason else [],
        usage=_read_usage(last),
        details=logprob_details([growth]),
    )


def read_embeddings(result: Any) -> Result:
    """What came back, without the numbers."""
    details: dict[str, Attribute] = {}
    if vectors := get(result, "embeddings"):
        details[names.EMBEDDING_DIMENSIONS] = len(vectors[0])
    return Result(model=get(result, "model", ""), usage=_read_usage(result), details=details)


def has_output(chunk: Any) -> bool:
    """Whether a piece brings anything of the answer."""
    said = get(chunk, "message", chunk)
    return any(get(said, name) for name in ("content", "response", "thinking", "tool_calls"))


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    visit_stream([result], visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[str, list[tuple[Any, str]]] = {}
    for chunk in chunks:
        said = get(chunk, "message", chunk)
        for name in ("thinking", "content", "response"):
            if isinstance(get(said, name), str):
                pieces.setdefault(name, []).append((said, name))
    changed = [visit_pieces(found, visit) for found in pieces.values()]
    for chunk in chunks:
        for function in _functions_of(chunk):
            seen = visit_leaves(get(function, "arguments"), at(visit, "tool_argument"))
            put(function, "arguments", seen)
        if any(changed):
            # Tokens and their numbers say again what was said.
            withhold(chunk, "logprobs", "context")


def _functions_of(chunk: Any) -> Iterator[Any]:
    for call in get(get(chunk, "message"), "tool_calls", ()):
        if (function := get(call, "function")) is not None:
            yield function


def _is_told(result: Any) -> bool:
    return isinstance(get(result, "done"), bool) and isinstance(get(result, "model"), str)


def _read_options(body: Mapping[str, Any]) -> dict[str, Attribute]:
    options = get(body, "options", {})
    parameters = read_parameters({**body, **options})
    if isinstance(most := get(options, "num_predict"), int):
        parameters[names.REQUEST_MAX_TOKENS] = most
    if isinstance(level := body.get("think"), str):
        parameters[names.REQUEST_REASONING_LEVEL] = level
    if body.get("format"):
        parameters[names.OUTPUT_TYPE] = "json"
    return parameters


def _read_message(said: Any) -> list[Part]:
    parts = [reasoning_part(thought)] if (thought := get(said, "thinking")) else []
    if text := get(said, "content") or get(said, "response"):
        parts.append(text_part(text))
    parts += [_read_image(image) for image in get(said, "images", ())]
    for call in get(said, "tool_calls", ()):
        function = get(call, "function")
        parts.append(call_part(get(call, "id"), get(function, "name"), get(function, "arguments")))
    return parts


def _read_image(image: Any) -> Part:
    value = get(image, "value", image)
    if isinstance(value, bytes):
        return {"type": "blob", "modality": "image", "mime_type": "", "size_bytes": len(value)}
    return media_part("image", value, "unknown")


def _read_usage(last: Any) -> Usage | None:
    if get(last, "prompt_eval_count") is None and get(last, "eval_count") is None:
        return None
    return Usage(
        input_tokens=count(last, "prompt_eval_count"),
        output_tokens=count(last, "eval_count"),
        cache_read_tokens=count(last, "prompt_eval_cached_count"),
    )


CHAT = Provider(
    name="ollama",
    operation=names.CHAT,
    paths=("/api/chat",),
    roots=("messages",),
    owns_result=owns_chat,
    owns_chunk=owns_chat,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
TEXT = replace(
    CHAT,
    operation=names.COMPLETION,
    paths=("/api/generate",),
    roots=("system", "template", *_PROMPT),
    owns_result=owns_text,
    owns_chunk=owns_text,
)
EMBEDDINGS = Provider(
    name="ollama",
    operation=names.EMBEDDINGS,
    paths=("/api/embed",),
    roots=("input",),
    owns_result=owns_embeddings,
    read_request=read_embeddings_request,
    read_result=read_embeddings,
)
