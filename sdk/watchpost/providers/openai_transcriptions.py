"""OpenAI's transcriptions and translations: sound in, text out, at once or as it is heard.

Newer models count tokens, whisper the seconds of sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import (
    Provider,
    count,
    get,
    message,
    read_parameters,
    summarise_logprobs,
    text_part,
    visit_field,
    visit_pieces,
)
from watchpost.providers.stages import Visit
from watchpost.record import Request, Result, Usage

_DELTA, _DONE, _SEGMENT = (f"transcript.text.{kind}" for kind in ("delta", "done", "segment"))
_USAGES = ("tokens", "duration")
# The text could be counted; the sound, which costs more, was not seen.
_UNTOLD = Usage(source=names.UNKNOWN)


def owns_result(result: Any) -> bool:
    """Whether this is a transcription that says what it took."""
    if isinstance(result, str) or not isinstance(get(result, "text"), str):
        return False
    return get(get(result, "usage"), "type") in _USAGES


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed transcription."""
    return get(chunk, "type") in (_DELTA, _DONE, _SEGMENT)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked; the sound is a file of the request and not seen here."""
    prompt = body.get("prompt")
    return Request(
        model=str(body.get("model") or ""),
        parameters={**read_parameters(body), names.OUTPUT_TYPE: "text"},
        messages=[message("user", [text_part(prompt)])] if isinstance(prompt, str) else [],
    )


def read_result(result: Any) -> Result:
    """What came back at once: an object, or only the text, as subtitles are."""
    text = result if isinstance(result, str) else get(result, "text", "")
    logprobs = [get(token, "logprob", 0.0) for token in get(result, "logprobs", ())]
    return Result(
        messages=[message("assistant", [text_part(text)])],
        usage=_read_usage(get(result, "usage"), get(result, "duration", 0)),
        details=summarise_logprobs(logprobs),
    )


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events; the last one has all of the text."""
    done = next((chunk for chunk in chunks if get(chunk, "type") == _DONE), None)
    if done is not None:
        return read_result(done)
    kind = _DELTA if any(get(chunk, "type") == _DELTA for chunk in chunks) else _SEGMENT
    name = "delta" if kind == _DELTA else "text"
    text = "".join(get(chunk, name, "") for chunk in chunks if get(chunk, "type") == kind)
    return Result(messages=[message("assistant", [text_part(text)])] if text else [], usage=_UNTOLD)


def has_output(chunk: Any) -> bool:
    """Whether an event brings text."""
    return get(chunk, "type") in (_DELTA, _SEGMENT)


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    if isinstance(result, str):
        visit(result)
        return
    if visit_field(result, "text", visit):
        for token in get(result, "logprobs", ()):
            visit_field(token, "token", lambda _: "")
    for part in (*get(result, "segments", ()), *get(result, "words", ())):
        visit_field(part, "text" if get(part, "text") else "word", visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place; the last event says it all again."""
    decided: dict[str, str] = {}

    def visit_once(text: str) -> str:
        if text not in decided:
            decided[text] = visit(text)
        return decided[text]

    pieces = [(chunk, "delta") for chunk in chunks if get(chunk, "type") == _DELTA]
    visit_pieces(pieces, visit_once)
    for chunk in chunks:
        if get(chunk, "type") in (_DONE, _SEGMENT):
            visit_field(chunk, "text", visit_once)


def _read_usage(usage: Any, duration: Any) -> Usage:
    if get(usage, "type") == "tokens" or get(usage, "total_tokens"):
        return Usage(
            input_tokens=count(usage, "input_tokens"),
            output_tokens=count(usage, "output_tokens"),
            audio_input_tokens=count(usage, "input_token_details", "audio_tokens"),
        )
    # whisper tells its seconds, and older servers only how long the sound was.
    seconds = get(usage, "seconds", duration)
    try:
        return Usage(seconds=float(seconds), source=names.UNKNOWN)
    except (TypeError, ValueError):
        return _UNTOLD


PROVIDER = Provider(
    name="openai",
    operation=names.CONTENT_MADE,
    paths=("/audio/transcriptions", "/audio/translations"),
    roots=("prompt",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
