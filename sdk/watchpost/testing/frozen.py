"""Time that stands and ids that count, so that a whole span can be compared."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime

from opentelemetry.sdk.trace.id_generator import IdGenerator

_NS = 1_000_000_000


class FrozenClock:
    """A clock for `capture(clock=...)` or `configure(clock=...)` that moves only when told to.

    `start` is a moment in ISO form. With `step_s` every look at the clock moves it by so many
    seconds, so that what follows is later than what came before.
    """

    def __init__(self, start: str = "2026-01-01T00:00:00+00:00", step_s: float = 0.0) -> None:
        moment = datetime.fromisoformat(start)
        self._now_ns = int(moment.timestamp()) * _NS + moment.microsecond * 1000
        self._step_ns = round(step_s * _NS)
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Nanoseconds since 1970."""
        with self._lock:
            now_ns = self._now_ns
            self._now_ns += self._step_ns
            return now_ns

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        with self._lock:
            self._now_ns += round(seconds * _NS)


class CountedIds(IdGenerator):
    """Trace and span ids 1, 2, 3, ... for `capture(ids=...)`."""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """The next trace's."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """The next span's."""
        return next(self._spans)
