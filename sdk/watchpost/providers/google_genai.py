"""Google's generateContent protocol, from the Gemini API and Vertex AI alike.

Its results and the chunks of its streams have one shape. Objects spell fields with underscores and
plain JSON in camel case; both are read. Its output tokens leave the thoughts out, and its prompt
tokens what tools gave back; the record's contain them, so they are added here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
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
    response_part,
    text_part,
    visit_field,
    visit_leaves,
    visit_pieces,
    withhold,
)
from watchpost.providers.stages import Visit, at, find_stage_below
from watchpost.record import Part, Request, Result, Usage

_ROLES = {"model": "assistant", "function": "tool"}
_BILLED_BY_PROMPT = ("gemini-1", "gemini-2")
_ARGUMENTS = "args"
_CODE = {"executable_code": "code", "code_execution_result": "output"}


def find(source: Any, name: str, default: Any = None) -> Any:
    """A field under its own name, or in camel case where the source is plain JSON."""
    value = get(source, name)
    if value is None and isinstance(source, dict):
        value = source.get(_camel(name))
    return default if value is None else value


def owns_result(result: Any) -> bool:
    """Whether this is a generateContent response; one without candidates was refused."""
    candidates = find(result, "candidates")
    if isinstance(candidates, list) and candidates:
        first = candidates[0]
        return bool(find(find(first, "content"), "parts") or find(first, "finish_reason"))
    return find(find(result, "prompt_feedback"), "block_reason") is not None


def owns_chunk(chunk: Any) -> bool:
    """Whether this is a piece of a streamed response: the last may tell nothing but usage."""
    return (
        owns_result(chunk) or find(find(chunk, "usage_metadata"), "prompt_token_count") is not None
    )


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked; settings stand beside the contents or under `config`."""
    settings = get(body, "config", {})
    parameters = read_parameters(settings)
    choices = find(settings, "candidate_count")
    if isinstance(choices, int) and choices > 1:
        parameters[names.REQUEST_CHOICE_COUNT] = choices
    if level := find(find(settings, "thinking_config"), "thinking_level"):
        parameters[names.REQUEST_REASONING_LEVEL] = _plain(level)
    if kind := find(settings, "response_mime_type"):
        parameters[names.OUTPUT_TYPE] = "json" if "json" in kind else "text"
    return Request(
        model=read_model(body),
        parameters=parameters,
        messages=[
            message(_ROLES.get(role, role), parts)
            for role, parts in read_contents(body.get("contents"))
        ],
        system=[
            part for _, parts in read_contents(body.get("system_instruction")) for part in parts
        ],
        tools=list(body.get("tools") or ()),
    )


def read_model(body: Mapping[str, Any]) -> str:
    """The model's name without the path the conventions of Vertex AI put before it."""
    model = str(body.get("model") or "")
    before, mark, name = model.rpartition("models/")
    if mark and not before.endswith("tuned"):
        return name
    return model.removeprefix("google/")


def read_contents(contents: Any) -> Iterator[tuple[str, list[Part]]]:
    """Role and parts of each content; what stands there without a role is the user's."""
    loose: list[Part] = []
    for item in contents if isinstance(contents, list | tuple) else [contents]:
        parts = item if isinstance(item, list | tuple) else find(item, "parts")
        if parts is None:
            if item is not None:
                loose.append(_read_part(item))
            continue
        if loose:
            yield "user", loose
            loose = []
        yield find(item, "role", "user"), [_read_part(part) for part in parts]
    if loose:
        yield "user", loose


def read_result(result: Any) -> Result:
    """What came back at once."""
    return read_stream([result])


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in pieces, as far as it was seen."""
    grown: dict[int, Growth] = {}
    usage: Any = None
    refusal = found_id = model = ""
    for chunk in chunks:
        usage = find(chunk, "usage_metadata") or usage
        found_id = found_id or find(chunk, "response_id", "")
        model = find(chunk, "model_version", model)
        refusal = _plain(find(find(chunk, "prompt_feedback"), "block_reason", refusal))
        for candidate in find(chunk, "candidates", ()):
            _grow(grown.setdefault(find(candidate, "index", 0), Growth()), candidate)
    ordered = [grown[index] for index in sorted(grown)]
    reasons = [each.finish_reason for each in ordered if each.finish_reason]
    counted = _read_usage(usage, _count_searches(chunks, model))
    if counted is not None and not reasons and not refusal:
        # Broken off: its tokens are those of the pieces before.
        counted = replace(counted, source=names.ESTIMATED)
    return Result(
        id=found_id,
        model=model,
        messages=[each.message() for each in ordered if each.parts()],
        finish_reasons=reasons or ([refusal] if refusal else []),
        usage=counted,
        details=logprob_details(ordered),
        service_tier=_plain(find(usage, "service_tier", "")),
    )


def has_output(chunk: Any) -> bool:
    """Whether a chunk brings anything of the answer."""
    return any(True for _ in _parts_of(chunk))


def _field(piece: Any, name: str) -> str:
    return _camel(name) if isinstance(piece, dict) and name not in piece else name


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    visit_stream([result], visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[tuple[Any, ...], list[tuple[Any, str]]] = {}
    for chunk in chunks:
        for index, part in _parts_of(chunk):
            if find(part, "text"):
                whose = (index, bool(find(part, "thought")))
                pieces.setdefault(whose, []).append((part, "text"))
            for piece in find(find(part, "function_call"), "partial_args", ()):
                path = (index, _ARGUMENTS, find(piece, "json_path"))
                pieces.setdefault(path, []).append((piece, _field(piece, "string_value")))
    changed = [
        visit_pieces(found, at(visit, "tool_argument") if kind == _ARGUMENTS else visit)
        for (_, kind, *_), found in pieces.items()
    ]
    changed += [_visit_rest(part, visit) for chunk in chunks for _, part in _parts_of(chunk)]
    for chunk in chunks if any(changed) else ():
        withhold(chunk, "parsed")
        for candidate in find(chunk, "candidates", ()):
            withhold(candidate, "logprobs_result", "logprobsResult")


def _visit_rest(part: Any, visit: Visit) -> bool:
    call = find(part, "function_call")
    if arguments := find(call, "args"):
        put(call, "args", visit_leaves(arguments, at(visit, "tool_argument")))
    changed = [
        visit_field(find(part, name), field, at(visit, find_stage_below(name) or "tool_argument"))
        for name, field in _CODE.items()
    ]
    return any(changed)


def _parts_of(chunk: Any) -> Iterator[tuple[int, Any]]:
    for candidate in find(chunk, "candidates", ()):
        index = find(candidate, "index", 0)
        for part in find(find(candidate, "content"), "parts", ()):
            yield index, part


def _grow(growth: Growth, candidate: Any) -> None:
    for part in find(find(candidate, "content"), "parts", ()):
        text = find(part, "text")
        if text is None:
            _grow_part(growth, part)
        elif find(part, "thought"):
            growth.add_reasoning(text)
        else:
            growth.add_text(text)
    growth.finish_reason = _plain(find(candidate, "finish_reason")) or growth.finish_reason
    for token in find(find(candidate, "logprobs_result"), "chosen_candidates", ()):
        growth.logprobs.append(find(token, "log_probability", 0.0))


def _grow_part(growth: Growth, part: Any) -> None:
    call = find(part, "function_call")
    if call is None:
        if (whole := _read_other(part)) is not None:
            growth.add(whole)
        return
    name, pieces = find(call, "name"), find(call, "partial_args", ())
    # Where arguments come in pieces, only the first has a name.
    key = growth.calls if name else growth.calls - 1
    told = "".join(find(piece, "string_value", "") for piece in pieces)
    growth.add_call(key, find(call, "id"), name, told if pieces else find(call, "args"))


def _read_part(part: Any) -> Part:
    if isinstance(part, str):
        return text_part(part)
    if (text := find(part, "text")) is not None:
        return text_part(text)
    return _read_other(part) or {"type": type(part).__name__.lower()}


def _read_other(part: Any) -> Part | None:
    if (call := find(part, "function_call")) is not None:
        return call_part(find(call, "id"), find(call, "name"), find(call, "args", {}))
    if (answer := find(part, "function_response")) is not None:
        return response_part(find(answer, "id") or find(answer, "name"), find(answer, "response"))
    if (blob := find(part, "inline_data")) is not None:
        return _read_blob(find(blob, "mime_type", ""), find(blob, "data", ""))
    link = find(part, "file_data", part)
    if uri := find(link, "file_uri") or find(link, "uri"):
        return media_part(_modality(find(link, "mime_type", "")), uri)
    for name, field in _CODE.items():
        if (code := find(part, name)) is not None:
            return {"type": name, "content": find(code, field, "")}
    return {"type": type(part).__name__.lower()}


def _read_blob(mime_type: str, data: Any) -> Part:
    modality = _modality(mime_type)
    if isinstance(data, bytes):
        size = len(data)
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "size_bytes": size}
    return media_part(modality, data, mime_type or "unknown")


def _modality(mime_type: str) -> str:
    kind = mime_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "file"


def _read_usage(usage: Any, searches: int) -> Usage | None:
    if usage is None:
        return None
    thoughts = _count(usage, "thoughts_token_count")
    return Usage(
        input_tokens=_count(usage, "prompt_token_count")
        + _count(usage, "tool_use_prompt_token_count"),
        output_tokens=_count(usage, "candidates_token_count") + thoughts,
        cache_read_tokens=_count(usage, "cached_content_token_count"),
        reasoning_tokens=thoughts,
        cache_read_audio_tokens=_modal(usage, "cache_tokens_details", "audio"),
        cache_read_image_tokens=_seen(usage, "cache_tokens_details"),
        audio_input_tokens=_modal(usage, "prompt_tokens_details", "audio"),
        audio_output_tokens=_modal(usage, "candidates_tokens_details", "audio"),
        image_input_tokens=_seen(usage, "prompt_tokens_details"),
        image_output_tokens=_modal(usage, "candidates_tokens_details", "image"),
        searches=searches,
    )


def _count(usage: Any, name: str) -> int:
    return count({name: find(usage, name)}, name)


def _seen(usage: Any, name: str) -> int:
    """Tokens of images; the pages of a document are images to it."""
    return _modal(usage, name, "image") + _modal(usage, name, "document")


def _modal(usage: Any, name: str, modality: str) -> int:
    items = (item for item in find(usage, name, ()) if _plain(find(item, "modality")) == modality)
    return sum(_count(item, "token_count") for item in items)


def _count_searches(chunks: Sequence[Any], model: str) -> int:
    """Searches that are billed: each query, or one a prompt with models before the third line."""
    queries = {
        query
        for chunk in chunks
        for candidate in find(chunk, "candidates", ())
        for query in find(find(candidate, "grounding_metadata"), "web_search_queries", ())
    }
    return min(len(queries), 1) if model.startswith(_BILLED_BY_PROMPT) else len(queries)


def _plain(value: Any) -> str:
    """An enumeration's value as the other providers would spell it."""
    return str(getattr(value, "value", value) or "").lower()


@lru_cache(maxsize=256)
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


PROVIDER = Provider(
    name="gcp.gemini",
    operation=names.CONTENT_MADE,
    paths=(":generateContent", ":streamGenerateContent"),
    roots=("system_instruction", "contents"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
