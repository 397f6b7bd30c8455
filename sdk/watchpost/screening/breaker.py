"""A circuit breaker: what keeps failing is left alone for a while, then tried once.

Closed, everything is asked. After `OPENS_AFTER` failures in a row it opens, and nobody is asked for
`COOL_DOWN_S`. Then a single probe goes through while everybody else is still refused: its answer
closes the circuit, its failure opens it for as long again. It does not know what is asked.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

OPENS_AFTER: Final = 5
COOL_DOWN_S: Final = 10.0


class Breaker:
    """One circuit; any thread may use it. `clock` gives seconds that only grow."""

    __slots__ = ("_clock", "_failures", "_lock", "_retry_at", "_ticket")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        # None while the circuit is closed, else when the next probe may go.
        self._retry_at: float | None = None
        self._ticket = 0

    @property
    def refuses(self) -> bool:
        """Whether somebody who asked now would be refused."""
        retry_at = self._retry_at
        return retry_at is not None and self._clock() < retry_at

    def admit(self) -> int | None:
        """A ticket to ask with and to `report` under, or None: the circuit is open."""
        with self._lock:
            if self._retry_at is not None:
                now_s = self._clock()
                if now_s < self._retry_at:
                    return None
                # This one is the probe. One that never comes back is replaced in its turn.
                self._retry_at = now_s + COOL_DOWN_S
                self._ticket += 1
            return self._ticket

    def report(self, ticket: int, *, is_well: bool) -> None:
        """Say how it went. What was asked before the circuit last changed counts no more."""
        with self._lock:
            if ticket != self._ticket:
                return
            if is_well:
                self._failures = 0
                self._retry_at = None
                return
            self._failures += 1
            if self._failures >= OPENS_AFTER:
                self._retry_at = self._clock() + COOL_DOWN_S
                self._ticket += 1
