"""boto3's client of the Bedrock runtime: what it sends and returns is inside envelopes.

A stream stands under a key of the returned dictionary, and so does InvokeModel's body, which can be
read only once: it is read here, and the caller gets an equal one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import comes_from
from watchpost.patching.method_seam import Args, Kwargs, Method, make_adapter
from watchpost.providers import bedrock_converse, bedrock_invoke
from watchpost.providers.bedrock_invoke import Body
from watchpost.providers.provider import Provider

_COUNTS = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


def fits(client: Any) -> bool:
    """Whether this is a client of the Bedrock runtime."""
    return comes_from(client, "botocore", "aiobotocore") and hasattr(client, "converse")


def _read_converse(args: Args, kwargs: Kwargs) -> dict[str, Any]:
    return {**kwargs, "model": kwargs.get("modelId", "")}


def _write_converse(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    changed = {name: body[name] for name in kwargs if name in bedrock_converse.PROVIDER.roots}
    return args, {**kwargs, **changed}


def _read_invoke(args: Args, kwargs: Kwargs) -> dict[str, Any]:
    body = kwargs.get("body", b"{}")
    if hasattr(body, "read"):
        place = body.tell()
        body, source = body.read(), body
        source.seek(place)
    return {**json.loads(body), "model": kwargs.get("modelId", "")}


def _write_invoke(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    sent = {name: value for name, value in body.items() if name != "model"}
    return args, {**kwargs, "body": json.dumps(sent).encode()}


def _choose_invoke(body: Mapping[str, Any]) -> Provider:
    is_embedding = "embed" in str(body["model"])
    return bedrock_invoke.EMBEDDINGS if is_embedding else bedrock_invoke.PROVIDER


def _open_body(response: Any) -> Any:
    body = response["body"]
    try:
        raw = body.read()
    except Exception as error:
        # Whoever reads the body next shall meet what we met.
        response["body"] = type(body)(_Broken(error), None)
        raise
    response["body"] = _fill_again(body, raw)
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = {name: int(headers[key]) for key, name in _COUNTS.items() if key in headers}
    return Body(json.loads(raw), found)


def _close_body(response: Any, parsed: Any) -> Any:
    return {**response, "body": _fill_again(response["body"], json.dumps(parsed).encode())}


class _Broken(io.RawIOBase):
    """A body that could not be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


def _fill_again(body: Any, raw: bytes) -> Any:
    return type(body)(io.BytesIO(raw), len(raw))


def _find_stream(key: str) -> Any:
    def unwrap(response: Any) -> Any:
        return response[key]

    return unwrap


def _put_stream(key: str) -> Any:
    def rewrap(response: Any, followed: Any) -> Any:
        return {**response, key: followed}

    return rewrap


def _find_host(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(client.meta.endpoint_url).hostname or ""


def _count_retries(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


METHODS = (
    Method(
        path="converse",
        provider=bedrock_converse.PROVIDER,
        read_body=_read_converse,
        write_body=_write_converse,
        server=_find_host,
        retries=_count_retries,
    ),
    Method(
        path="converse_stream",
        provider=bedrock_converse.PROVIDER,
        read_body=_read_converse,
        write_body=_write_converse,
        streaming=True,
        unwrap=_find_stream("stream"),
        rewrap=_put_stream("stream"),
        server=_find_host,
        retries=_count_retries,
    ),
    Method(
        path="invoke_model",
        provider=_choose_invoke,
        read_body=_read_invoke,
        write_body=_write_invoke,
        unwrap=_open_body,
        rewrap=_close_body,
        server=_find_host,
        retries=_count_retries,
    ),
    Method(
        path="invoke_model_with_response_stream",
        provider=bedrock_invoke.PROVIDER,
        read_body=_read_invoke,
        write_body=_write_invoke,
        streaming=True,
        unwrap=_find_stream("body"),
        rewrap=_put_stream("body"),
        server=_find_host,
        retries=_count_retries,
    ),
)

ADAPTER = make_adapter(fits, METHODS)
