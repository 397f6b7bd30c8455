"""Tokens of plain streams: asking OpenAI-shaped servers for them, and keeping that to ourselves.

Such a server tells a stream's tokens only when `stream_options.include_usage` asks for it, in one
more chunk at the end that has no choices; programs that take `chunk.choices[0]` would fall over
it. Asked for here, that chunk is read and not handed on. Only servers known to accept the option
are asked, because others answer an option they do not know with an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from typing import Any

from watchpost.call import Call

_AZURE_SINCE = "2024-09-01"
_PATHS = ("/chat/completions", "/completions")
# Azure's search over one's own data refuses the option.
_UNFIT = ("data_sources", "dataSources")


def ask_for_usage(client: Any, url: str, call: Call) -> Mapping[str, Any] | None:
    """The body that asks for a stream's tokens as well; None where that is not to be done."""
    body, hosts = call.body, call.runtime.stream_usage
    if not call.streaming or not hosts or not call.span.is_recording():
        return None
    if not url.partition("?")[0].endswith(_PATHS) or any(key in body for key in _UNFIT):
        return None
    given = body.get("stream_options")
    if given is not None and (not isinstance(given, Mapping) or "include_usage" in given):
        return None
    if not _is_among(call.server, hosts) or not _is_recent(client):
        return None
    return {**body, "stream_options": {**(given or {}), "include_usage": True}}


class Shorn:
    """A followed stream without what came only because we asked."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Iterator[Any]) -> None:
        self._inner = inner

    def __iter__(self) -> Shorn:
        return self

    def __next__(self) -> Any:
        chunk = next(self._inner)
        while not _shear(chunk):
            chunk = next(self._inner)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class AsyncShorn:
    """A followed async stream without what came only because we asked."""

    __slots__ = ("_inner",)

    def __init__(self, inner: AsyncIterator[Any]) -> None:
        self._inner = inner

    def __aiter__(self) -> AsyncShorn:
        return self

    async def __anext__(self) -> Any:
        chunk = await anext(self._inner)
        while not _shear(chunk):
            chunk = await anext(self._inner)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _shear(chunk: Any) -> bool:
    """Whether a chunk would have come unasked; what it says of tokens to come is taken out."""
    if getattr(chunk, "usage", None) is not None:
        return bool(getattr(chunk, "choices", None))
    # Asked, the server says `"usage": null` in every other chunk.
    named = getattr(chunk, "model_fields_set", None) or getattr(chunk, "__fields_set__", None)
    if isinstance(named, set):
        named.discard("usage")
    return True


def _is_among(host: str, hosts: Collection[str]) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in hosts)


def _is_recent(client: Any) -> bool:
    """Whether a client, if it is Azure's, speaks a version of the protocol that has the option."""
    version = str(getattr(client, "_api_version", None) or _AZURE_SINCE)
    return not version[:1].isdigit() or version[:10] >= _AZURE_SINCE
