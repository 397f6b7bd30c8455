"""Google's embedContent: what was embedded, and how many tokens it was where the answer tells.

The Gemini API counts the whole request, Vertex each text; an older answer tells neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchpost import attributes as names
from watchpost.providers.google_genai import find, read_contents, read_model
from watchpost.providers.provider import Provider, message
from watchpost.record import Attribute, Request, Result, Usage


def owns_result(result: Any) -> bool:
    """Whether these are embeddings with their values."""
    found = find(result, "embeddings")
    return isinstance(found, list) and bool(found) and find(found[0], "values") is not None


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    contents = body.get("contents")
    return Request(
        model=read_model(body),
        messages=[message("user", parts) for _, parts in read_contents(contents)],
    )


def read_result(result: Any) -> Result:
    """What came back, without the numbers."""
    found = find(result, "embeddings", ())
    details: dict[str, Attribute] = {}
    if found:
        details[names.EMBEDDING_DIMENSIONS] = len(find(found[0], "values", ()))
    return Result(usage=_read_usage(result, found), details=details)


def _read_usage(result: Any, embeddings: Any) -> Usage | None:
    whole = find(find(result, "usage_metadata"), "prompt_token_count")
    counts = [find(find(item, "statistics"), "token_count") for item in embeddings]
    if isinstance(whole, int):
        return Usage(input_tokens=whole)
    told = [value for value in counts if isinstance(value, int | float)]
    return Usage(input_tokens=round(sum(told))) if told else None


PROVIDER = Provider(
    name="gcp.gemini",
    operation=names.EMBEDDINGS,
    paths=(":embedContent", ":batchEmbedContents"),
    roots=("contents",),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
)
