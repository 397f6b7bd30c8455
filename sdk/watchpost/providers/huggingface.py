"""Hugging Face's inference: OpenAI's chat in its client's own types, and text generation.

Text generation answers with a plain text unless details are asked for; only a patched client can
tell that such a text is a model's. Whatever was not counted by the server is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
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
from watchpost.record import Attribute, Request, Result, Usage

_PACKAGE = "huggingface_hub"
GENERATED = "generated_text"


def owns_chat(result: Any) -> bool:
    """Whether this is a chat completion of the client's own."""
    return _is_own(result) and openai_chat.owns_result(result)


def owns_chat_chunk(chunk: Any) -> bool:
    """Whether this is a chunk of a streamed one."""
    return _is_own(chunk) and isinstance(get(chunk, "choices"), list)


def owns_text(result: Any) -> bool:
    """Whether this is a generated text with details."""
    return _is_own(result) and isinstance(get(result, GENERATED), str)


def owns_token(chunk: Any) -> bool:
    """Whether this is a token of a streamed text, with details."""
    return _is_own(chunk) and get(get(chunk, "token"), "text") is not None


def read_chat(result: Any) -> Result:
    """What came back at once."""
    return openai_chat.read_result(_open(result))


def read_chat_chunks(chunks: Sequence[Any]) -> Result:
    """What came back in chunks, as far as it was seen."""
    return openai_chat.read_stream([_open(chunk) for chunk in chunks])


def has_chat_output(chunk: Any) -> bool:
    """Whether a chunk brings anything of the answer."""
    return openai_chat.has_output(_open(chunk))


def read_text_request(body: Mapping[str, Any]) -> Request:
    """What was asked: a text to go on with, or to turn into numbers."""
    asked = body.get("prompt", body.get("text", ""))
    texts = [asked] if isinstance(asked, str) else asked
    parameters: dict[str, Attribute] = read_parameters(body)
    if isinstance(limit := body.get("max_new_tokens"), int):
        parameters[names.REQUEST_MAX_TOKENS] = limit
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[message("user", [text_part(text)]) for text in texts if text],
    )


def read_text(result: Any) -> Result:
    """What came back at once."""
    details = get(result, "details")
    reason = get(details, "finish_reason", "")
    asked = get(details, "prefill", ())
    usage = Usage(len(asked), count(details, "generated_tokens")) if asked else None
    return _result(get(result, GENERATED, ""), reason, usage)


def read_tokens(chunks: Sequence[Any]) -> Result:
    """What came back token by token, plain or with details, as far as it was seen."""
    details = next((found for chunk in chunks if (found := get(chunk, "details"))), None)
    text = "".join(
        chunk if isinstance(chunk, str) else get(get(chunk, "token"), "text", "")
        for chunk in chunks
        if not get(get(chunk, "token"), "special")
    )
    asked = count(details, "input_length")
    usage = Usage(asked, count(details, "generated_tokens")) if asked else None
    return _result(text, get(details, "finish_reason", ""), usage)


def read_numbers(result: Any) -> Result:
    """How many numbers a text became."""
    shape = getattr(result, "shape", ())
    return Result(details={names.EMBEDDING_DIMENSIONS: int(shape[-1])} if shape else {})


def has_token(chunk: Any) -> bool:
    """Whether a piece brings anything of the answer."""
    return bool((isinstance(chunk, str) and chunk) or get(get(chunk, "token"), "text"))


def visit_text(result: Any, visit: Visit) -> None:
    """Show the text of a result, replacing in place."""
    plain = _open(result)
    if visit_field(plain, GENERATED, visit):
        for token in get(get(plain, "details"), "tokens", ()):
            # They say it again, one by one.
            put(token, "text", "")
        if plain is not result:
            _agree(result, plain)


def visit_tokens(chunks: Sequence[Any], visit: Visit) -> None:
    """Show the text of a stream whole, replacing in place."""
    if all(isinstance(chunk, str) for chunk in chunks):
        pieces = [{"text": chunk} for chunk in chunks]
        visit_pieces([(piece, "text") for piece in pieces], visit)
        if isinstance(chunks, MutableSequence):
            chunks[:] = [piece["text"] for piece in pieces]
        return
    plain = [_open(chunk) for chunk in chunks]
    if visit_pieces([(get(chunk, "token"), "text") for chunk in plain], visit):
        whole = "".join(get(get(chunk, "token"), "text", "") for chunk in plain)
        for chunk, changed in zip(chunks, plain, strict=True):
            # The last one says it all again.
            if get(changed, GENERATED):
                changed[GENERATED] = whole
            _agree(chunk, changed)


def visit_chat(result: Any, visit: Visit) -> None:
    """Show every text of a chat completion, replacing in place."""
    plain = _open(result)
    openai_chat.visit_result(plain, visit)
    _agree(result, plain)


def visit_chat_chunks(chunks: Sequence[Any], visit: Visit) -> None:
    """Show every text of a streamed one whole, replacing in place."""
    plain = [_open(chunk) for chunk in chunks]
    openai_chat.visit_stream(plain, visit)
    for chunk, changed in zip(chunks, plain, strict=True):
        _agree(chunk, changed)


def _open(value: Any) -> Any:
    """An object of the client's as a dictionary of its attributes: its own keys lack some."""
    if isinstance(value, list):
        return [_open(item) for item in value]
    return {name: _open(held) for name, held in vars(value).items()} if _is_own(value) else value


def _agree(typed: Any, plain: Mapping[str, Any]) -> None:
    """Make an object say what a dictionary says: it has everything below it twice."""
    for name, value in plain.items():
        held = getattr(typed, name, None)
        pairs = zip(held, value, strict=True) if isinstance(held, list) else ((held, value),)
        below = [(one, other) for one, other in pairs if _is_own(one)]
        for one, other in below:
            _agree(one, other)
        if below:
            # The copy below its key does not follow by itself.
            typed[name] = held
        elif held != value:
            setattr(typed, name, value)


def _is_own(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == _PACKAGE


def _result(text: str, reason: str, usage: Usage | None) -> Result:
    return Result(
        messages=[message("assistant", [text_part(text)], reason)] if text else [],
        finish_reasons=[reason] if reason else [],
        usage=usage,
    )


CHAT = replace(
    openai_chat.PROVIDER,
    name="huggingface",
    paths=(),
    owns_result=owns_chat,
    owns_chunk=owns_chat_chunk,
    read_result=read_chat,
    read_stream=read_chat_chunks,
    has_output=has_chat_output,
    visit_result=visit_chat,
    visit_stream=visit_chat_chunks,
    # What is put into an object of its own has to be put into its copies too.
    flow=None,
    # What its types have no field for is an attribute beside the dictionary that they are.
    reads_snapshots=False,
)

TEXT = Provider(
    name="huggingface",
    operation=names.COMPLETION,
    paths=(),
    roots=("prompt",),
    owns_result=owns_text,
    owns_chunk=owns_token,
    read_request=read_text_request,
    read_result=read_text,
    read_stream=read_tokens,
    has_output=has_token,
    visit_result=visit_text,
    visit_stream=visit_tokens,
)

EMBEDDINGS = Provider(
    name="huggingface",
    operation=names.EMBEDDINGS,
    paths=(),
    roots=("text",),
    owns_result=lambda result: False,
    read_request=read_text_request,
    read_result=read_numbers,
)
"""Its answers are bare numbers: only a patched client knows what they are."""
