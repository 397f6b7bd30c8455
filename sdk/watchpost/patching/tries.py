"""How often a client tried: whatever makes one try of it is counted, as long as a call runs.

For clients that tell nobody. A try is known by the call it is made in, not by its client: an HTTP
client that several share is counted for whoever asked. This file knows no provider.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import Any

from opentelemetry import context as otel

from watchpost.call import Call
from watchpost.patching.adapter import Undo, put_into

_TRIES = otel.create_key("watchpost-tries")


class _Tries:
    """The tries of one call. While one is under way, what it goes through is no other."""

    __slots__ = ("_call", "_is_busy", "_made")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._is_busy = False
        self._made = 0

    def __enter__(self) -> None:
        self._is_busy = True
        self._call.retries = self._made
        self._made += 1

    def __exit__(self, *error: object) -> None:
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        return self._is_busy


def begin_tries(call: Call) -> None:
    """Count what is tried in a call's context as that call's."""
    call.context = otel.set_value(_TRIES, _Tries(call), call.context)


def count_tries(client: Any, path: str) -> Undo | None:
    """Count each run of the method at `path` as one try; None where the client has none there."""
    owner, _, name = path.rpartition(".")
    target = client
    for step in owner.split("."):
        target = getattr(target, step, None)
    function = getattr(target, name, None)
    if not callable(function) or not hasattr(target, "__dict__"):
        return None
    return put_into(target, {name: _counted(function)})


def _counted(function: Any) -> Any:
    @wraps(function)
    def send(*args: Any, **kwargs: Any) -> Any:
        tries = _find_tries()
        if tries is None:
            return function(*args, **kwargs)
        with tries:
            return function(*args, **kwargs)

    @wraps(function)
    async def send_async(*args: Any, **kwargs: Any) -> Any:
        tries = _find_tries()
        if tries is None:
            return await function(*args, **kwargs)
        with tries:
            return await function(*args, **kwargs)

    return send_async if inspect.iscoroutinefunction(function) else send


def _find_tries() -> _Tries | None:
    tries = otel.get_value(_TRIES)
    return tries if isinstance(tries, _Tries) and not tries.is_busy else None
