"""A histogram of durations: how many fell under each bound, their number and their sum.

Bounds are in seconds and fixed, so that histograms of several collectors can be added. This file
knows only the counting.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Distribution:
    """A reading: `counts[i]` values were at most `bounds[i]` and above the one before.

    `counts` has one entry more than `bounds`, for what was above them all.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total_s: float

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


class Histogram:
    """The running counts of one duration; thread-safe."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total_s = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        place = bisect_left(self._bounds, seconds)
        with self._lock:
            self._counts[place] += 1
            self._total_s += seconds

    def read(self) -> Distribution:
        """All counts at one moment."""
        with self._lock:
            return Distribution(self._bounds, tuple(self._counts), self._total_s)
