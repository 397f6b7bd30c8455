"""What a caller gets in place of a client's stream that cannot be followed from within.

Iteration goes through whatever follows it; everything else is the client's own stream, whose type
it also claims to be.
"""

from __future__ import annotations

from typing import Any, Protocol


class Follower(Protocol):
    """Who wants to know that a stream is over."""

    def end(self, error: BaseException | None = None, *, closed: bool = False) -> None:
        """It was left with an error, or closed early."""


class _Shell:
    __slots__ = ("__weakref__", "_followed", "_follower", "_stream")

    def __init__(self, stream: Any, followed: Any, follower: Follower) -> None:
        self._stream = stream
        self._followed = followed
        self._follower = follower

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
            self._follower.end(error[1], closed=error[1] is None)

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
            self._follower.end(error[1], closed=error[1] is None)

    async def aclose(self) -> None:
        """Stop early."""
        try:
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            await self._followed.aclose()
