"""What a caller gets in place of a client's stream that cannot be followed from within.

Iteration goes through whatever follows it; everything else is the client's own stream, whose type
it also claims to be.
"""

from __future__ import annotations

from typing import Any

from watchpost.call import Call
from watchpost.hold import AsyncCheckedStream, CheckedStream
from watchpost.stream import AsyncFollowed, Followed, replace_iterator


def follow_call(stream: Any, call: Call) -> Any:
    """The same stream, seen by a call as it is read."""
    follow = CheckedStream if call.has_rules("output") else Followed
    if hasattr(stream, "_iterator") and hasattr(stream, "response"):
        return replace_iterator(stream, follow(stream._iterator, call), call)
    return StreamShell(stream, follow(iter(stream), call), call)


def follow_call_async(stream: Any, call: Call) -> Any:
    """The same async stream, seen by a call as it is read."""
    follow = AsyncCheckedStream if call.has_rules("output") else AsyncFollowed
    if hasattr(stream, "_iterator") and hasattr(stream, "response"):
        return replace_iterator(stream, follow(stream._iterator, call), call)
    return AsyncStreamShell(stream, follow(aiter(stream), call), call)


class _Shell:
    __slots__ = ("__weakref__", "_call", "_followed", "_stream")

    def __init__(self, stream: Any, followed: Any, call: Call) -> None:
        self._stream = stream
        self._followed = followed
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # Asked rather than taken: what is inside may claim to be something else itself.
        return self._stream.__class__


class StreamShell(_Shell):
    """A stream that is followed."""

    __slots__ = ()

    def __iter__(self) -> StreamShell:
        return self

    def __next__(self) -> Any:
        return next(self._followed)

    def __getattr__(self, name: str) -> Any:
        if name in ("__aiter__", "__anext__"):
            # Some streams can be read either way; this one is being read plainly.
            raise AttributeError(name)
        held = super().__getattr__(name)
        # Some streams are read plainly and can still be closed by an await.
        return self._close_later(held) if name == "aclose" else held

    def __enter__(self) -> StreamShell:
        if hasattr(self._stream, "__enter__"):
            self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        try:
            if hasattr(self._stream, "__exit__"):
                return self._stream.__exit__(*error)
            return self._followed.close()
        finally:
            self._call.end(error[1], closed=error[1] is None)

    def close(self) -> None:
        """Stop early."""
        try:
            if hasattr(self._stream, "close"):
                self._stream.close()
        finally:
            self._followed.close()

    def _close_later(self, close: Any) -> Any:
        async def aclose() -> None:
            try:
                await close()
            finally:
                self._followed.close()

        return aclose


class AsyncStreamShell(_Shell):
    """An async stream that is followed."""

    __slots__ = ()

    def __aiter__(self) -> AsyncStreamShell:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._followed)

    async def __aenter__(self) -> AsyncStreamShell:
        if hasattr(self._stream, "__aenter__"):
            await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        try:
            if hasattr(self._stream, "__aexit__"):
                return await self._stream.__aexit__(*error)
            return await self._followed.aclose()
        finally:
            self._call.end(error[1], closed=error[1] is None)

    async def aclose(self) -> None:
        """Stop early."""
        try:
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            await self._followed.aclose()
