"""How many scores one public key, or one link, may write: what stands in a page anybody may read.

It counts names it is given; it does not know what is behind them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from watchpost_collector.intake.throttle import Bucket

PER_SECOND = 10.0
AT_ONCE = 100.0
# Beyond this many names, the one unseen for longest starts afresh.
_MOST_NAMES = 10_000


class ScoreLimits:
    """A bucket a name. Used on the event loop alone."""

    def __init__(
        self,
        per_second: float = PER_SECOND,
        at_once: float = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._buckets: dict[bytes, Bucket] = {}

    def ask(self, name: bytes, scores: int) -> float:
        """Seconds to wait before this many may be taken; 0.0 takes them."""
        now = self._clock()
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = Bucket(self._per_second, self._at_once, self._at_once, now)
            if len(self._buckets) >= _MOST_NAMES:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[name] = bucket
        bucket.fill(now)
        wait_s = bucket.wait_s()
        if wait_s <= 0:
            bucket.level -= scores
        return wait_s
