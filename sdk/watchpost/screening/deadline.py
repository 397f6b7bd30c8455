"""Until when the answer that is being worked on is wanted, wherever that is asked.

Set by whoever waits, around the work it waits for; a guard on a network passes it along instead of
guessing. Moments are those of `time.monotonic`. It knows no guard.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_DEADLINE_S: ContextVar[float] = ContextVar("watchpost_deadline_s", default=inf)


@contextmanager
def due(deadline_s: float) -> Iterator[None]:
    """What is done inside is wanted until then, or until an earlier moment that holds already."""
    token = _DEADLINE_S.set(min(deadline_s, _DEADLINE_S.get()))
    try:
        yield
    finally:
        _DEADLINE_S.reset(token)


def find_deadline() -> float:
    """The moment until which what is done here is wanted; infinite where nobody said."""
    return _DEADLINE_S.get()


def remaining_s(at_most_s: float = inf) -> float:
    """Seconds left, at most so many; 0 when it is too late."""
    return max(0.0, min(at_most_s, _DEADLINE_S.get() - time.monotonic()))
