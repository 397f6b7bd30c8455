"""The throttle: no project sends more than its rules allow, whatever protocol it speaks.

Two token buckets a project, spans and bytes. A bucket may be overdrawn by the request that empties
it and refuses until it has filled again, so the average is kept to the letter and no request is too
large to ever pass. Logs and metric points count as spans do. This file knows no protocol: it says
how long to wait, and the doors answer 429 or RESOURCE_EXHAUSTED.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from watchpost_collector.access.projects import DEFAULT_BURST_S, Projects, Rules
from watchpost_collector.counters import OTHER

# Beyond this many projects under rules of `*`, the one unseen for longest starts afresh.
_MOST_PROJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Throttled:
    """What a project was refused since the start: requests, and spans where they were read."""

    requests: int = 0
    spans: int = 0


@dataclass(slots=True)
class Bucket:
    """Tokens that come at `rate` a second up to `room`; below zero is a debt."""

    rate: float
    room: float
    level: float
    at: float

    def fill(self, now: float) -> None:
        self.level = min(self.room, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait_s(self) -> float:
        """Seconds until something may pass again; 0 now."""
        return 0.0 if self.level > 0 else (1e-9 - self.level) / self.rate


@dataclass(slots=True)
class _Account:
    rules: Rules
    buckets: tuple[Bucket | None, Bucket | None]


class Throttle:
    """The buckets of all projects; thread-safe. `read_rules` gives the rules in force now."""

    def __init__(
        self,
        read_rules: Callable[[], Projects],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_rules, self._clock = read_rules, clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._refused: dict[str, Throttled] = {}

    def ask(self, project: str, spans: int = 0, size_bytes: int = 0) -> float:
        """Seconds to wait before this may be taken; 0.0 takes it and counts it.

        With nothing to take it only says whether a request would be refused, before it is read.
        `size_bytes` is of the unpacked request.
        """
        if not self._read_rules().rules:
            return 0.0
        with self._lock:
            wait_s = self._take(project, (spans, size_bytes))
            if wait_s > 0:
                self._note(project, spans)
        return wait_s

    def _note(self, project: str, spans: int) -> None:
        known = project in self._refused or len(self._refused) < _MOST_PROJECTS
        name = project if known else OTHER
        before = self._refused.get(name, Throttled())
        self._refused[name] = Throttled(before.requests + 1, before.spans + spans)

    def read(self) -> dict[str, dict[str, int]]:
        """What was refused, by project."""
        with self._lock:
            return {project: asdict(refused) for project, refused in self._refused.items()}

    def _take(self, project: str, amounts: tuple[int, int]) -> float:
        account = self._open_account(project)
        now = self._clock()
        for bucket in account.buckets:
            if bucket is not None:
                bucket.fill(now)
        wait_s = max(
            (bucket.wait_s() for bucket in account.buckets if bucket is not None), default=0.0
        )
        if wait_s > 0:
            return wait_s
        for bucket, amount in zip(account.buckets, amounts, strict=True):
            if bucket is not None:
                bucket.level -= amount
        return 0.0

    def _open_account(self, project: str) -> _Account:
        rules = self._read_rules().rules_of(project)
        account = self._accounts.pop(project, None)
        if account is None or account.rules != rules:
            account = _Account(rules, self._make_buckets(rules))
        if len(self._accounts) >= _MOST_PROJECTS:
            del self._accounts[next(iter(self._accounts))]
        self._accounts[project] = account
        return account

    def _make_buckets(self, rules: Rules) -> tuple[Bucket | None, Bucket | None]:
        burst_s, now = rules.burst_s or DEFAULT_BURST_S, self._clock()

        def make(rate: float | None) -> Bucket | None:
            return None if rate is None else Bucket(rate, rate * burst_s, rate * burst_s, now)

        return make(rules.spans_per_second), make(rules.bytes_per_second)
