"""Google's image models (`generate_images`): a prompt in, images out, counted by the piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchpost import attributes as names
from watchpost.providers.google_genai import find
from watchpost.providers.provider import (
    Provider,
    blob_part,
    get,
    media_part,
    message,
    read_parameters,
    text_part,
    visit_field,
)
from watchpost.providers.stages import Visit
from watchpost.record import Part, Request, Result, Usage


def owns_result(result: Any) -> bool:
    """Whether these are images; plain JSON of Google's calls them predictions, as all else."""
    return isinstance(get(result, "generated_images"), list)


def read_request(body: Mapping[str, Any]) -> Request:
    """What was asked."""
    parameters = read_parameters(body.get("config") or {})
    texts = [body[name] for name in PROVIDER.roots if body.get(name)]
    return Request(
        model=str(body.get("model") or "").removeprefix("models/"),
        parameters={**parameters, names.OUTPUT_TYPE: "image"},
        messages=[message("user", [text_part(str(text)) for text in texts])],
    )


def read_result(result: Any) -> Result:
    """What came back; one that was filtered out has no image, only a reason."""
    made = get(result, "generated_images", ())
    parts = [part for image in made for part in _read_image(image)]
    drawn = sum(_has_bytes(get(image, "image")) for image in made)
    withheld = any(get(image, "rai_filtered_reason") for image in made)
    return Result(
        messages=[message("assistant", parts)] if parts else [],
        finish_reasons=["content_filter"] if withheld else [],
        usage=Usage(images=drawn, source=names.UNKNOWN),
    )


def visit_result(result: Any, visit: Visit) -> None:
    """Show the texts of a result: the prompt as the model rewrote it."""
    for image in get(result, "generated_images", ()):
        visit_field(image, "enhanced_prompt", visit)


def _has_bytes(drawn: Any) -> bool:
    """Whether an image is there: one that was filtered out is an empty object."""
    return bool(find(drawn, "image_bytes") or find(drawn, "gcs_uri"))


def _read_image(image: Any) -> list[Part]:
    parts: list[Part] = []
    if rewritten := get(image, "enhanced_prompt"):
        parts.append(text_part(rewritten))
    drawn = get(image, "image")
    if (data := find(drawn, "image_bytes")) is not None:
        parts.append(blob_part("image", find(drawn, "mime_type", ""), len(data)))
    elif link := find(drawn, "gcs_uri"):
        parts.append(media_part("image", link))
    return parts


PROVIDER = Provider(
    name="gcp.gemini",
    operation=names.CONTENT_MADE,
    paths=(),
    roots=("prompt", "negative_prompt"),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
    visit_result=visit_result,
)
