"""Responses a caller reads by hand (`with_streaming_response`): seen when parsed, else when closed.

The caller may take bytes, lines or a parsed result, and nothing is read that was not asked for.
What the client kept of the body is read when the response is closed.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from watchpost.call import Call
from watchpost.runtime import SHIELD
from watchpost.stream import AsyncFollowed, Followed, replace_iterator

_DATA = "data: {"


def follow_response(response: Any, call: Call) -> None:
    """Let a call end with what is parsed from an open response, at the latest when it closes."""
    parse, close = _hold_weakly(response, "parse"), _hold_weakly(response, "close")

    def parse_seen(*args: Any, **kwargs: Any) -> Any:
        return _see(call, parse(*args, **kwargs), Followed, is_own_type=bool(args or kwargs))

    def close_seen() -> None:
        try:
            close()
        finally:
            _finish(call, itself())

    itself = weakref.ref(response, lambda _: call.end())
    vars(response).update(parse=parse_seen, close=close_seen)


def follow_response_async(response: Any, call: Call) -> None:
    """`follow_response` for an async client's response."""
    parse, close = _hold_weakly(response, "parse"), _hold_weakly(response, "close")

    async def parse_seen(*args: Any, **kwargs: Any) -> Any:
        parsed = await parse(*args, **kwargs)
        return _see(call, parsed, AsyncFollowed, is_own_type=bool(args or kwargs))

    async def close_seen() -> None:
        try:
            await close()
        finally:
            _finish(call, itself())

    itself = weakref.ref(response, lambda _: call.end())
    vars(response).update(parse=parse_seen, close=close_seen)


def _hold_weakly(response: Any, name: str) -> Callable[..., Any]:
    """A method of a response, without a cycle that would keep a dropped one open."""
    itself, method = weakref.ref(response), getattr(type(response), name)
    return lambda *args, **kwargs: method(itself(), *args, **kwargs)


def _see(call: Call, parsed: Any, follow: Any, *, is_own_type: bool) -> Any:
    with SHIELD:
        if not call.streaming:
            # In the caller's own type nobody knows where anything is; the body is read at the end.
            if not is_own_type:
                call.complete(parsed)
        elif hasattr(parsed, "_iterator") and not isinstance(parsed._iterator, follow):
            replace_iterator(parsed, follow(parsed._iterator, call), call)
    return parsed


def _finish(call: Call, response: Any) -> None:
    if call.ended:
        return
    with SHIELD:
        # What the client itself keeps of a body that was read; asking for it would raise.
        body = getattr(getattr(response, "http_response", None), "_content", None)
        text = body.decode(errors="replace") if isinstance(body, bytes) else ""
        if not call.streaming:
            call.complete(json.loads(text) if text[:1] == "{" else response)
            return
        for chunk in _read_events(text):
            call.chunks.append(chunk)
    call.end()


def _read_events(text: str) -> Iterator[Any]:
    """The events of a whole stream's text."""
    for line in text.splitlines():
        if line.startswith(_DATA):
            yield json.loads(line.removeprefix("data: "))
