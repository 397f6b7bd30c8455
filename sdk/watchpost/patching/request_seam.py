"""Clients that send everything through one method, `request`: OpenAI's, Anthropic's and their kin.

It is replaced on the given client object, so that create, parse, stream and raw calls are all
seen, and nothing global changes. This file does not know the providers' formats.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import copy
from functools import wraps
from typing import Any

from opentelemetry import context as otel

from watchpost.call import CALL, Call
from watchpost.hold import (
    AsyncCheckedStream,
    CheckedStream,
    check_input,
    check_input_off_loop,
    check_result,
    check_result_off_loop,
)
from watchpost.patching.adapter import Adapter, Undo, attach_once, put_into
from watchpost.patching.arguments import open_typed
from watchpost.patching.open_response import follow_response, follow_response_async
from watchpost.patching.opening import is_guarded, open_call, require_answer
from watchpost.patching.read_by_hand import watch_bytes
from watchpost.patching.stream_usage import AsyncShorn, Shorn, ask_for_usage
from watchpost.providers import AZURE, find_by_path, name_by_host
from watchpost.runtime import SHIELD
from watchpost.scope import detach
from watchpost.stream import AsyncFollowed, Followed, replace_iterator

_RAW_HEADER = "x-stainless-raw-response"
_UNREAD = "stream"
_OWN_TRACERS = ("_lazy_tracer",)


def fits(client: Any) -> bool:
    """Whether this client has the one method, and builds its requests in another."""
    is_object = hasattr(client, "__dict__") and not isinstance(client, type)
    return (
        is_object
        and callable(getattr(client, "request", None))
        and callable(getattr(client, "_build_request", None))
    )


def attach(client: Any) -> Undo:
    """Put shells around a client's sending; copies made by `with_options` get them too."""
    shell = _send_async if inspect.iscoroutinefunction(client.request) else _send
    replaced = {
        "request": shell(client, client.request),
        "_build_request": _count_retries(client._build_request),
    }
    for name in ("copy", "with_options"):
        if hasattr(client, name):
            replaced[name] = _patch_copies(getattr(client, name))
    # Anthropic's client can trace itself; the same call must not be counted twice.
    held = vars(client)
    replaced.update({name: None for name in _OWN_TRACERS if name in held})
    return put_into(client, replaced)


def _send(client: Any, request: Any) -> Any:
    @wraps(request)
    def send(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open(client, options, kwargs)
        if call is None:
            return request(cast_to, options, *args, **kwargs)
        before = call.body
        if call.has_rules("input") and check_input(call) is not before:
            options = _with_body(options, call.body)
        call.keep_request()
        options, is_asked = _ask(client, options, call)
        token = otel.attach(call.context)
        try:
            result = request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        is_checked, raw = call.has_rules("output"), _raw_mode(options)
        parsed: Any = None if raw else result
        if raw == _UNREAD and not is_checked:
            with SHIELD:
                follow_response(result, call)
            return result
        if raw:
            with SHIELD:
                parsed = result.parse()
        if call.streaming and hasattr(parsed, "_iterator"):
            with SHIELD:
                follow = CheckedStream if call.is_checked else Followed
                if raw:
                    watch_bytes(result.http_response, call, follow, is_asked)
                followed = follow(parsed._iterator, call)
                replace_iterator(parsed, Shorn(followed) if is_asked else followed, call)
                return result
        if is_checked:
            parsed = require_answer(call, parsed)
            check_result(call, parsed, is_raw=_is_fixed(raw, parsed))
        call.complete(None if call.streaming else parsed)
        return result

    return send


def _send_async(client: Any, request: Any) -> Any:
    @wraps(request)
    async def send(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open(client, options, kwargs)
        if call is None:
            return await request(cast_to, options, *args, **kwargs)
        before = call.body
        if call.has_rules("input") and await check_input_off_loop(call) is not before:
            options = _with_body(options, call.body)
        call.keep_request()
        options, is_asked = _ask(client, options, call)
        token = otel.attach(call.context)
        try:
            result = await request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        is_checked, raw = call.has_rules("output"), _raw_mode(options)
        parsed: Any = None if raw else result
        if raw == _UNREAD and not is_checked:
            with SHIELD:
                follow_response_async(result, call)
            return result
        if raw:
            with SHIELD:
                parsed = result.parse()
                parsed = await parsed if inspect.isawaitable(parsed) else parsed
        if call.streaming and hasattr(parsed, "_iterator"):
            with SHIELD:
                follow = AsyncCheckedStream if call.is_checked else AsyncFollowed
                if raw:
                    watch_bytes(result.http_response, call, follow, is_asked)
                followed = follow(parsed._iterator, call)
                replace_iterator(parsed, AsyncShorn(followed) if is_asked else followed, call)
                return result
        if is_checked:
            parsed = require_answer(call, parsed)
            await check_result_off_loop(call, parsed, is_raw=_is_fixed(raw, parsed))
        call.complete(None if call.streaming else parsed)
        return result

    return send


def _ask(client: Any, options: Any, call: Call) -> tuple[Any, bool]:
    """The options that ask for a stream's tokens too, and whether it is we who ask."""
    with SHIELD:
        # Whoever reads the lines of an unread response would meet the chunk we asked for.
        if _raw_mode(options) != _UNREAD:
            asking = ask_for_usage(client, options.url, call)
            if asking is not None:
                return _with_body(options, asking), True
    return options, False


def _open(client: Any, options: Any, kwargs: Mapping[str, Any]) -> Call | None:
    """The call a request makes, None for a request that is no model call."""

    def make() -> Call | None:
        if options.method.lower() != "post":
            return None
        provider = find_by_path(options.url)
        body = options.json_data
        if provider is None or not isinstance(body, dict):
            return None
        extra = getattr(options, "extra_json", None)
        sent = body if extra is None else {**body, **extra}
        if is_guarded():
            # A model's own words are handed back as objects, in which guards would see no text.
            sent = open_typed(sent)
        host = client.base_url.host
        # Behind a gateway of one's own only the client tells that it is Azure's.
        is_azure = hasattr(client, "_azure_endpoint")
        name = name_by_host(host, AZURE if is_azure else provider.name)
        return Call(provider, name, host, sent, bool(kwargs.get("stream")))

    return open_call(make)


def _with_body(options: Any, body: Mapping[str, Any]) -> Any:
    """The options with another body; the given ones may be the caller's own."""
    options = copy(options)
    options.json_data = body
    if getattr(options, "extra_json", None) is not None:
        # It is part of the body by now; merged in again it would bring back what was taken out.
        options.extra_json = None
    return options


def _is_fixed(raw: str, parsed: Any) -> bool:
    """Whether nobody can put another text into what the caller gets."""
    return bool(raw) or isinstance(parsed, str)


def _raw_mode(options: Any) -> str:
    """Empty for a parsed result, `_UNREAD` for one that is not read yet, else raw but readable."""
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


def _patch_copies(make: Any) -> Any:
    @wraps(make)
    def copy_patched(*args: Any, **kwargs: Any) -> Any:
        copied = make(*args, **kwargs)
        attach_once(ADAPTER, copied)
        return copied

    return copy_patched


ADAPTER = Adapter(fits, attach)
