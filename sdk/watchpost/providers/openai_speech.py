"""OpenAI's speech: a text in, sound out. No tokens are reported; it is paid for by what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import Provider, blob_part, get, message, text_part
from watchpost.record import Request, Result


def owns_result(result: Any) -> bool:
    """Never: a file of sound does not tell who made it."""
    return False


def read_request(body: Mapping[str, Any]) -> Request:
    """What was to be said, and how."""
    how = body.get("instructions")
    return Request(
        model=str(body.get("model") or ""),
        parameters={names.OUTPUT_TYPE: "speech"},
        messages=[message("user", [text_part(str(body.get("input") or ""))])],
        system=[text_part(how)] if isinstance(how, str) else (),
    )


def read_result(result: Any) -> Result:
    """What came back; of sound that the caller reads by himself the size is not known."""
    response = get(result, "response") or get(result, "http_response")
    # Asking for content that was not read would raise.
    data = get(response, "_content", b"")
    kind = str(get(get(response, "headers"), "content-type", "audio"))
    size = len(data) if isinstance(data, bytes) else 0
    return Result(messages=[message("assistant", [blob_part("audio", kind, size)])])


PROVIDER = Provider(
    name="openai",
    operation=names.CONTENT_MADE,
    paths=("/audio/speech",),
    roots=("input", "instructions"),
    owns_result=owns_result,
    read_request=read_request,
    read_result=read_result,
)
