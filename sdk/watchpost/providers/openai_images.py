"""OpenAI's images, generated and edited: prompts in, images out, at once or piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import (
    Provider,
    count,
    get,
    media_part,
    message,
    read_parameters,
    text_part,
    visit_field,
)
from watchpost.providers.stages import Visit
from watchpost.record import Part, Request, Result, Usage

_COMPLETED = ("image_generation.completed", "image_edit.completed")
_PARTIAL = ("image_generation.partial_image", "image_edit.partial_image")


def owns_result(result: Any) -> bool:
    """Whether these are images."""
    data = get(result, "data")
    return isinstance(data, list) and bool(data) and any(get(data[0], n) for n in _SOURCES)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is an event of a streamed image."""
    return get(chunk, "type") in (*_COMPLETED, *_PARTIAL)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked; images to be edited are files of the request and not seen here."""
    return Request(
        model=str(body.get("model") or ""),
        parameters={**read_parameters(body), names.OUTPUT_TYPE: "image"},
        messages=[message("user", [text_part(str(body.get("prompt") or ""))])],
    )


def read_result(result: Any) -> Result:
    """What came back at once."""
    images = get(result, "data", ())
    return _result(result, images, get(result, "usage"), get(result, "output_format", "png"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in events: images that are only begun are not counted."""
    made = [chunk for chunk in chunks if get(chunk, "type") in _COMPLETED]
    last = made[-1] if made else None
    return _result(last, made, get(last, "usage"), get(last, "output_format", "png"))


def has_output(chunk: Any) -> bool:
    """Whether an event brings an image, if only its beginnings."""
    return owns_chunk(chunk)


def visit_result(result: Any, visit: Visit) -> None:
    """Show the texts of a result: the prompt as the model rewrote it."""
    for image in get(result, "data", ()):
        visit_field(image, "revised_prompt", visit)


_SOURCES = ("b64_json", "url")


def _result(source: Any, images: Sequence[Any], usage: Any, kind: str) -> Result:
    parts = [part for image in images for part in _read_image(image, kind)]
    return Result(
        model=get(source, "model", ""),
        messages=[message("assistant", parts)] if parts else [],
        usage=_read_usage(usage, len(images)),
    )


def _read_image(image: Any, kind: str) -> list[Part]:
    parts: list[Part] = []
    if revised := get(image, "revised_prompt"):
        parts.append(text_part(revised))
    if data := get(image, "b64_json"):
        parts.append(media_part("image", data, f"image/{kind}"))
    elif link := get(image, "url"):
        parts.append(media_part("image", link))
    return parts


def _read_usage(usage: Any, images: int) -> Usage | None:
    if usage is None:
        # The older models are charged for by the image, and count no tokens.
        return Usage(images=images, source=names.UNKNOWN) if images else None
    return Usage(
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=count(usage, "input_tokens_details", "cached_tokens"),
        cache_read_image_tokens=count(
            usage, "input_tokens_details", "cached_tokens_details", "image_tokens"
        ),
        image_input_tokens=count(usage, "input_tokens_details", "image_tokens"),
        image_output_tokens=_count_drawn(usage),
        images=images,
    )


def _count_drawn(usage: Any) -> int:
    """Tokens of the images: all that came back, unless the answer tells them apart."""
    said = get(usage, "output_tokens_details")
    return count(usage, "output_tokens") if said is None else count(said, "image_tokens")


PROVIDER = Provider(
    name="openai",
    operation=names.CONTENT_MADE,
    paths=("/images/generations", "/images/edits", "/images/variations"),
    roots=("prompt",),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_request=read_request,
    read_result=read_result,
    read_stream=read_stream,
    has_output=has_output,
    visit_result=visit_result,
)
