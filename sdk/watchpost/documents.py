"""Retrieved documents as a span records them: an id, a score and the text, whoever's they were.

They are recognised by shape: texts, mappings, objects of LangChain and LlamaIndex, pairs with a
score. It knows no framework and no span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

MOST_DOCUMENTS = 256
"""Of one retrieval; what comes after them is left out."""

_TEXT_NAMES = ("content", "text", "page_content", "document", "chunk")
_ID_NAMES = ("id", "id_", "document_id", "doc_id", "node_id")
_SCORE_NAMES = ("score", "similarity", "relevance_score")


class Document(TypedDict):
    """One document. `content` is its text; `score` is on the retriever's own scale."""

    id: NotRequired[str]
    score: NotRequired[float]
    content: str


def read_documents(given: Any) -> list[Document]:
    """The documents in what a retriever gave; what has no text is left out."""
    if isinstance(given, Mapping) or not isinstance(given, list | tuple):
        given = [given]
    found: list[Document] = []
    for item in given[:MOST_DOCUMENTS]:
        document = _read(item)
        if document is not None:
            found.append(document)
    return found


def _read(item: Any) -> Document | None:
    if isinstance(item, str):
        return {"content": item}
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], int | float):
        document = _read(item[0])
        return None if document is None else {"score": float(item[1]), **document}
    # LlamaIndex wraps what it found in what says how well it fits.
    inner = _get(item, ("node",))
    content = _get(item if inner is None else inner, _TEXT_NAMES)
    if not isinstance(content, str):
        return None
    document = {"content": content}
    score, name = _get(item, _SCORE_NAMES), _get(item if inner is None else inner, _ID_NAMES)
    if isinstance(score, int | float):
        document["score"] = float(score)
    if isinstance(name, str | int):
        document["id"] = str(name)
    return document


def _get(item: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = item.get(key) if isinstance(item, Mapping) else getattr(item, key, None)
        if value is not None and not callable(value):
            return value
    return None
