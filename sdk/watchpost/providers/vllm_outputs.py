"""vLLM's offline outputs: `RequestOutput`, one a prompt, of a model that runs in the process.

Its tokens are counted by itself, as lists of their ids. Its server speaks OpenAI's protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchpost import attributes as names
from watchpost.providers import openai_chat
from watchpost.providers.provider import (
    Provider,
    count,
    get,
    message,
    put,
    read_parameters,
    text_part,
    visit_field,
    visit_pieces,
)
from watchpost.providers.stages import Visit
from watchpost.record import Request, Result, Usage


def owns_result(result: Any) -> bool:
    """Whether this is an output, or one for each of several prompts."""
    first = result[0] if isinstance(result, list) and result else result
    return owns_chunk(first)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an output as an engine gives it while it grows."""
    answers = getattr(chunk, "outputs", None)
    return (
        isinstance(answers, list)
        and bool(answers)
        and hasattr(chunk, "prompt_token_ids")
        and hasattr(answers[0], "token_ids")
    )


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked: one prompt or several, or one conversation or several."""
    settings = body.get("sampling_params")
    given = {name: get(settings, name) for name in ("max_tokens", "temperature", "top_p", "seed")}
    parameters = read_parameters({**given, "stop": get(settings, "stop"), "n": get(settings, "n")})
    asked = _list(body.get("messages"))
    if asked:
        turns = [item for each in asked for item in _list(each)]
        found = openai_chat.read_request({"messages": turns, "tools": body.get("tools")})
        return replace(found, model=str(body.get("model") or ""), parameters=parameters)
    texts = [
        prompt if isinstance(prompt, str) else get(prompt, "prompt")
        for prompt in _list(body.get("prompts", body.get("prompt")))
    ]
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[message("user", [text_part(text)]) for text in texts if text],
    )


def read_result(result: Any) -> Result:
    """What was answered, to all prompts together: tokens are those of all of them."""
    outputs = _list(result)
    answers = [answer for output in outputs for answer in get(output, "outputs", ())]
    reasons = [get(answer, "finish_reason", "") for answer in answers]
    return Result(
        id=get(outputs[0], "request_id", "") if outputs else "",
        messages=[
            message("assistant", [text_part(get(answer, "text", ""))], reason)
            for answer, reason in zip(answers, reasons, strict=True)
        ],
        finish_reasons=[reason for reason in reasons if reason],
        usage=Usage(
            input_tokens=sum(len(get(output, "prompt_token_ids", ())) for output in outputs),
            output_tokens=sum(len(get(answer, "token_ids", ())) for answer in answers),
            cache_read_tokens=sum(count(output, "num_cached_tokens") for output in outputs),
        ),
    )


def read_stream(chunks: Sequence[Any]) -> Result:
    """What an engine gave while the answer grew: each time all of it, or only what is new."""
    grown: dict[int, list[Any]] = {}
    for chunk in chunks:
        for answer in get(chunk, "outputs", ()):
            grown.setdefault(get(answer, "index", 0), []).append(answer)
    if not grown:
        return Result()
    found = read_result(chunks[-1])
    messages, reasons, said = [], [], 0
    for _, answers in sorted(grown.items()):
        text, tokens = _join(answers)
        reason = get(answers[-1], "finish_reason", "")
        messages.append(message("assistant", [text_part(text)], reason))
        reasons.append(reason)
        said += tokens
    usage = replace(found.usage, output_tokens=said) if found.usage else None
    if usage and not any(reasons):
        usage = replace(usage, source=names.ESTIMATED)
    reasons = [reason for reason in reasons if reason]
    return replace(found, messages=messages, finish_reasons=reasons, usage=usage)


def has_output(chunk: Any) -> bool:
    """Whether an output brings anything of the answer."""
    return any(get(answer, "text") for answer in get(chunk, "outputs", ()))


def visit_result(result: Any, visit: Visit) -> None:
    """Show every text of a result, replacing in place."""
    for output in _list(result):
        for answer in get(output, "outputs", ()):
            visit_field(answer, "text", visit)


def visit_stream(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a stream whole, replacing in place."""
    by_index: dict[int, list[Any]] = {}
    for chunk in chunks:
        for answer in get(chunk, "outputs", ()):
            by_index.setdefault(get(answer, "index", 0), []).append(answer)
    for answers in by_index.values():
        if not _is_cumulative(answers):
            visit_pieces([(answer, "text") for answer in answers], visit)
        elif visit_field(answers[-1], "text", visit):
            for answer in answers[:-1]:
                put(answer, "text", "")


def _join(answers: Sequence[Any]) -> tuple[str, int]:
    """The whole text of one answer's pieces, and how many tokens it has."""
    if _is_cumulative(answers):
        return get(answers[-1], "text", ""), len(get(answers[-1], "token_ids", ()))
    text = "".join(get(answer, "text", "") for answer in answers)
    return text, sum(len(get(answer, "token_ids", ())) for answer in answers)


def _is_cumulative(answers: Sequence[Any]) -> bool:
    """Whether every piece begins with all the tokens of the one before."""
    ids = [list(get(answer, "token_ids", ())) for answer in answers]
    return all(later[: len(ids[at])] == ids[at] for at, later in enumerate(ids[1:]))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


PROVIDER = Provider(
    name="vllm",
    operation="chat",
    paths=(),
    roots=("prompts", "prompt", "messages"),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
    visit_stream=visit_stream,
)
