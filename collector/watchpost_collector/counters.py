"""Counters of the collector: every span that came in is in exactly one of the other columns.

`received + recovered = stored + refused + deduplicated + set_aside + waiting + dropped`, at every
moment, counted since the process started. This file knows only the counting.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass

from watchpost.serving.histogram import Histogram
from watchpost_collector.otlp.signals import TRACES, Signal

# Whoever may name projects must not fill the memory with them.
MOST_PROJECTS, OTHER = 500, "(other)"
_OF_PROJECTS = ("received", "refused", "deduplicated")
# Seconds: an acknowledgement is a sync of the disk away, a flush an insert.
_ACKNOWLEDGE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FLUSH_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """A reading of the counters, in spans; the `requests_*` ones are in requests.

    `received` counts spans in requests that could be read; `requests_refused` those that could
    not (malformed, oversize, not allowed), where nobody knows how many spans they held. `refused`
    was told to the client, for good or to come back with. `waiting`
    is counted for itself, not derived, so that a lost span shows as a sum that does not add up.
    `dropped` waited past the spool's bound; `set_aside_dropped` says how many of those set aside,
    now or in an earlier run, are no longer kept. `sampled_out` says how many of `stored` were left
    out of `spans` by their project's rules, `sampled_out_content` of how many the content was.

    Beside the sum stand two for what was found in the spool at the start and in which nobody could
    count spans: `torn_bytes`, which are no whole request, and `unrecovered_segments`, whole files
    that could not be read and were left alone.
    """

    received: int = 0
    recovered: int = 0
    stored: int = 0
    refused: int = 0
    deduplicated: int = 0
    set_aside: int = 0
    waiting: int = 0
    dropped: int = 0
    set_aside_dropped: int = 0
    sampled_out: int = 0
    sampled_out_content: int = 0
    requests_accepted: int = 0
    requests_refused: int = 0
    torn_bytes: int = 0
    unrecovered_segments: int = 0

    def as_dict(self) -> dict[str, int]:
        """The columns by name."""
        return asdict(self)


class Counters:
    """The running counts of one process, and how long things took; thread-safe.

    These are of spans; `of` leads to those of log records and of data points, kept the same way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._others: dict[str, Counters] = {}
        self._counts = dict.fromkeys(asdict(Counts()), 0)
        self._projects: dict[str, dict[str, int]] = {}
        self.acknowledge_seconds = Histogram(_ACKNOWLEDGE_BOUNDS)
        self.flush_seconds = Histogram(_FLUSH_BOUNDS)

    def of(self, signal: Signal) -> Counters:
        """The counters of a signal's items."""
        if signal is TRACES:
            return self
        with self._lock:
            return self._others.setdefault(signal.name, Counters())

    def add(self, **changes: int) -> None:
        """Add to several counters at once, so that no reading falls between them."""
        with self._lock:
            for name, change in changes.items():
                self._counts[name] += change

    def add_of(self, project: str, **changes: int) -> None:
        """Add to several counters of everything and of a project, at once."""
        with self._lock:
            name = project if len(self._projects) < MOST_PROJECTS else OTHER
            known = self._projects.get(project) or self._projects.setdefault(
                name, dict.fromkeys(_OF_PROJECTS, 0)
            )
            for counter, change in changes.items():
                self._counts[counter] += change
                if counter in known:
                    known[counter] += change

    def read_projects(self) -> dict[str, dict[str, int]]:
        """What each project sent; those beyond MOST_PROJECTS are together in OTHER."""
        with self._lock:
            return {name: dict(counts) for name, counts in self._projects.items()}

    def read(self) -> Counts:
        """All counters at one moment."""
        with self._lock:
            return Counts(**self._counts)
