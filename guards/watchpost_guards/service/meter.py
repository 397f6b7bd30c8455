"""What the service counts of itself: totals, distributions and what is so right now.

Names and numbers; no text of a caller comes here, not even as a label. Names of guards are the
operator's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

from watchpost.serving.histogram import Histogram
from watchpost.serving.readings import Reading, Sample

_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TOTALS = {
    "requests": ("Requests answered, by status.", "{request}"),
    "checks": ("Verdicts given, by guard and outcome.", "{check}"),
    "refused": ("Texts refused because too much waited.", "{text}"),
    "batches": ("Batches computed.", "{batch}"),
    "rows": ("Rows computed.", "{row}"),
    "padded_tokens": ("Tokens computed, padding included.", "{token}"),
    "late_rows": ("Rows dropped because nobody waited for them any more.", "{row}"),
    "swaps": ("Models replaced while running, by guard.", "{swap}"),
}
_DISTRIBUTIONS = {
    "batch_rows": ("Rows of a batch.", "{row}", _ROWS),
    "batch_seconds": ("Time a batch takes on the device.", "s", _SECONDS),
    "request_seconds": ("Time to an answer.", "s", _SECONDS),
}
_NOW = {
    "waiting_tokens": ("Tokens that wait for the device.", "{token}"),
    "open_requests": ("Requests being answered.", "{request}"),
}
_Labels = tuple[tuple[str, str], ...]


class Meter:
    """Running counts; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: Counter[tuple[str, _Labels]] = Counter()
        self._distributions = {
            name: Histogram(bounds) for name, (_, _, bounds) in _DISTRIBUTIONS.items()
        }
        self._watched: dict[str, Callable[[], float]] = {}

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a total."""
        with self._lock:
            self._totals[name, tuple(sorted(labels.items()))] += amount

    def measure(self, name: str, value: float) -> None:
        """Add one value to a distribution."""
        self._distributions[name].observe(value)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Have a value read whenever somebody asks."""
        self._watched[name] = read

    def read(self) -> Iterator[Reading]:
        """Everything, now."""
        with self._lock:
            totals = dict(self._totals)
        for name, (told, unit) in _TOTALS.items():
            samples = [
                Sample(value, dict(labels))
                for (key, labels), value in totals.items()
                if key == name
            ]
            yield Reading(
                f"watchpost_guards_{name}", "counter", told, unit, tuple(samples or [Sample(0)])
            )
        for name, (told, unit, _) in _DISTRIBUTIONS.items():
            sample = Sample(self._distributions[name].read())
            yield Reading(f"watchpost_guards_{name}", "histogram", told, unit, (sample,))
        for name, read in self._watched.items():
            told, unit = _NOW[name]
            yield Reading(f"watchpost_guards_{name}", "gauge", told, unit, (Sample(read()),))
