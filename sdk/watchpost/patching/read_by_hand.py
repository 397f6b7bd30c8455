"""Streams whose bytes a caller takes from the response itself, beside the client's own reading.

Whoever does so sees what would have come unasked, the call is recorded all the same, and nothing
passes that guards have to see whole first. The client's own reading, which happens inside the call,
is left alone. This file knows server-sent events, and no provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from opentelemetry import context as otel

from watchpost.call import CALL, Call
from watchpost.errors import GuardUnavailable
from watchpost.patching.adapter import put_into
from watchpost.runtime import SHIELD

_WHOLE = ("iter_bytes", "aiter_bytes")
_RAW = ("iter_raw", "aiter_raw")
_END = re.compile(rb"\r?\n\r?\n")
_DATA = b"data: {"
# Asked for a stream's tokens, the server says this in every chunk but the last.
_TO_COME = re.compile(rb',\s*"usage":\s*null')


def watch_bytes(response: Any, call: Call, follow: Callable[..., Any], is_asked: bool) -> None:
    """Let a call see the bytes of a response that are read by hand.

    `follow` is what follows the call's stream, `is_asked` whether it is we who asked for its
    tokens.
    """
    if not all(hasattr(type(response), name) for name in (*_WHOLE, *_RAW)):
        return
    read, read_async = (getattr(response, name) for name in _WHOLE)

    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        if otel.get_value(CALL) is call:
            return read(chunk_size)  # type: ignore[no-any-return]
        _refuse_held(call)
        return _pass(read(chunk_size), call, follow, is_asked)

    def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        if otel.get_value(CALL) is call:
            return read_async(chunk_size)  # type: ignore[no-any-return]
        _refuse_held(call)
        return _pass_async(read_async(chunk_size), call, follow, is_asked)

    def refuse_held(take: Callable[..., Any]) -> Callable[..., Any]:
        def iter_raw(*args: Any, **kwargs: Any) -> Any:
            if otel.get_value(CALL) is not call:
                _refuse_held(call)
            return take(*args, **kwargs)

        return iter_raw

    # What comes encoded is shown as it came, if at all.
    raw = {name: refuse_held(getattr(response, name)) for name in _RAW}
    put_into(response, {**raw, **dict(zip(_WHOLE, (iter_bytes, aiter_bytes), strict=True))})


def _refuse_held(call: Call) -> None:
    """Raise GuardUnavailable where a guard must see the whole before any of it is shown."""
    if call.holds:
        error = GuardUnavailable("watchpost", "a stream read by hand cannot be held back")
        call.end(error)
        raise error


def _pass(pieces: Iterator[bytes], call: Call, follow: Any, is_asked: bool) -> Iterator[bytes]:
    events = _Events(call, is_asked)
    try:
        for piece in pieces:
            if shown := events.take(piece):
                yield shown
        if events.rest:
            yield events.rest
    except BaseException as error:
        call.end(error)
        raise
    # Nothing is left to come: whoever follows a stream checks it then, and ends its call.
    next(follow(iter(()), call), None)


async def _pass_async(
    pieces: AsyncIterator[bytes], call: Call, follow: Any, is_asked: bool
) -> AsyncIterator[bytes]:
    events = _Events(call, is_asked)
    try:
        async for piece in pieces:
            if shown := events.take(piece):
                yield shown
        if events.rest:
            yield events.rest
    except BaseException as error:
        call.end(error)
        raise
    await anext(follow(_nothing(), call), None)


async def _nothing() -> AsyncIterator[Any]:
    none_left: tuple[Any, ...] = ()
    for chunk in none_left:
        yield chunk


class _Events:
    """Bytes as whole events. `rest` is the one that has only begun."""

    def __init__(self, call: Call, is_asked: bool) -> None:
        self._call = call
        self._is_asked = is_asked
        self.rest = b""

    def take(self, piece: bytes) -> bytes:
        """What may be shown of the events that are whole with one more piece."""
        shown, begin = [], 0
        held = self.rest + piece
        for end in _END.finditer(held):
            event = held[begin : end.end()]
            begin = end.end()
            if self._see(event):
                shown.append(_TO_COME.sub(b"", event) if self._is_asked else event)
        self.rest = held[begin:]
        return b"".join(shown)

    def _see(self, event: bytes) -> bool:
        """Whether an event would have come unasked."""
        with SHIELD:
            start = event.find(_DATA)
            if start < 0:
                return True
            chunk: dict[str, Any] = json.loads(event[start + len(_DATA) - 1 :].split(b"\n", 1)[0])
            self._call.see(chunk)
            return not (self._is_asked and chunk.get("usage") and not chunk.get("choices"))
        return True
