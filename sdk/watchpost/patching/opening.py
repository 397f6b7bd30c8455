"""Opening a call from what a client was given, and what must not pass where that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel

from watchpost.call import CALL, Call
from watchpost.errors import GuardUnavailable
from watchpost.runtime import SHIELD, active
from watchpost.scope import find_policy


def open_call(make: Callable[[], Call | None]) -> Call | None:
    """The call that `make` opens; None for a request that is no model call.

    A client that works through another one, patched as well, makes one call and not two. Raises
    GuardUnavailable where a policy holds and our own fault kept the call from being opened: nobody
    would ask its guards.
    """
    around = otel.get_value(CALL)
    if isinstance(around, Call) and not around.ended:
        return None
    with SHIELD:
        return make()
    if is_guarded():
        raise GuardUnavailable("watchpost", "a call could not be opened")
    return None


def is_guarded() -> bool:
    """Whether a policy is in force here."""
    return (find_policy(otel.get_current()) or active().policy) is not None


def require_answer(call: Call, parsed: Any) -> Any:
    """An answer guards can read, or GuardUnavailable."""
    if parsed is None or call.streaming:
        error = GuardUnavailable("watchpost", "the answer cannot be read")
        call.end(error)
        raise error
    return parsed
