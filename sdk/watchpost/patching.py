"""`patch(client)`: see every model call a client makes, whichever of its methods made it.

OpenAI's and Anthropic's clients send everything through one method, `request`. It is replaced on
the given client object, so that create, parse, stream and raw calls are all seen, and nothing
global changes. It does not know the providers' formats, and imports none of their libraries.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import Any, TypeVar

from opentelemetry import context as otel

from watchpost.call import CALL, Call
from watchpost.errors import ConfigError, GuardUnavailable
from watchpost.hold import (
    AsyncCheckedStream,
    CheckedStream,
    check_input,
    check_input_off_loop,
    check_result,
    check_result_off_loop,
)
from watchpost.providers import find_by_path, name_by_host
from watchpost.runtime import SHIELD, active
from watchpost.scope import current_scope, detach
from watchpost.stream import AsyncFollowed, Followed, replace_iterator

C = TypeVar("C")

_MARK = "_watchpost_original"
_RAW_HEADER = "x-stainless-raw-response"
_OWN_TRACERS = ("_lazy_tracer",)
_REPLACED = ("request", "_build_request", "copy", "with_options")


def patch(client: C) -> C:
    """Record every model call of an OpenAI or Anthropic client, sync or async; returns it.

    Patching twice is patching once, and copies made by `with_options` are patched too. Undone by
    `unpatch`. Raises ConfigError for anything that is not such a client.
    """
    held: dict[str, Any] | None = getattr(client, "__dict__", None)
    request = getattr(client, "request", None)
    if held is None or not callable(request) or not hasattr(client, "_build_request"):
        cure = (
            "patch an OpenAI or Anthropic client object; for others use @observe and "
            "watchpost.current().record(response)"
        )
        raise ConfigError("client", type(client).__name__, cure)
    if _MARK in held:
        return client
    held[_MARK] = {name: held[name] for name in _OWN_TRACERS if name in held}
    # Anthropic's client can trace itself; the same call must not be counted twice.
    held.update(dict.fromkeys(held[_MARK]))
    shell = _send_async if inspect.iscoroutinefunction(request) else _send
    held["request"] = shell(client, request)
    held["_build_request"] = _count_retries(client._build_request)
    for name in ("copy", "with_options"):
        if hasattr(client, name):
            held[name] = _patch_copies(getattr(client, name))
    return client


def unpatch(client: C) -> C:
    """Undo `patch`; returns the client. Nothing happens to one that is not patched."""
    held: dict[str, Any] = getattr(client, "__dict__", {})
    original = held.pop(_MARK, None)
    if original is not None:
        for name in _REPLACED:
            held.pop(name, None)
        held.update(original)
    return client


def _send(client: Any, request: Any) -> Any:
    @wraps(request)
    def send(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open(client, options, kwargs)
        if call is None:
            return request(cast_to, options, *args, **kwargs)
        if call.has_rules("input"):
            _replace_body(options, check_input(call))
        call.keep_request()
        token = otel.attach(call.context)
        try:
            result = request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        is_checked = call.has_rules("output")
        parsed = result
        if raw := _raw_mode(options):
            parsed = None
            with SHIELD:
                parsed = result.parse() if raw != "stream" or is_checked else None
        if call.streaming and hasattr(parsed, "_iterator"):
            iterator = CheckedStream if is_checked else Followed
            replace_iterator(parsed, iterator(parsed._iterator, call), call)
            return result
        if is_checked:
            check_result(call, _require(call, parsed), is_raw=parsed is not result)
        call.complete(None if call.streaming else parsed)
        return result

    return send


def _send_async(client: Any, request: Any) -> Any:
    @wraps(request)
    async def send(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open(client, options, kwargs)
        if call is None:
            return await request(cast_to, options, *args, **kwargs)
        if call.has_rules("input"):
            _replace_body(options, await check_input_off_loop(call))
        call.keep_request()
        token = otel.attach(call.context)
        try:
            result = await request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        is_checked = call.has_rules("output")
        parsed = result
        if raw := _raw_mode(options):
            parsed = None
            with SHIELD:
                parsed = result.parse() if raw != "stream" or is_checked else None
                parsed = await parsed if inspect.isawaitable(parsed) else parsed
        if call.streaming and hasattr(parsed, "_iterator"):
            iterator = AsyncCheckedStream if is_checked else AsyncFollowed
            replace_iterator(parsed, iterator(parsed._iterator, call), call)
            return result
        if is_checked:
            parsed = _require(call, parsed)
            await check_result_off_loop(call, parsed, is_raw=parsed is not result)
        call.complete(None if call.streaming else parsed)
        return result

    return send


def _open(client: Any, options: Any, kwargs: Mapping[str, Any]) -> Call | None:
    """The call a request makes, None for a request that is no model call."""
    if options.method.lower() != "post":
        return None
    provider = find_by_path(options.url)
    body = options.json_data
    if provider is None or not isinstance(body, dict):
        return None
    with SHIELD:
        if (extra := getattr(options, "extra_json", None)) is not None:
            body = {**body, **extra}
        host = client.base_url.host
        name = name_by_host(host, provider.name)
        return Call(provider, name, host, body, bool(kwargs.get("stream")))
    scope = current_scope()
    if ((scope.policy if scope else None) or active().policy) is not None:
        # Without a call nobody would ask the guards.
        raise GuardUnavailable("watchpost", "a call could not be opened")
    return None


def _replace_body(options: Any, body: Mapping[str, Any]) -> None:
    options.json_data = body
    if getattr(options, "extra_json", None) is not None:
        # It is part of what was checked; merged in again it would bring back what was taken out.
        options.extra_json = None


def _require(call: Call, parsed: Any) -> Any:
    """An answer guards can read, or none at all."""
    if parsed is None or call.streaming:
        error = GuardUnavailable("watchpost", "the answer cannot be read")
        call.end(error)
        raise error
    return parsed


def _raw_mode(options: Any) -> str:
    """Empty for a parsed result, "stream" for one that is not read yet, else raw but readable."""
    headers = options.headers
    if not headers or not isinstance(headers, Mapping):
        return ""
    for name, value in headers.items():
        if isinstance(name, str) and name.lower() == _RAW_HEADER:
            return str(value)
    return ""


def _count_retries(build: Any) -> Any:
    @wraps(build)
    def build_request(*args: Any, **kwargs: Any) -> Any:
        call = otel.get_value(CALL)
        if isinstance(call, Call):
            call.retries = kwargs.get("retries_taken", 0)
        return build(*args, **kwargs)

    return build_request


def _patch_copies(copy: Any) -> Any:
    @wraps(copy)
    def copy_patched(*args: Any, **kwargs: Any) -> Any:
        return patch(copy(*args, **kwargs))

    return copy_patched
