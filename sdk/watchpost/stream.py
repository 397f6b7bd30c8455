"""Following streams: every piece a consumer takes is seen, and however it stops, the span ends.

The span is current while the producer works on the next piece, never while the consumer holds
one. What follows (`Follower`) is a model call or a scope; this file knows neither, nor any format.
A client's own stream object stays what it is: only the iterator inside is replaced.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Protocol

from opentelemetry import context as otel
from opentelemetry.context import Context

from watchpost.scope import detach
from watchpost.shell import AsyncStreamShell, StreamShell


class Follower(Protocol):
    """Who wants to know what passes."""

    context: Context

    def see(self, chunk: Any) -> None:
        """A piece has come."""

    def end(self, error: BaseException | None = None, *, closed: bool = False) -> None:
        """The stream is over: read to its end, broken by an error, or closed early."""


class Followed:
    """An iterator and whoever follows it."""

    __slots__ = ("_follower", "_inner")

    def __init__(self, inner: Iterator[Any], follower: Follower) -> None:
        self._inner = inner
        self._follower = follower

    def __iter__(self) -> Followed:
        return self

    def __next__(self) -> Any:
        return self._step(self._inner.__next__)

    def _step(self, take: Callable[..., Any], *args: Any) -> Any:
        follower = self._follower
        token = otel.attach(follower.context)
        try:
            chunk = take(*args)
        except StopIteration:
            self._exhaust()
            raise
        except BaseException as error:
            follower.end(error)
            raise
        finally:
            # What the producer opened around its own yield is there again at its next piece.
            follower.context = otel.get_current()
            detach(token)
        self._see(chunk)
        return chunk

    def _see(self, chunk: Any) -> None:
        self._follower.see(chunk)

    def _exhaust(self) -> None:
        self._follower.end()

    def close(self) -> None:
        """Stop early."""
        closing = getattr(self._inner, "close", None)
        try:
            if closing is not None:
                closing()
        finally:
            self._follower.end(closed=True)

    def __del__(self) -> None:
        self._follower.end(closed=True)


class FollowedGenerator(Followed):
    """A generator and whoever follows it: `send` and `throw` go through."""

    __slots__ = ()

    def send(self, value: Any) -> Any:
        """Resume the generator with a value."""
        return self._step(self._inner.send, value)  # type: ignore[attr-defined]

    def throw(self, *error: Any) -> Any:
        """Resume the generator with an error."""
        return self._step(self._inner.throw, *error)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Stop early; what the generator does in answer belongs to its span."""
        follower = self._follower
        token = otel.attach(follower.context)
        try:
            self._inner.close()  # type: ignore[attr-defined]
        except BaseException as error:
            follower.end(error)
            raise
        finally:
            detach(token)
        follower.end(closed=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class AsyncFollowed:
    """An async iterator and whoever follows it."""

    __slots__ = ("_follower", "_inner")

    def __init__(self, inner: AsyncIterator[Any], follower: Follower) -> None:
        self._inner = inner
        self._follower = follower

    def __aiter__(self) -> AsyncFollowed:
        return self

    async def __anext__(self) -> Any:
        return await self._step(self._inner.__anext__)

    async def _step(self, take: Callable[..., Any], *args: Any) -> Any:
        follower = self._follower
        token = otel.attach(follower.context)
        try:
            chunk = await take(*args)
        except StopAsyncIteration:
            await self._exhaust()
            raise
        except BaseException as error:
            follower.end(error)
            raise
        finally:
            follower.context = otel.get_current()
            detach(token)
        self._see(chunk)
        return chunk

    def _see(self, chunk: Any) -> None:
        self._follower.see(chunk)

    async def _exhaust(self) -> None:
        self._follower.end()

    async def aclose(self) -> None:
        """Stop early."""
        closing = getattr(self._inner, "aclose", None)
        try:
            if closing is not None:
                await closing()
        finally:
            self._follower.end(closed=True)

    def __del__(self) -> None:
        self._follower.end(closed=True)


class AsyncFollowedGenerator(AsyncFollowed):
    """An async generator and whoever follows it: `asend` and `athrow` go through."""

    __slots__ = ()

    async def asend(self, value: Any) -> Any:
        """Resume the generator with a value."""
        return await self._step(self._inner.asend, value)  # type: ignore[attr-defined]

    async def athrow(self, *error: Any) -> Any:
        """Resume the generator with an error."""
        return await self._step(self._inner.athrow, *error)  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        """Stop early; what the generator does in answer belongs to its span."""
        follower = self._follower
        token = otel.attach(follower.context)
        try:
            await self._inner.aclose()  # type: ignore[attr-defined]
        except BaseException as error:
            follower.end(error)
            raise
        finally:
            detach(token)
        follower.end(closed=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def is_stream(value: Any) -> bool:
    """Whether a function returned something that will be read later, piece by piece."""
    if isinstance(value, GeneratorType | AsyncGeneratorType | Followed | AsyncFollowed):
        return True
    return _is_shell(value) or bool(_find_iterator(value)) or _is_closed(value)


def follow(value: Any, follower: Follower) -> Any:
    """The same stream, followed: a client's own object where it is one, else a wrapper."""
    if _is_shell(value):
        value._followed = _wrap(value._followed, follower)
        return value
    if name := _find_iterator(value):
        return replace_iterator(value, _wrap(getattr(value, name), follower), follower)
    if _is_closed(value):
        if _is_read_by_await(value):
            return AsyncStreamShell(value, AsyncFollowed(aiter(value), follower), follower)
        return StreamShell(value, Followed(iter(value), follower), follower)
    if isinstance(value, AsyncGeneratorType | AsyncFollowed):
        return AsyncFollowedGenerator(value, follower)
    return FollowedGenerator(value, follower)


def replace_iterator(stream: Any, iterator: Any, follower: Follower) -> Any:
    """Put an iterator into a client's stream object, and hear of it being closed."""
    setattr(stream, _find_iterator(stream) or "_iterator", iterator)
    # Through a weak reference: a cycle would keep a dropped stream, and its span, open.
    itself, earlier = weakref.ref(stream), stream.__dict__.get("close")

    def close() -> Any:
        target: Any = itself()
        return earlier() if earlier is not None else type(target).close(target)

    async def close_async() -> None:
        try:
            await close()
        finally:
            follower.end(closed=True)

    def close_sync() -> None:
        try:
            close()
        finally:
            follower.end(closed=True)

    stream.close = close_async if hasattr(iterator, "__anext__") else close_sync
    return stream


def _wrap(inner: Any, follower: Follower) -> Any:
    return (AsyncFollowed if hasattr(inner, "__anext__") else Followed)(inner, follower)


def _is_shell(value: Any) -> bool:
    """Whether a patched client handed this out: what follows it is in a slot of its own."""
    # Its type says so, and not the type it claims to be.
    return hasattr(type(value), "_followed")


def _is_closed(value: Any) -> bool:
    """Whether this is a stream in which nothing can be put: botocore's events, litellm's chunks."""
    kind = type(value)
    return hasattr(kind, "__iter__") and (
        hasattr(kind, "get_initial_response")
        or "completion_stream" in getattr(value, "__dict__", ())
    )


def _is_read_by_await(value: Any) -> bool:
    """What can be read either way is read as what it reads from itself."""
    inner = getattr(value, "completion_stream", None)
    return hasattr(inner, "__anext__") and not hasattr(inner, "__next__")


def _find_iterator(value: Any) -> str:
    """Where a client's stream object keeps what it reads from; empty for anything else."""
    is_iterator = hasattr(value, "__next__") or hasattr(value, "__anext__")
    if not is_iterator or not hasattr(value, "response"):
        return ""
    return next((name for name in ("_iterator", "generator") if hasattr(value, name)), "")
