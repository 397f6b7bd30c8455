"""Models that run in this process: vLLM's engines and transformers' pipelines.

A pipeline is called itself, which no attribute of it can change: the object is given a class of its
own made from the one it had, and given back the old one when it is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watchpost.patching.adapter import Adapter, Undo, comes_from
from watchpost.patching.arguments import fill_arguments, name_arguments
from watchpost.patching.method_seam import Args, Kwargs, Method, attach
from watchpost.patching.opening import is_guarded
from watchpost.providers import transformers_pipelines, vllm_outputs

_MODELS = ("llm_engine.model_config.model", "model_config.model", "model.name_or_path")
_GENERATE = ("prompts", "sampling_params")
_CHAT = ("messages", "sampling_params")
_STREAM = ("prompt", "sampling_params", "request_id")


def fits_engine(client: Any) -> bool:
    """Whether this is an engine of vLLM, plain or async."""
    return comes_from(client, "vllm") and hasattr(client, "generate")


def fits_pipeline(client: Any) -> bool:
    """Whether this is a pipeline that generates text."""
    is_pipeline = comes_from(client, "transformers") and callable(client)
    return is_pipeline and getattr(client, "task", "") == "text-generation"


def _attach_engine(client: Any) -> Undo:
    is_stream = not hasattr(client, "chat")
    paths = {"generate": _STREAM} if is_stream else {"generate": _GENERATE, "chat": _CHAT}
    methods = [
        Method(
            path=path,
            provider=vllm_outputs.PROVIDER,
            read_body=_reader(client, names),
            write_body=_write_prompts if path == "generate" else fill_arguments(names, names[:1]),
            streaming=is_stream,
            kind="async generator" if is_stream else "sync",
        )
        for path, names in paths.items()
    ]
    return attach(client, methods)


def _attach_pipeline(client: Any) -> Undo:
    kind = type(client)
    names = transformers_pipelines.PROVIDER.roots
    seam = _Seam(lambda *args, **kwargs: kind.__call__(client, *args, **kwargs))
    method = Method(
        path="call",
        provider=transformers_pipelines.PROVIDER,
        read_body=_reader(client, names),
        write_body=fill_arguments(names, names),
        name=lambda client, body: transformers_pipelines.PROVIDER.name,
        kind="sync",
    )
    attach(seam, (method,))

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return seam.call(*args, **kwargs)

    own = {"__call__": call, "__module__": kind.__module__, "__doc__": kind.__doc__}
    client.__class__ = type(kind.__name__, (kind,), own)

    def undo() -> None:
        client.__class__ = kind

    return undo


class _Seam:
    """Where a shell can be put around what a class does."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _reader(client: Any, names: tuple[str, ...]) -> Callable[[Args, Kwargs], dict[str, Any]]:
    read = name_arguments(names)
    model = _find_model(client)

    def read_body(args: Args, kwargs: Kwargs) -> dict[str, Any]:
        body = {"model": model, **read(args, kwargs)}
        asked = body.get(names[0])
        if not _is_readable(asked) and is_guarded():
            raise TypeError("what is asked cannot be shown to guards")
        if names[0].startswith("prompt"):
            body[names[0]] = _open_prompts(asked)
        return body

    return read_body


def _open_prompts(asked: Any) -> Any:
    """Prompts as their texts: guards know a text, and no dictionary around it."""
    if isinstance(asked, list | tuple):
        return [_open_prompts(item) for item in asked]
    return asked.get("prompt", "") if isinstance(asked, Mapping) else asked


def _write_prompts(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
    name = "prompts" if "prompts" in body else "prompt"
    asked = kwargs[name] if name in kwargs else args[0]
    filled = _fill_prompts(asked, body[name])
    return (args, {**kwargs, name: filled}) if name in kwargs else ((filled, *args[1:]), kwargs)


def _fill_prompts(asked: Any, texts: Any) -> Any:
    if isinstance(asked, list | tuple):
        return [_fill_prompts(one, text) for one, text in zip(asked, texts, strict=True)]
    return {**asked, "prompt": texts} if isinstance(asked, Mapping) else texts


def _is_readable(asked: Any) -> bool:
    """Whether a guard can see all of it: tokens and streams of prompts it cannot."""
    if isinstance(asked, list | tuple):
        return all(_is_readable(item) for item in asked)
    if isinstance(asked, Mapping):
        return "prompt_token_ids" not in asked and "prompt_embeds" not in asked
    return isinstance(asked, str)


def _find_model(client: Any) -> str:
    for path in _MODELS:
        held = client
        for step in path.split("."):
            held = getattr(held, step, None)
        if isinstance(held, str):
            return held
    return ""


ENGINES = Adapter(fits_engine, _attach_engine)
PIPELINES = Adapter(fits_pipeline, _attach_pipeline)
