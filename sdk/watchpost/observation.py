"""`@observe`: a function's runs become spans, whatever kind of function it is.

One shell for each kind: plain, async, generator, async generator, and plain functions that return
something of the kind. The shells only open, step and close a `Scope`; they know no provider.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from opentelemetry import context as otel

from watchpost import attributes as names
from watchpost.errors import Blocked, GuardUnavailable
from watchpost.recorded import ScopeStream
from watchpost.runtime import SHIELD
from watchpost.scope import Scope, ScopeSettings, Span, detach, make_settings
from watchpost.stream import AsyncFollowedGenerator, FollowedGenerator, follow, is_stream

if TYPE_CHECKING:
    from watchpost.prompts.prompt import Prompt
    from watchpost.screening.policy import Policy

F = TypeVar("F", bound=Callable[..., Any])


@overload
def observe(target: F, /) -> F: ...
@overload
def observe(
    name: str | None = None,
    /,
    *,
    prompt: str | Prompt | None = None,
    version: str | int | None = None,
    template: str | None = None,
    session: str | None = None,
    user: str | None = None,
    tags: Sequence[str] = (),
    segments: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    kind: str = names.CHAIN,
) -> Callable[[F], F]: ...
def observe(
    target: Any = None,
    /,
    *,
    prompt: str | Prompt | None = None,
    version: str | int | None = None,
    template: str | None = None,
    session: str | None = None,
    user: str | None = None,
    tags: Sequence[str] = (),
    segments: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    kind: str = names.CHAIN,
) -> Any:
    """Record every run of a function as a span; calls of patched clients inside are its children.

    Works bare and with arguments. `name` is the span's (default: the function's); `prompt` and
    `version` name the prompt (a `Prompt` says its own version), `template` is hashed where it has
    no version; `session`, `user`, `tags` and `segments` go to every model call inside, and so does
    `policy`, whose fallback is what the function returns when a call inside is stopped (where it
    yields or returns a stream, `Blocked` is raised and carries it). Values only known later are set
    with `watchpost.current().set(...)`. `kind` is chain, agent, tool, retriever, embedding, guard
    or generation; ConfigError for anything else.
    """
    name = target if isinstance(target, str) else None
    given = {"prompt": prompt, "version": version, "template": template, "session": session}
    rest = {"user": user, "tags": tuple(tags), "segments": segments}

    def decorate(function: F) -> F:
        chosen = name or _shorten(getattr(function, "__qualname__", type(function).__name__))
        wrapped: F = _wrap(function, make_settings(chosen, kind, policy, **given, **rest))
        return wrapped

    return decorate(target) if callable(target) else decorate


def span(
    name: str,
    *,
    prompt: str | Prompt | None = None,
    version: str | int | None = None,
    template: str | None = None,
    session: str | None = None,
    user: str | None = None,
    tags: Sequence[str] = (),
    segments: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    kind: str = names.CHAIN,
) -> Span:
    """A span around a block, for shapes no decorator fits: `with span("rerank") as here: ...`.

    Plain or async; the keywords are those of `observe`.
    """
    settings = make_settings(
        name,
        kind,
        policy,
        prompt=prompt,
        version=version,
        template=template,
        session=session,
        user=user,
        tags=tuple(tags),
        segments=segments,
    )
    return Span(settings)


def _wrap(function: Any, settings: ScopeSettings) -> Any:
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator(function, settings)
    if inspect.iscoroutinefunction(function):
        return _wrap_async(function, settings)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, settings)
    return _wrap_plain(function, settings)


def _wrap_plain(function: Any, settings: ScopeSettings) -> Any:
    read = _input_reader(function)

    @wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        scope = _open(settings, read, args, kwargs)
        if scope is None:
            return function(*args, **kwargs)
        token = otel.attach(scope.context)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            return _answer_instead(error, scope, settings)
        finally:
            detach(token)
        if inspect.iscoroutine(result):
            return _finish_later(result, scope, settings)
        return _finish(result, scope)

    return observed


def _wrap_async(function: Any, settings: ScopeSettings) -> Any:
    read = _input_reader(function)

    @wraps(function)
    async def observed(*args: Any, **kwargs: Any) -> Any:
        scope = _open(settings, read, args, kwargs)
        if scope is None:
            return await function(*args, **kwargs)
        return await _finish_later(function(*args, **kwargs), scope, settings)

    return observed


async def _finish_later(awaited: Any, scope: Scope, settings: ScopeSettings) -> Any:
    token = otel.attach(scope.context)
    try:
        result = await awaited
    except BaseException as error:
        return _answer_instead(error, scope, settings)
    finally:
        detach(token)
    return _finish(result, scope)


def _answer_instead(error: BaseException, scope: Scope, settings: ScopeSettings) -> str:
    """What the fallback of the function's own policy answers; without one the error goes on."""
    if settings.policy is not None and isinstance(error, Blocked | GuardUnavailable):
        answer = error.fallback
        if answer is not None:
            scope.end(answer)
            return answer
    scope.end(error=error)
    raise error


def _finish(result: Any, scope: Scope) -> Any:
    """What the caller gets: the result, and a stream of it followed to its end."""
    with SHIELD:
        if is_stream(result):
            return follow(result, ScopeStream(scope))
    scope.end(result)
    return result


def _wrap_generator(function: Any, settings: ScopeSettings) -> Any:
    read = _input_reader(function)

    @wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        made = function(*args, **kwargs)
        scope = _open(settings, read, args, kwargs)
        if scope is None:
            return (yield from made)
        return (yield from FollowedGenerator(made, ScopeStream(scope)))

    return observed


def _wrap_async_generator(function: Any, settings: ScopeSettings) -> Any:
    read = _input_reader(function)

    @wraps(function)
    async def observed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        made = function(*args, **kwargs)
        scope = _open(settings, read, args, kwargs)
        steps = made if scope is None else AsyncFollowedGenerator(made, ScopeStream(scope))
        try:
            chunk = await steps.__anext__()
            while True:
                try:
                    sent = yield chunk
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:
                    chunk = await steps.athrow(error)
                else:
                    chunk = await steps.asend(sent)
        except StopAsyncIteration:
            return

    return observed


def _open(
    settings: ScopeSettings, read: Callable[..., Mapping[str, Any]], args: Any, kwargs: Any
) -> Scope | None:
    with SHIELD:
        scope = Scope(settings)
        if args or kwargs:
            scope.take_inputs(read(args, kwargs))
        return scope
    return None


def _input_reader(function: Any) -> Callable[[Any, Any], Mapping[str, Any]]:
    """What names a function's arguments. Cheaper than binding a signature at every call."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p.name for p in parameters if p.kind in plain]
    # The object a method belongs to is not something that was asked.
    skipped = positional[0] if positional and positional[0] in ("self", "cls") else None

    def read(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        found = dict(zip(positional, args, strict=False))
        if len(args) > len(positional):
            found["args"] = args[len(positional) :]
        found.update(kwargs)
        if skipped is not None:
            found.pop(skipped, None)
        return found

    return read


def _shorten(name: str) -> str:
    """A function's name without where it was defined."""
    return name.rpartition("<locals>.")[2]
