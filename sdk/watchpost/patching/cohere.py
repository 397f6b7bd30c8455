"""Cohere's clients: the second version's chat, its stream, embeddings and reranking.

A client of the first version hands out the second one as `client.v2`, and is seen there alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import comes_from
from watchpost.patching.arguments import fill_arguments, name_arguments
from watchpost.patching.method_seam import Method, make_adapter
from watchpost.providers import cohere, cohere_ranking
from watchpost.providers.provider import Provider

_SECOND = ("V2Client", "AsyncV2Client")


def _names(client: Any) -> set[str]:
    return {kind.__name__ for kind in type(client).__mro__}


def _is_async(client: Any) -> bool:
    return any(name.startswith("Async") for name in _names(client))


def _is_second(client: Any) -> bool:
    return not _names(client).isdisjoint(_SECOND)


def _find_server(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(str(client._client_wrapper.get_base_url())).hostname or ""


def _make_method(path: str, provider: Provider, kind: str) -> Method:
    return Method(
        path=path,
        provider=provider,
        read_body=name_arguments(),
        write_body=fill_arguments((), provider.roots),
        streaming=path.endswith("_stream"),
        kind=kind,
        server=_find_server,
    )


def _make_methods(owner: str, is_async: bool) -> tuple[Method, ...]:
    # What the clients wrap around their methods hides of which kind they are.
    once, stream = ("async", "async generator") if is_async else ("sync", "sync")
    return (
        _make_method(f"{owner}chat", cohere.PROVIDER, once),
        _make_method(f"{owner}chat_stream", cohere.PROVIDER, stream),
        _make_method(f"{owner}embed", cohere_ranking.EMBEDDINGS, once),
        _make_method(f"{owner}rerank", cohere_ranking.RANKING, once),
    )


def _make_adapter(is_second: bool, is_async: bool) -> Any:
    def fits(client: Any) -> bool:
        if not comes_from(client, "cohere") or not hasattr(client, "_client_wrapper"):
            return False
        return (_is_second(client), _is_async(client)) == (is_second, is_async)

    methods = _make_methods("v2.", is_async)
    if is_second:
        methods += _make_methods("", is_async)
    return make_adapter(fits, methods, tries=("_client_wrapper.httpx_client.httpx_client.send",))


ADAPTERS = tuple(
    _make_adapter(is_second, is_async) for is_second in (True, False) for is_async in (True, False)
)
