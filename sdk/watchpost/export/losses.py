"""What had to be dropped, and who was told: a log line a minute, and the collector.

It counts and says. It does not know why anything was dropped, nor how a span is written.
"""

import logging
import threading
import time

_log = logging.getLogger("watchpost")

LOG_EVERY_S = 60.0


class Losses:
    """Spans that were dropped and not told of yet, by log and by wire. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold = 0
        self._unsaid = 0
        self._told_s = -LOG_EVERY_S

    def count(self, spans: int) -> None:
        """Spans were dropped."""
        with self._lock:
            self._untold += spans
            self._unsaid += spans

    def take_unsaid(self) -> int:
        """How many the collector was not told of; it is about to be, or they are given back."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, 0
        return unsaid

    def give_back(self, unsaid: int) -> None:
        """What was taken did not get anywhere."""
        with self._lock:
            self._unsaid += unsaid

    def tell(self, trouble: str, *, at_once: bool) -> None:
        """Write the log line if there is something to tell and the last one is a minute ago."""
        with self._lock:
            now_s = time.monotonic()
            if not self._untold or not (at_once or now_s - self._told_s >= LOG_EVERY_S):
                return
            untold, self._untold = self._untold, 0
            self._told_s = now_s
        _log.warning("%d spans were dropped: %s", untold, trouble or "queue full")
