"""Mistral's client: chat, fill-in-the-middle, agents and embeddings, sync and async.

`parse` goes through `complete` and is seen there. The clients for Azure and Google Cloud have the
same methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import comes_from
from watchpost.patching.arguments import fill_arguments, name_arguments
from watchpost.patching.method_seam import Method, make_adapter
from watchpost.providers import mistral
from watchpost.providers.provider import Provider

_RUN_BY = {"azure": "azure.ai.inference", "gcp": "gcp.vertex_ai"}


def fits(client: Any) -> bool:
    """Whether this is such a client."""
    return comes_from(client, "mistralai") and hasattr(client, "sdk_configuration")


def _name(client: Any, body: Mapping[str, Any]) -> str:
    part = type(client).__module__.split(".")[1:2]
    return _RUN_BY.get("".join(part), mistral.PROVIDER.name)


def _find_server(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(str(client.sdk_configuration.get_server_details()[0])).hostname or ""


def _make_method(path: str, provider: Provider, streaming: bool = False) -> Method:
    return Method(
        path=path,
        provider=provider,
        read_body=name_arguments(),
        write_body=fill_arguments((), provider.roots),
        streaming=streaming,
        name=_name,
        server=_find_server,
    )


_COMPLETING = (("chat", mistral.PROVIDER), ("agents", mistral.PROVIDER), ("fim", mistral.FIM))

ADAPTER = make_adapter(
    fits,
    (
        *(
            _make_method(f"{owner}.{name}{end}", provider, streaming=name == "stream")
            for owner, provider in _COMPLETING
            for name in ("complete", "stream")
            for end in ("", "_async")
        ),
        _make_method("embeddings.create", mistral.EMBEDDINGS),
        _make_method("embeddings.create_async", mistral.EMBEDDINGS),
    ),
    tries=("sdk_configuration.client.send", "sdk_configuration.async_client.send"),
)
