"""OpenAI's embeddings, which many other servers speak too: texts in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import Provider, count, get, message, text_part
from watchpost.record import Attribute, Part, Request, Result, Usage


def owns_result(result: Any) -> bool:
    """Whether this is a list of embeddings."""
    data = get(result, "data")
    return isinstance(data, list) and bool(data) and get(data[0], "object") == "embedding"


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked: each text a message, of tokens only how many."""
    parameters: dict[str, Attribute] = {}
    if isinstance(dimensions := body.get("dimensions"), int):
        parameters[names.EMBEDDING_DIMENSIONS] = dimensions
    if isinstance(encoding := body.get("encoding_format"), str):
        parameters[names.REQUEST_ENCODING_FORMATS] = (encoding,)
    return Request(
        model=str(body.get("model") or ""),
        parameters=parameters,
        messages=[message("user", [part]) for part in _read_inputs(body.get("input"))],
    )


def read_result(result: Any) -> Result:
    """What came back: the numbers themselves are not recorded."""
    usage = get(result, "usage")
    return Result(
        id=get(result, "id", ""),
        model=get(result, "model", ""),
        usage=None if usage is None else Usage(count(usage, "prompt_tokens")),
    )


def _read_inputs(asked: Any) -> Iterable[Part]:
    if isinstance(asked, str):
        return [text_part(asked)]
    if not isinstance(asked, list | tuple):
        return []
    if asked and isinstance(asked[0], int):
        return [_tokens_part(len(asked))]
    return [text_part(i) if isinstance(i, str) else _tokens_part(len(i)) for i in asked]


def _tokens_part(size: int) -> Part:
    return {"type": "tokens", "count": size}


PROVIDER = Provider(
    name="openai",
    operation=names.EMBEDDINGS,
    paths=("/embeddings",),
    roots=("input",),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
)
