"""Google's `genai` client: generate_content, its streams, chats and embeddings, sync and async.

Seen is the method below the public one, which makes one request: a call that runs functions for
the model, or continues where it broke off, makes several, each with its own tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.arguments import open_typed
from watchpost.patching.method_seam import Args, Kwargs, Method, make_adapter
from watchpost.providers import google_embeddings, google_genai
from watchpost.providers.provider import get

_PACKAGE = "google.genai"
# What holds text; a file, an image or a video is left to the client.
_TEXTS = frozenset({"Content", "UserContent", "ModelContent", "Part"})
_SETTINGS = (
    *("temperature", "top_p", "top_k", "candidate_count", "max_output_tokens", "stop_sequences"),
    *("presence_penalty", "frequency_penalty", "seed", "response_mime_type", "thinking_config"),
)


def fits(client: Any) -> bool:
    """Whether this is such a client, or the async one inside it."""
    homes = (getattr(kind, "__module__", "") for kind in type(client).__mro__)
    is_own = any(str(home).startswith(_PACKAGE) for home in homes)
    return is_own and hasattr(client, "models")


def _read_body(args: Args, kwargs: Kwargs) -> dict[str, Any]:
    config = kwargs.get("config")
    body = {
        "model": kwargs.get("model"),
        "contents": _open(kwargs.get("contents")),
        "config": {name: value for name in _SETTINGS if (value := get(config, name)) is not None},
    }
    if (system := get(config, "system_instruction")) is not None:
        body["system_instruction"] = _open(system)
    if tools := get(config, "tools"):
        body["tools"] = open_typed(list(tools))
    return body


def _write_body(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    changed = {**kwargs, "contents": body["contents"]}
    if "system_instruction" in body:
        config, update = kwargs["config"], {"system_instruction": body["system_instruction"]}
        is_plain = isinstance(config, Mapping)
        changed["config"] = {**config, **update} if is_plain else config.model_copy(update=update)
    return args, changed


def _open(contents: Any) -> Any:
    return open_typed(contents, lambda value: type(value).__name__ in _TEXTS)


def _name(client: Any, body: Mapping[str, Any]) -> str:
    is_vertex = getattr(client._api_client, "vertexai", False)
    return "gcp.vertex_ai" if is_vertex else google_genai.PROVIDER.name


def _find_server(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(str(client._api_client._http_options.base_url)).hostname or ""


def _make_methods(models: str) -> tuple[Method, ...]:
    def make(name: str, provider: Any, streaming: bool = False) -> Method:
        return Method(
            path=f"{models}.{name}",
            provider=provider,
            read_body=_read_body,
            write_body=_write_body,
            streaming=streaming,
            name=_name,
            server=_find_server,
            # All that generates goes through these two, and they are the library's own affair.
            relied_on=name.startswith("_"),
        )

    return (
        make("_generate_content", google_genai.PROVIDER),
        make("_generate_content_stream", google_genai.PROVIDER, streaming=True),
        make("embed_content", google_embeddings.PROVIDER),
    )


ADAPTER = make_adapter(
    fits,
    (*_make_methods("models"), *_make_methods("aio.models")),
    tries=("_api_client._request_once", "_api_client._async_request_once"),
)
