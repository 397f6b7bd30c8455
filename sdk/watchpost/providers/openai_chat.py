"""OpenAI chat completions, which many other servers speak too: requests, results and streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from watchpost import attributes as names
from watchpost.providers.growth import Growth, logprob_details
from watchpost.providers.provider import (
    Flow,
    Piece,
    Provider,
    blob_part,
    call_part,
    count,
    get,
    media_part,
    message,
    put,
    read_parameters,
    reasoning_part,
    response_part,
    summarise_logprobs,
    text_part,
    visit_field,
    visit_flow,
    withhold,
)
from watchpost.providers.stages import Visit, at
from watchpost.record import Attribute, Message, Part, Request, Result, Usage

_SYSTEM_ROLES = ("system", "developer")
# What a model thought: DeepSeek's name and vLLM's first one, then OpenRouter's, Groq's and vLLM's.
_THOUGHTS = ("reasoning_content", "reasoning")
_TEXTS = ("content", "refusal", *_THOUGHTS)
_SOUND = "audio"
_CALLED: Final = "tool_argument"
_PREDICTIONS = {
    names.USAGE_PREDICTED: "accepted_prediction_tokens",
    names.USAGE_MISPREDICTED: "rejected_prediction_tokens",
}


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
    return make_result(
        result, messages, reasons, get(result, "usage"), summarise_logprobs(logprobs)
    )


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in chunks, as far as it was seen."""
    usage, last = None, chunks[-1] if chunks else None
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        # Groq tells its tokens unasked, in a field of its own.
        usage = get(chunk, "usage") or get(get(chunk, "x_groq"), "usage") or usage
        for choice in get(chunk, "choices", ()):
            choices.setdefault(get(choice, "index", 0), _Choice()).add_choice(choice)
    ordered = [choices[index] for index in sorted(choices)]
    messages = [choice.message() for choice in ordered]
    reasons = [choice.finish_reason for choice in ordered if choice.finish_reason]
    return make_result(last, messages, reasons, usage, logprob_details(ordered))


def has_output(chunk: Any) -> bool:
    """Whether a chunk brings anything of the answer."""
    for choice in get(chunk, "choices", ()):
        delta = get(choice, "delta")
        if any(get(delta, name) for name in ("content", "tool_calls", "audio", *_THOUGHTS)):
            return True
    return False


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for choice in get(result, "choices", ()):
        said = get(choice, "message")
        changed = [visit_field(said, name, visit) for name in _TEXTS]
        for call in get(said, "tool_calls", ()):
            changed.append(visit_field(get(call, "function"), "arguments", at(visit, _CALLED)))
            changed.append(visit_field(get(call, "custom"), "input", at(visit, _CALLED)))
        changed.append(visit_field(get(said, "function_call"), "arguments", at(visit, _CALLED)))
        if visit_field(sound := get(said, "audio"), "transcript", visit):
            # What was taken out of the words can still be heard.
            put(sound, "data", "")
        if any(changed) and get(said, "parsed") is not None:
            # The parsed object was built from the text that must not be shown.
            put(said, "parsed", None)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    visit_flow(FLOW, chunks, visit)


def _pieces(chunk: Any) -> Iterator[Piece]:
    for choice in get(chunk, "choices", ()):
        delta, index = get(choice, "delta"), get(choice, "index", 0)
        for name in _TEXTS:
            if get(delta, name):
                yield Piece(index, (index, name), delta, name)
        for call in get(delta, "tool_calls", ()):
            key = (index, "arguments", get(call, "index", 0))
            if function := get(call, "function"):
                yield Piece(index, key, function, "arguments", _CALLED)
            elif custom := get(call, "custom"):
                yield Piece(index, key, custom, "input", _CALLED)
        if function := get(delta, "function_call"):
            yield Piece(index, (index, "function_call"), function, "arguments", _CALLED)
        if sound := get(delta, "audio"):
            yield Piece(index, (index, _SOUND), sound, "transcript")


def _empty(chunk: Any) -> None:
    """What was taken out of the words can still be heard, and tokens spell it."""
    for choice in get(chunk, "choices", ()):
        withhold(choice, "logprobs")
        if sound := get(get(choice, "delta"), _SOUND):
            put(sound, "data", "")


def _has_sound(chunk: Any) -> bool:
    return any(get(get(choice, "delta"), _SOUND) for choice in get(chunk, "choices", ()))


FLOW = Flow(_pieces, empty=_empty, waits=_has_sound)


class _Choice(Growth):
    """One choice of a stream while it grows."""

    __slots__ = ("_sound",)

    def __init__(self) -> None:
        super().__init__()
        self._sound = 0

    def add_choice(self, choice: Any) -> None:
        """A piece of this choice."""
        delta = get(choice, "delta")
        for name in _THOUGHTS:
            self.add_reasoning(get(delta, name, ""))
        self.add_text(get(delta, "content") or get(delta, "refusal", ""))
        for call in get(delta, "tool_calls", ()):
            self.add_call(get(call, "index", 0), *_read_call(call))
        if function := get(delta, "function_call"):
            self.add_call(None, None, get(function, "name"), get(function, "arguments"))
        if sound := get(delta, "audio"):
            self.add_text(get(sound, "transcript", ""))
            self._sound += len(get(sound, "data", ""))
        self.logprobs.extend(_read_logprobs(choice))
        self.finish_reason = get(choice, "finish_reason") or self.finish_reason

    def parts(self) -> list[Part]:
        """What was said, and how much sound there was."""
        heard = [blob_part("audio", "audio", self._sound * 3 // 4)] if self._sound else []
        return [*super().parts(), *heard]


def make_result(
    source: Any,
    messages: Sequence[Message],
    reasons: Sequence[str],
    usage: Any,
    summary: Mapping[str, Attribute],
) -> Result:
    """A result with what an answer of OpenAI's says of itself beside its choices."""
    details: dict[str, Attribute] = dict(summary)
    tier = get(source, "service_tier", "")
    if tier:
        details[names.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint := get(source, "system_fingerprint"):
        details[names.OPENAI_SYSTEM_FINGERPRINT] = fingerprint
    said = get(usage, "completion_tokens_details")
    for name, field in _PREDICTIONS.items():
        if tokens := count(said, field):
            details[name] = tokens
    return Result(
        id=get(source, "id", ""),
        model=get(source, "model", ""),
        messages=messages,
        finish_reasons=reasons,
        usage=read_usage(usage),
        details=details,
        service_tier=tier,
    )


def read_usage(usage: Any) -> Usage | None:
    """The tokens as OpenAI's chat counts them; None where nothing was reported."""
    if usage is None:
        return None
    asked, said = get(usage, "prompt_tokens_details"), get(usage, "completion_tokens_details")
    return Usage(
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cache_read_tokens=count(asked, "cached_tokens") or count(usage, "prompt_cache_hit_tokens"),
        cache_write_tokens=count(asked, "cache_write_tokens"),
        reasoning_tokens=count(said, "reasoning_tokens"),
        cache_read_audio_tokens=count(asked, "cached_tokens_details", "audio_tokens"),
        cache_read_image_tokens=count(asked, "cached_tokens_details", "image_tokens"),
        audio_input_tokens=count(asked, "audio_tokens"),
        audio_output_tokens=count(said, "audio_tokens"),
        image_input_tokens=count(asked, "image_tokens"),
        image_output_tokens=count(said, "image_tokens"),
    )


def _read_logprobs(choice: Any) -> list[float]:
    logprobs = get(choice, "logprobs")
    tokens = (*get(logprobs, "content", ()), *get(logprobs, "refusal", ()))
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
    thoughts = [thought for name in _THOUGHTS if (thought := get(said, name))]
    # Some servers say it under both names.
    parts = [reasoning_part(thoughts[0])] if thoughts else []
    parts.extend(_read_content(get(said, "content") or get(said, "refusal")))
    if sound := get(said, "audio"):
        parts.extend(_read_content(get(sound, "transcript")))
        if data := get(sound, "data"):
            parts.append(blob_part("audio", "audio", len(data) * 3 // 4))
    parts.extend(call_part(*_read_call(call)) for call in get(said, "tool_calls", ()))
    if function := get(said, "function_call"):
        parts.append(call_part(None, get(function, "name"), get(function, "arguments")))
    return parts


def _read_call(call: Any) -> tuple[Any, Any, Any]:
    """The id, name and arguments of a tool's call, or of a piece of one."""
    if custom := get(call, "custom"):
        return get(call, "id"), get(custom, "name"), get(custom, "input")
    function = get(call, "function")
    return get(call, "id"), get(function, "name"), get(function, "arguments")


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
    if kind == "audio_url":
        return media_part("audio", get(get(part, "audio_url"), "url", ""))
    if kind == "video_url":
        return media_part("video", get(get(part, "video_url"), "url", ""))
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
    flow=FLOW,
    reads_snapshots=True,
)
