"""litellm: `patch(litellm)` replaces functions of the module, for whoever asks it for them.

A name taken out of the module before (`from litellm import completion`) is the function as it was.
A client that litellm works through, patched as well, makes one call and not two.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import comes_from
from watchpost.patching.arguments import fill_arguments, is_asked_to_stream, name_arguments
from watchpost.patching.method_seam import Method, make_adapter
from watchpost.providers import litellm_completion
from watchpost.providers.litellm_completion import NAMES, REPORTED

_CHAT = ("model", "messages")
_EMBEDDING = ("model", "input")


def fits(client: Any) -> bool:
    """Whether this is the module itself."""
    return isinstance(client, ModuleType) and comes_from(client, "litellm")


class _Told:
    """litellm's stream, which hides the tokens a provider told: they are put beside the last chunk.

    What litellm puts there itself is its own count where the provider told none.
    """

    __slots__ = ("_last", "_stream")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._last: Any = None

    def __iter__(self) -> _Told:
        return self

    def __aiter__(self) -> _Told:
        return self

    def __next__(self) -> Any:
        try:
            self._last = next(self._stream)
        except StopIteration:
            self._tell()
            raise
        return self._last

    async def __anext__(self) -> Any:
        try:
            self._last = await anext(self._stream)
        except StopAsyncIteration:
            self._tell()
            raise
        return self._last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._stream)

    def _tell(self) -> None:
        told = [
            usage
            for chunk in getattr(self._stream, "chunks", ())
            if (usage := getattr(chunk, "usage", None)) is not None
        ]
        hidden = getattr(self._last, "_hidden_params", None)
        if told and isinstance(hidden, dict):
            hidden[REPORTED] = told[-1]


def _name_provider(module: Any, body: Mapping[str, Any]) -> str:
    """Who will answer, as litellm finds it out; what it cannot is left to the answer to tell."""
    try:
        _, name, _, _ = module.get_llm_provider(
            model=str(body.get("model") or ""),
            custom_llm_provider=body.get("custom_llm_provider"),
            api_base=body.get("api_base") or body.get("base_url"),
        )
    except Exception:
        return "litellm"
    return NAMES.get(name, name)


def _find_host(module: Any, body: Mapping[str, Any]) -> str:
    url = body.get("api_base") or body.get("base_url") or getattr(module, "api_base", None)
    return urlsplit(str(url or "")).hostname or ""


def _chat(path: str, kind: str) -> Method:
    return Method(
        path=path,
        provider=litellm_completion.CHAT,
        read_body=name_arguments(_CHAT),
        write_body=fill_arguments(_CHAT, litellm_completion.CHAT.roots),
        streaming=is_asked_to_stream,
        kind=kind,
        name=_name_provider,
        server=_find_host,
        unwrap=_tell_stream,
    )


def _tell_stream(result: Any) -> Any:
    return _Told(result) if hasattr(result, "completion_stream") else result


def _embedding(path: str, kind: str) -> Method:
    return Method(
        path=path,
        provider=litellm_completion.EMBEDDINGS,
        read_body=name_arguments(_EMBEDDING),
        write_body=fill_arguments(_EMBEDDING, litellm_completion.EMBEDDINGS.roots),
        kind=kind,
        name=_name_provider,
        server=_find_host,
    )


METHODS = (
    _chat("completion", "sync"),
    _chat("acompletion", "async"),
    _embedding("embedding", "sync"),
    _embedding("aembedding", "async"),
)

ADAPTER = make_adapter(fits, METHODS)
