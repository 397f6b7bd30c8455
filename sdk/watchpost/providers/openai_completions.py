"""OpenAI's older completions, which vLLM and others still serve: a prompt in, texts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.growth import Growth, logprob_details
from watchpost.providers.openai_chat import make_result
from watchpost.providers.provider import (
    Flow,
    Piece,
    Provider,
    get,
    message,
    read_parameters,
    summarise_logprobs,
    text_part,
    visit_field,
    visit_flow,
    withhold,
)
from watchpost.providers.stages import Visit
from watchpost.record import Request, Result


def owns_result(result: Any) -> bool:
    """Whether this is a completion, or a piece of one: both look alike."""
    choices = get(result, "choices")
    is_text = get(result, "object") == "text_completion"
    return is_text and isinstance(choices, list) and bool(choices)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is a chunk of a streamed completion."""
    return bool(get(chunk, "object") == "text_completion")


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked; prompts given as tokens are left out."""
    asked = body.get("prompt")
    prompts = [asked] if isinstance(asked, str) else asked or ()
    return Request(
        model=str(body.get("model") or ""),
        parameters=read_parameters(body),
        messages=[message("user", [text_part(p)]) for p in prompts if isinstance(p, str)],
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    messages, reasons, logprobs = [], [], []
    for choice in get(result, "choices", ()):
        reason = get(choice, "finish_reason", "")
        reasons.append(reason)
        messages.append(message("assistant", [text_part(get(choice, "text", ""))], reason))
        logprobs.extend(_read_logprobs(choice))
    summary = summarise_logprobs(logprobs)
    return make_result(result, messages, reasons, get(result, "usage"), summary)


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in chunks, as far as it was seen."""
    usage, last = None, chunks[-1] if chunks else None
    choices: dict[int, Growth] = {}
    for chunk in chunks:
        usage = get(chunk, "usage") or usage
        for choice in get(chunk, "choices", ()):
            grown = choices.setdefault(get(choice, "index", 0), Growth())
            grown.add_text(get(choice, "text", ""))
            grown.logprobs.extend(_read_logprobs(choice))
            grown.finish_reason = get(choice, "finish_reason") or grown.finish_reason
    ordered = [choices[index] for index in sorted(choices)]
    messages = [grown.message() for grown in ordered]
    reasons = [grown.finish_reason for grown in ordered if grown.finish_reason]
    return make_result(last, messages, reasons, usage, logprob_details(ordered))


def has_output(chunk: Any) -> bool:
    """Whether a chunk brings text."""
    return any(get(choice, "text") for choice in get(chunk, "choices", ()))


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for choice in get(result, "choices", ()):
        visit_field(choice, "text", visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    visit_flow(FLOW, chunks, visit)


def _pieces(chunk: Any) -> Iterator[Piece]:
    for choice in get(chunk, "choices", ()):
        index = get(choice, "index", 0)
        yield Piece(index, index, choice, "text")


def _empty(chunk: Any) -> None:
    """Tokens spell what was taken out of the text."""
    for choice in get(chunk, "choices", ()):
        withhold(choice, "logprobs")


FLOW = Flow(_pieces, empty=_empty)


def _read_logprobs(choice: Any) -> list[float]:
    found = get(get(choice, "logprobs"), "token_logprobs", ())
    return [value for value in found if value is not None]


PROVIDER = Provider(
    name="openai",
    operation=names.COMPLETION,
    # The chat's path ends like this one; it is asked before.
    paths=("/completions",),
    roots=("prompt",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
    flow=FLOW,
)
