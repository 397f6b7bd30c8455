"""OpenAI's moderations: a judgement of texts, free of charge, and no generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import Provider, get, media_part, message, text_part
from watchpost.record import Attribute, Part, Request, Result


def owns_result(result: Any) -> bool:
    """Whether this is a moderation."""
    judged = get(result, "results")
    return (
        isinstance(judged, list) and bool(judged) and get(judged[0], "category_scores") is not None
    )


def read_request(body: Mapping[str, Any]) -> Request:
    """What was to be judged."""
    asked = body.get("input")
    items = [asked] if isinstance(asked, str) else asked or ()
    return Request(
        model=str(body.get("model") or ""),
        messages=[message("user", [_read_part(item)]) for item in items],
    )


def read_result(result: Any) -> Result:
    """What was found: the names of the categories, of all inputs together."""
    flagged = sorted({name for judged in get(result, "results", ()) for name in _flagged(judged)})
    details: dict[str, Attribute] = {names.MODERATION_FLAGGED: tuple(flagged)} if flagged else {}
    return Result(id=get(result, "id", ""), model=get(result, "model", ""), details=details)


def _flagged(judged: Any) -> Iterator[str]:
    categories = get(judged, "categories", {})
    # An object has the names that are no identifiers under others; it can say the real ones.
    dump = getattr(categories, "model_dump", None)
    found = dump(by_alias=True) if callable(dump) else categories
    if isinstance(found, Mapping):
        yield from (str(name) for name, is_flagged in found.items() if is_flagged)


def _read_part(item: Any) -> Part:
    if isinstance(item, str):
        return text_part(item)
    if get(item, "type") == "image_url":
        return media_part("image", get(get(item, "image_url"), "url", ""))
    return text_part(str(get(item, "text", "")))


PROVIDER = Provider(
    name="openai",
    operation=names.MODERATION,
    paths=("/moderations",),
    roots=("input",),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
)
