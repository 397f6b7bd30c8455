"""Hugging Face's inference clients, plain and async."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import Adapter, Undo, comes_from
from watchpost.patching.arguments import fill_arguments, is_asked_to_stream, name_arguments
from watchpost.patching.method_seam import Args, Kwargs, Method, attach
from watchpost.providers import huggingface
from watchpost.providers.huggingface import GENERATED

_OWN = ("auto", "hf-inference")


def fits(client: Any) -> bool:
    """Whether this is one of them."""
    return comes_from(client, "huggingface_hub") and hasattr(client, "chat_completion")


def _attach(client: Any) -> Undo:
    chat, text, numbers = (
        partial(
            Method,
            provider=provider,
            read_body=_reader(root, _default_model(client)),
            write_body=fill_arguments((root,), provider.roots),
            name=_name_provider,
            server=_find_host,
        )
        for provider, root in (
            (huggingface.CHAT, "messages"),
            (huggingface.TEXT, "prompt"),
            (huggingface.EMBEDDINGS, "text"),
        )
    )
    methods = (
        chat(path="chat_completion", streaming=is_asked_to_stream),
        text(
            path="text_generation",
            streaming=is_asked_to_stream,
            unwrap=_open_text,
            rewrap=_close_text,
        ),
        numbers(path="feature_extraction"),
    )
    return attach(client, methods)


def _reader(root: str, model: str) -> Callable[[Args, Kwargs], dict[str, Any]]:
    read = name_arguments((root,))
    return lambda args, kwargs: {"model": model, **read(args, kwargs)}


def _open_text(result: Any) -> Any:
    return {GENERATED: result} if isinstance(result, str) else result


def _close_text(result: Any, parsed: Any) -> Any:
    return parsed[GENERATED] if isinstance(result, str) else parsed


def _default_model(client: Any) -> str:
    """The client's model, unless it is the address of a server."""
    model = client.model or ""
    return "" if "://" in model else model


def _find_host(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(client.model or "").hostname or ""


def _name_provider(client: Any, body: Mapping[str, Any]) -> str:
    """Hugging Face, and behind it whoever runs the model for it."""
    name = getattr(client, "provider", None) or ""
    return huggingface.CHAT.name if name in ("", *_OWN) else f"{huggingface.CHAT.name}_{name}"


ADAPTER = Adapter(fits, _attach)
