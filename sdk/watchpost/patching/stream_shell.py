"""Following a call's stream, from within the client's own object or around it."""

from __future__ import annotations

from typing import Any

from watchpost.call import Call
from watchpost.hold import AsyncCheckedStream, CheckedStream
from watchpost.shell import AsyncStreamShell, StreamShell
from watchpost.stream import AsyncFollowed, Followed, replace_iterator


def follow_call(stream: Any, call: Call) -> Any:
    """The same stream, seen by a call as it is read."""
    follow = CheckedStream if call.is_checked else Followed
    if hasattr(stream, "_iterator") and hasattr(stream, "response"):
        return replace_iterator(stream, follow(stream._iterator, call), call)
    return StreamShell(stream, follow(iter(stream), call), call)


def follow_call_async(stream: Any, call: Call) -> Any:
    """The same async stream, seen by a call as it is read."""
    follow = AsyncCheckedStream if call.is_checked else AsyncFollowed
    if hasattr(stream, "_iterator") and hasattr(stream, "response"):
        return replace_iterator(stream, follow(stream._iterator, call), call)
    return AsyncStreamShell(stream, follow(aiter(stream), call), call)
