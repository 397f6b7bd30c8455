"""Cohere's embeddings and reranking: what was asked, and what is billed for it.

Reranking is billed by the search and not by the token, so that it has no tokens at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.cohere import read_usage
from watchpost.providers.provider import Provider, get, media_part, message, text_part
from watchpost.record import Attribute, Part, Request, Result, Usage

_KINDS = ("float_", "float", "int8", "uint8")


def owns_embeddings(result: Any) -> bool:
    """Whether these are embeddings, by their types."""
    held = get(result, "embeddings")
    if held is None or isinstance(held, list | tuple):
        return False
    return get(result, "meta") is not None and _vectors(held) is not None


def owns_ranking(result: Any) -> bool:
    """Whether this is the order of reranked documents."""
    found = get(result, "results")
    if not isinstance(found, list) or not found or get(result, "meta") is None:
        return False
    return get(found[0], "relevance_score") is not None


def read_embeddings_request(body: Mapping[str, Any]) -> Request:
    """What was to be embedded: texts, images, or both together."""
    parts: list[Part] = [text_part(text) for text in body.get("texts") or ()]
    parts += [media_part("image", image) for image in body.get("images") or ()]
    for item in body.get("inputs") or ():
        for part in get(item, "content", ()):
            if text := get(part, "text"):
                parts.append(text_part(text))
            elif link := get(get(part, "image_url"), "url"):
                parts.append(media_part("image", link))
    return _request(body, parts)


def read_ranking_request(body: Mapping[str, Any]) -> Request:
    """What was searched for, and among which documents."""
    documents = body.get("documents") or ()
    parts = [{"type": "document", "content": document} for document in documents]
    return _request(body, [text_part(body.get("query") or ""), *parts])


def read_embeddings(result: Any) -> Result:
    """What came back, without the numbers."""
    details: dict[str, Attribute] = {}
    if vectors := _vectors(get(result, "embeddings")):
        details[names.EMBEDDING_DIMENSIONS] = len(vectors[0])
    usage = read_usage(get(result, "meta"))
    return Result(id=get(result, "id", ""), usage=usage, details=details)


def read_ranking(result: Any) -> Result:
    """What came back: how much was billed, not the order."""
    units = get(get(get(result, "meta"), "billed_units"), "search_units")
    usage = None if units is None else Usage(searches=round(units))
    return Result(id=get(result, "id", ""), usage=usage)


def _request(body: Mapping[str, Any], parts: Sequence[Part]) -> Request:
    messages = [message("user", parts)] if parts else []
    return Request(model=str(body.get("model") or ""), messages=messages)


def _vectors(held: Any) -> Any:
    return next((found for kind in _KINDS if (found := get(held, kind)) is not None), None)


EMBEDDINGS = Provider(
    name="cohere",
    operation=names.EMBEDDINGS,
    paths=("/v2/embed",),
    roots=("texts", "inputs"),
    owns_result=owns_embeddings,
    read_request=read_embeddings_request,
    read_result=read_embeddings,
)
RANKING = Provider(
    name="cohere",
    operation=names.RERANK,
    paths=("/v2/rerank",),
    roots=("query", "documents"),
    owns_result=owns_ranking,
    read_request=read_ranking_request,
    read_result=read_ranking,
)
