"""Cohere's clients: chats of both versions, their streams, embeddings and reranking.

A client of the first version hands out the second one as `client.v2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.adapter import comes_from
from watchpost.patching.arguments import fill_arguments, name_arguments
from watchpost.patching.method_seam import Args, Kwargs, Method, make_adapter
from watchpost.providers import cohere, cohere_first, cohere_ranking
from watchpost.providers.provider import Provider

_SECOND = ("V2Client", "AsyncV2Client")
_GIVEN = ("documents", "tool_results")
_READ = name_arguments()
_WRITE_FIRST = fill_arguments((), cohere_first.PROVIDER.roots)


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


def _read_first(args: Args, kwargs: Kwargs) -> dict[str, Any]:
    """A request of the first version: the fields of what is given with it have any name."""
    body = _READ(args, kwargs)
    for name in _GIVEN:
        if name in body:
            body[name] = [{"data": item} for item in body[name]]
    return body


def _write_first(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    told = {
        **body,
        **{name: [one["data"] for one in body[name]] for name in _GIVEN if name in body},
    }
    return _WRITE_FIRST(args, kwargs, told)


def _make_first(path: str, kind: str) -> Method:
    return Method(
        path=path,
        provider=cohere_first.PROVIDER,
        read_body=_read_first,
        write_body=_write_first,
        streaming=path.endswith("_stream"),
        kind=kind,
        server=_find_server,
    )


def _find_kinds(is_async: bool) -> tuple[str, str]:
    # What the clients wrap around their methods hides of which kind they are.
    return ("async", "async generator") if is_async else ("sync", "sync")


def _make_methods(owner: str, is_async: bool) -> tuple[Method, ...]:
    once, stream = _find_kinds(is_async)
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
    else:
        once, stream = _find_kinds(is_async)
        methods += (_make_first("chat", once), _make_first("chat_stream", stream))
    return make_adapter(fits, methods, tries=("_client_wrapper.httpx_client.httpx_client.send",))


ADAPTERS = tuple(
    _make_adapter(is_second, is_async) for is_second in (True, False) for is_async in (True, False)
)
