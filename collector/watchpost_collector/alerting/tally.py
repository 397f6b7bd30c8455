"""Running counts of evaluations and deliveries, since the process started. Thread-safe.

It knows only the counting.
"""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """Counts by label."""

    def __init__(self, *labels: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        # Those that will come are told as zero before, so that their first one is a change.
        self._counts = Counter(dict.fromkeys(labels, 0))

    def add(self, *label: str) -> None:
        """One more of this."""
        with self._lock:
            self._counts[label] += 1

    def read(self) -> dict[tuple[str, ...], int]:
        """All counts at one moment."""
        with self._lock:
            return dict(self._counts)
