"""Google's `genai` client: content, its streams, chats, embeddings and images, sync and async.

Seen is the method below the public one, which makes one request: a call that runs functions for
the model, or continues where it broke off, makes several, each with its own tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchpost.patching.arguments import open_typed
from watchpost.patching.method_seam import Args, Kwargs, Method, make_adapter
from watchpost.providers import google_embeddings, google_genai, google_images
from watchpost.providers.provider import get

_PACKAGE = "google.genai"
# What holds text; a file, an image or a video is left to the client.
_TEXTS = frozenset({"Content", "UserContent", "ModelContent", "Part"})
_SETTINGS = (
    *("temperature", "top_p", "top_k", "candidate_count", "max_output_tokens", "stop_sequences"),
    *("presence_penalty", "frequency_penalty", "seed", "response_mime_type", "thinking_config"),
)
_UNWANTED = "negative_prompt"
_DRAWING = ("seed",)


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
        update = {"system_instruction": body["system_instruction"]}
        changed["config"] = _update(kwargs["config"], update)
    return args, changed


def _read_images(args: Args, kwargs: Kwargs) -> dict[str, Any]:
    config = kwargs.get("config")
    body = {
        "model": kwargs.get("model"),
        "prompt": kwargs.get("prompt"),
        "config": {name: value for name in _DRAWING if (value := get(config, name)) is not None},
    }
    unwanted = get(config, _UNWANTED)
    return body if unwanted is None else {**body, _UNWANTED: unwanted}


def _write_images(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    changed = {**kwargs, "prompt": body["prompt"]}
    if _UNWANTED in body:
        changed["config"] = _update(kwargs["config"], {_UNWANTED: body[_UNWANTED]})
    return args, changed


def _update(config: Any, update: dict[str, Any]) -> Any:
    return {**config, **update} if isinstance(config, Mapping) else config.model_copy(update=update)


def _open(contents: Any) -> Any:
    return open_typed(contents, lambda value: type(value).__name__ in _TEXTS)


def _name(client: Any, body: Mapping[str, Any]) -> str:
    is_vertex = getattr(client._api_client, "vertexai", False)
    return "gcp.vertex_ai" if is_vertex else google_genai.PROVIDER.name


def _find_server(client: Any, body: Mapping[str, Any]) -> str:
    return urlsplit(str(client._api_client._http_options.base_url)).hostname or ""


def _make_methods(models: str) -> tuple[Method, ...]:
    def make(
        name: str,
        provider: Any,
        streaming: bool = False,
        read_body: Any = _read_body,
        write_body: Any = _write_body,
        kind: str = "",
    ) -> Method:
        return Method(
            path=f"{models}.{name}",
            provider=provider,
            read_body=read_body,
            write_body=write_body,
            kind=kind,
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
        make(
            "generate_images",
            google_images.PROVIDER,
            read_body=_read_images,
            write_body=_write_images,
            # What says that it will be gone one day hides of which kind it is.
            kind="async" if models.startswith("aio.") else "sync",
        ),
    )


ADAPTER = make_adapter(
    fits,
    (*_make_methods("models"), *_make_methods("aio.models")),
    tries=("_api_client._request_once", "_api_client._async_request_once"),
)
