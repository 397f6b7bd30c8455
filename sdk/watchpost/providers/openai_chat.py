"""OpenAI chat completions, which many other servers speak too: requests, results and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import (
    Provider,
    Visit,
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
    visit_pieces,
)
from watchpost.record import Attribute, Message, Part, Request, Result, Usage

_SYSTEM_ROLES = ("system", "developer")


def owns_result(result: Any) -> bool:
    """Whether this is a chat completion."""
    choices = get(result, "choices")
    return isinstance(choices, list) and bool(choices) and get(choices[0], "message") is not None


def owns_chunk(chunk: Any) -> bool:
    """Whether this is a chunk of a streamed chat completion."""
    return bool(get(chunk, "object") == "chat.completion.chunk")


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    system: list[Part] = []
    messages: list[Message] = []
    for item in body.get("messages") or ():
        role = get(item, "role", "user")
        if role in _SYSTEM_ROLES:
            system.extend(_read_content(get(item, "content")))
        else:
            messages.append(_read_input(item, role))
    parameters = read_parameters(body)
    tier = body.get("service_tier")
    if isinstance(tier, str):
        parameters[names.OPENAI_REQUEST_SERVICE_TIER] = tier
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
    messages, reasons, logprobs = [], [], []
    for choice in get(result, "choices", ()):
        reason = get(choice, "finish_reason", "")
        reasons.append(reason)
        messages.append(message("assistant", _read_output(get(choice, "message")), reason))
        logprobs.extend(_read_logprobs(choice))
    return _result(result, messages, reasons, get(result, "usage"), logprobs)


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in chunks, as far as it was seen."""
    usage, last = None, chunks[-1] if chunks else None
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        usage = get(chunk, "usage") or usage
        for choice in get(chunk, "choices", ()):
            index = get(choice, "index", 0)
            if index not in choices:
                choices[index] = _Choice()
            choices[index].add(choice)
    ordered = [choices[index] for index in sorted(choices)]
    messages = [message("assistant", c.parts(), c.finish_reason) for c in ordered]
    reasons = [c.finish_reason for c in ordered if c.finish_reason]
    return _result(last, messages, reasons, usage, [p for c in ordered for p in c.logprobs])


def has_output(chunk: Any) -> bool:
    """Whether a chunk brings anything of the answer."""
    for choice in get(chunk, "choices", ()):
        delta = get(choice, "delta")
        if get(delta, "content") or get(delta, "tool_calls") or get(delta, "reasoning_content"):
            return True
    return False


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for choice in get(result, "choices", ()):
        said = get(choice, "message")
        changed = [visit_field(said, name, visit) for name in ("content", "refusal")]
        for call in get(said, "tool_calls", ()):
            changed.append(visit_field(get(call, "function"), "arguments", visit))
        if any(changed) and get(said, "parsed") is not None:
            # The parsed object was built from the text that must not be shown.
            put(said, "parsed", None)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    pieces: dict[tuple[Any, ...], list[tuple[Any, str]]] = {}
    for chunk in chunks:
        for choice in get(chunk, "choices", ()):
            delta, index = get(choice, "delta"), get(choice, "index", 0)
            for name in ("content", "refusal", "reasoning_content"):
                if get(delta, name):
                    pieces.setdefault((index, name), []).append((delta, name))
            for call in get(delta, "tool_calls", ()):
                key = (index, "arguments", get(call, "index", 0))
                if function := get(call, "function"):
                    pieces.setdefault(key, []).append((function, "arguments"))
    for found in pieces.values():
        visit_pieces(found, visit)


class _Choice:
    """One choice of a stream while it grows."""

    __slots__ = ("calls", "finish_reason", "logprobs", "reasoning", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, list[str]] = {}
        self.logprobs: list[float] = []
        self.finish_reason = ""

    def add(self, choice: Any) -> None:
        delta = get(choice, "delta")
        if content := get(delta, "content") or get(delta, "refusal"):
            self.text.append(content)
        if thought := get(delta, "reasoning_content"):
            self.reasoning.append(thought)
        for call in get(delta, "tool_calls", ()):
            held = self.calls.setdefault(get(call, "index", 0), ["", "", ""])
            function = get(call, "function")
            held[0] = held[0] or get(call, "id", "")
            held[1] = held[1] or get(function, "name", "")
            held[2] += get(function, "arguments", "")
        self.logprobs.extend(_read_logprobs(choice))
        self.finish_reason = get(choice, "finish_reason") or self.finish_reason

    def parts(self) -> list[Part]:
        parts = [reasoning_part("".join(self.reasoning))] if self.reasoning else []
        if self.text:
            parts.append(text_part("".join(self.text)))
        parts.extend(call_part(*self.calls[index]) for index in sorted(self.calls))
        return parts


def _result(
    source: Any,
    messages: Sequence[Message],
    reasons: Sequence[str],
    usage: Any,
    logprobs: Sequence[float],
) -> Result:
    details: dict[str, Attribute] = {}
    tier = get(source, "service_tier", "")
    if tier:
        details[names.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint := get(source, "system_fingerprint"):
        details[names.OPENAI_SYSTEM_FINGERPRINT] = fingerprint
    if logprobs:
        details[names.LOGPROB_MEAN] = sum(logprobs) / len(logprobs)
        details[names.LOGPROB_MIN] = min(logprobs)
    return Result(
        id=get(source, "id", ""),
        model=get(source, "model", ""),
        messages=messages,
        finish_reasons=reasons,
        usage=_read_usage(usage),
        details=details,
        service_tier=tier,
    )


def _read_usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    asked, said = get(usage, "prompt_tokens_details"), get(usage, "completion_tokens_details")
    return Usage(
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cache_read_tokens=count(asked, "cached_tokens"),
        reasoning_tokens=count(said, "reasoning_tokens"),
        audio_input_tokens=count(asked, "audio_tokens"),
        audio_output_tokens=count(said, "audio_tokens"),
    )


def _read_logprobs(choice: Any) -> list[float]:
    tokens = get(get(choice, "logprobs"), "content", ())
    return [get(token, "logprob", 0.0) for token in tokens]


def _read_input(item: Any, role: str) -> Message:
    if role == "tool":
        content = get(item, "content")
        shown = content if isinstance(content, str) else _read_content(content)
        return message("tool", [response_part(get(item, "tool_call_id"), shown)])
    if role == "assistant":
        return message(role, _read_output(item))
    return message(role, _read_content(get(item, "content")))


def _read_output(said: Any) -> list[Part]:
    parts: list[Part] = []
    if thought := get(said, "reasoning_content"):
        parts.append(reasoning_part(thought))
    parts.extend(_read_content(get(said, "content") or get(said, "refusal")))
    for call in get(said, "tool_calls", ()):
        function = get(call, "function")
        parts.append(call_part(get(call, "id"), get(function, "name"), get(function, "arguments")))
    return parts


def _read_content(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_read_part(part) for part in content]


def _read_part(part: Any) -> Part:
    kind = get(part, "type", "text")
    if kind in ("text", "refusal"):
        return text_part(get(part, kind, ""))
    if kind == "image_url":
        return media_part("image", get(get(part, "image_url"), "url", ""))
    if kind == "input_audio":
        sound = get(part, "input_audio")
        return media_part("audio", get(sound, "data", ""), f"audio/{get(sound, 'format', '')}")
    if kind == "file":
        return media_part("file", get(get(part, "file"), "file_data", ""), "application/octet")
    return {"type": kind}


PROVIDER = Provider(
    name="openai",
    operation="chat",
    paths=("/chat/completions",),
    roots=("messages",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
