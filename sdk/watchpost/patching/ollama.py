"""Ollama's clients, and its module, whose functions go through a client of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchpost.patching.adapter import comes_from
from watchpost.patching.arguments import fill_arguments, is_asked_to_stream, name_arguments
from watchpost.patching.method_seam import Method, make_adapter
from watchpost.providers import ollama
from watchpost.providers.provider import Provider


def fits(client: Any) -> bool:
    """Whether this is such a client, or the module."""
    return comes_from(client, "ollama") and callable(getattr(client, "chat", None))


def _find_server(client: Any, body: Mapping[str, Any]) -> str:
    while hasattr(client, "_client"):
        client = client._client
    return str(client.base_url.host)


def _make_method(path: str, provider: Provider, positional: tuple[str, ...]) -> Method:
    return Method(
        path=path,
        provider=provider,
        read_body=name_arguments(positional),
        write_body=fill_arguments(positional, provider.roots),
        streaming=is_asked_to_stream,
        server=_find_server,
    )


ADAPTER = make_adapter(
    fits,
    (
        _make_method("chat", ollama.CHAT, ("model", "messages")),
        _make_method("generate", ollama.TEXT, ("model", "prompt", "suffix")),
        _make_method(
            "embed",
            ollama.EMBEDDINGS,
            ("model", "input", "truncate", "options", "keep_alive", "dimensions"),
        ),
    ),
)
