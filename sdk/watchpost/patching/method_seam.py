"""Clients with ordinary methods: named ones are replaced on the given object by our shells.

It works on objects, on the sub-objects they hand out (`client.models.generate_content`), and on
modules of functions alike. Each shell drives one `Call`, as `request_seam` does. This file knows
no provider and no client; a `Method` says everything about one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from opentelemetry import context as otel

from watchpost.call import Call
from watchpost.errors import ConfigError, GuardUnavailable
from watchpost.hold import check_input, check_input_off_loop, check_result, check_result_off_loop
from watchpost.patching.adapter import Adapter, Undo, put_into
from watchpost.patching.opening import open_call, require_answer
from watchpost.patching.stream_shell import follow_call, follow_call_async
from watchpost.patching.tries import begin_tries, count_tries
from watchpost.providers.provider import Provider
from watchpost.runtime import SHIELD
from watchpost.scope import detach

Args = tuple[Any, ...]
Kwargs = dict[str, Any]

_KINDS = ("sync", "async", "async generator")


def _same(result: Any) -> Any:
    return result


def _replaced(result: Any, changed: Any) -> Any:
    return changed


@dataclass(frozen=True, slots=True)
class Method:
    """One method that makes a model call.

    `path` leads to it from the client. `read_body` gives the request as a dictionary that the
    provider's file can read; `write_body` gives the arguments that send a body in which guards
    replaced texts. Both leave the caller's objects as they are. `streaming` says whether a call's
    answer comes in pieces. `kind` is "sync", "async" (awaited) or "async generator" (iterated
    without being awaited); where it is empty, the function's own kind is taken.

    `unwrap` finds what the provider's file reads (a result, or the stream of its chunks) inside
    what the method returns, and `rewrap` gives the caller's object with it put back, changed or
    followed. Without `rewrap`, which streams need, an answer that guards want to change is blocked.
    `name` is the conventions' name of who runs the model, `server` the host, where they differ
    from client to client; `provider` may be chosen by the body. `retries` reads from what the
    method returns how often the client tried again. A client that lacks a method `relied_on` where
    its neighbours are is refused: they would make calls that nobody sees.
    """

    path: str
    provider: Provider | Callable[[Mapping[str, Any]], Provider]
    read_body: Callable[[Args, Kwargs], dict[str, Any]]
    write_body: Callable[[Args, Kwargs, Mapping[str, Any]], tuple[Args, Kwargs]]
    streaming: bool | Callable[[Args, Kwargs], bool] = False
    kind: str = ""
    unwrap: Callable[[Any], Any] = _same
    rewrap: Callable[[Any, Any], Any] | None = _replaced
    name: Callable[[Any, Mapping[str, Any]], str] | None = None
    server: Callable[[Any, Mapping[str, Any]], str] | None = None
    retries: Callable[[Any], int] | None = None
    relied_on: bool = False

    @property
    def is_wrapped(self) -> bool:
        """Whether what guards read cannot be put back into what the caller gets."""
        return self.rewrap is None

    def find_kind(self, function: Any) -> str:
        """How a function is to be called."""
        if self.kind:
            return self.kind
        if inspect.isasyncgenfunction(function):
            return "async generator"
        return "async" if inspect.iscoroutinefunction(function) else "sync"


def make_adapter(
    fits: Callable[[Any], bool], methods: Iterable[Method], tries: Iterable[str] = ()
) -> Adapter:
    """An adapter for clients of which these methods are replaced, as far as one has them.

    `tries` are paths to what makes one try each, in clients that do not say how often they tried.
    """
    return Adapter(fits, partial(attach, methods=tuple(methods), tries=tuple(tries)))


def attach(client: Any, methods: Iterable[Method], tries: Iterable[str] = ()) -> Undo:
    """Put a shell in place of each method the client has; returns the undo.

    Raises ConfigError, with nothing changed, for a client without a method that is relied on.
    """
    undos: list[Undo] = []

    def undo() -> None:
        for each in reversed(undos):
            each()

    for method in methods:
        owner, _, name = method.path.rpartition(".")
        target = client
        for step in owner.split(".") if owner else ():
            target = getattr(target, step, None)
        function = getattr(target, name, None)
        if callable(function) and hasattr(target, "__dict__"):
            shell = _SHELLS[method.find_kind(function)]
            undos.append(put_into(target, {name: shell(method, client, function)}))
        elif method.relied_on and target is not None:
            undo()
            cure = f"this version of it has no {method.path}: use one of those the guide lists"
            raise ConfigError("client", type(client).__name__, cure)
    undos.extend(found for path in tries if (found := count_tries(client, path)) is not None)
    return undo


def _wrap_sync(method: Method, client: Any, function: Any) -> Any:
    @wraps(function)
    def send(*args: Any, **kwargs: Any) -> Any:
        call = _open(method, client, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        if call.has_rules("input"):
            before = call.body
            args, kwargs = _write(method, call, args, kwargs, check_input(call) is not before)
        call.keep_request()
        token = otel.attach(call.context)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        parsed = _read_answer(method, call, result)
        with SHIELD:
            if call.streaming:
                return _put_back(method, result, follow_call(parsed, call))
        if call.has_rules("output"):
            check_result(call, require_answer(call, parsed), is_raw=method.is_wrapped)
            result = _put_back(method, result, parsed)
        call.complete(parsed)
        return result

    return send


def _wrap_async(method: Method, client: Any, function: Any) -> Any:
    @wraps(function)
    async def send(*args: Any, **kwargs: Any) -> Any:
        call = _open(method, client, args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        if call.has_rules("input"):
            before = call.body
            is_changed = await check_input_off_loop(call) is not before
            args, kwargs = _write(method, call, args, kwargs, is_changed)
        call.keep_request()
        token = otel.attach(call.context)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            detach(token)
        parsed = _read_answer(method, call, result)
        with SHIELD:
            if call.streaming:
                return _put_back(method, result, follow_call_async(parsed, call))
        if call.has_rules("output"):
            parsed = require_answer(call, parsed)
            await check_result_off_loop(call, parsed, is_raw=method.is_wrapped)
            result = _put_back(method, result, parsed)
        call.complete(parsed)
        return result

    return send


def _wrap_async_generator(method: Method, client: Any, function: Any) -> Any:
    @wraps(function)
    async def send(*args: Any, **kwargs: Any) -> Any:
        # The call begins with the first piece that is asked for, as the request does.
        call = _open(method, client, args, kwargs)
        if call is None:
            stream = function(*args, **kwargs)
        else:
            if call.has_rules("input"):
                before = call.body
                is_changed = await check_input_off_loop(call) is not before
                args, kwargs = _write(method, call, args, kwargs, is_changed)
            call.keep_request()
            stream = follow_call_async(function(*args, **kwargs), call)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            await stream.aclose()

    return send


_SHELLS = dict(zip(_KINDS, (_wrap_sync, _wrap_async, _wrap_async_generator), strict=True))


def _open(method: Method, client: Any, args: Args, kwargs: Kwargs) -> Call | None:
    def make() -> Call:
        body = method.read_body(args, kwargs)
        provider, streaming = method.provider, method.streaming
        if not isinstance(provider, Provider):
            provider = provider(body)
        name = method.name(client, body) if method.name else provider.name
        server = method.server(client, body) if method.server else ""
        is_streaming = streaming(args, kwargs) if callable(streaming) else streaming
        call = Call(provider, name, server, body, bool(is_streaming))
        begin_tries(call)
        return call

    return open_call(make)


def _write(
    method: Method, call: Call, args: Args, kwargs: Kwargs, is_changed: bool
) -> tuple[Args, Kwargs]:
    """The arguments to send; the caller's own where guards changed nothing."""
    if not is_changed:
        return args, kwargs
    try:
        return method.write_body(args, kwargs, call.body)
    except Exception as error:
        # What a guard wanted taken out must not be sent because we could not take it out.
        trouble = GuardUnavailable("watchpost", type(error).__name__)
        call.end(trouble)
        raise trouble from error


def _read_answer(method: Method, call: Call, result: Any) -> Any:
    if method.retries is not None:
        with SHIELD:
            call.retries = method.retries(result)
    if method.unwrap is _same:
        return result
    with SHIELD:
        return method.unwrap(result)
    return None


def _put_back(method: Method, result: Any, parsed: Any) -> Any:
    return result if method.rewrap is None else method.rewrap(result, parsed)
