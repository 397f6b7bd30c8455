"""What a service does, whoever carries the questions to it: uvicorn, Ray Serve, a test.

Checks run on threads of their own, where texts are cut into tokens; what a model computes is the
batcher's. As many requests as may be open are; the next is refused at once. Nothing is kept of a
text, and no policy is applied: that lives with the caller.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from watchpost.errors import Full
from watchpost.screening.breaker import Breaker
from watchpost.screening.deadline import due
from watchpost.screening.guard import Question, Verdict, fail
from watchpost.screening.screen import examine
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.roster import Roster

LONGEST_S = 30.0
"""How long an answer may take where the caller says nothing, and at most."""
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One text, the guards it is for, and until when an answer is wanted (`time.monotonic`)."""

    question: Question
    guards: tuple[str, ...]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """`threads` that check, and `open_requests` that may be open at the same time.

    A guard that waits on another host has `remote_threads` of its own, so that a dead one costs
    the others nothing.
    """

    threads: int = 32
    remote_threads: int = 8
    open_requests: int = 512


class Desk:
    """A running service without its wire. `open` makes it ready; `close` finishes and ends it."""

    def __init__(self, roster: Roster, batcher: Batcher, meter: Meter, limits: Limits) -> None:
        self.roster = roster
        self.meter = meter
        self._batcher = batcher
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="watchpost-check")
        self._far: dict[str, _Far] = {}
        self._is_warm = False
        self._is_closing = False
        self._open = 0
        self._lock = threading.Lock()
        meter.watch("open_requests", lambda: float(self._open))

    @property
    def trouble(self) -> str:
        """Why it is not ready; '' when it is."""
        if self._is_closing:
            return "stopping"
        if not self._batcher.is_alive:
            return "the thread of the device has ended"
        return "" if self._is_warm else "loading"

    def open(self) -> None:
        """Load and warm every guard; takes as long as that does. Raises what a guard raises."""
        self.roster.warm()
        self._is_warm = True

    def stop_taking(self) -> None:
        """Be ready no more; what is open is still answered."""
        self._is_closing = True

    def close(self) -> None:
        """Finish what is open and end every thread."""
        self._is_closing = True
        for pool in (self._pool, *(far.pool for far in self._far.values())):
            pool.shutdown(wait=True)
        self._batcher.close()
        self.roster.close()

    async def answer(self, asked: Asked) -> list[Verdict]:
        """A verdict of each guard in order, failed and `late` where there was none in time.

        Raises Full when too much is open or waits already.
        """
        with self._lock:
            if self._open >= self._limits.open_requests:
                self.meter.count("refused")
                raise Full("too many requests are open", _RETRY_S)
            self._open += 1
        began_s = time.perf_counter()
        try:
            verdicts = await self._ask_all(asked)
        finally:
            with self._lock:
                self._open -= 1
            self.meter.measure("request_seconds", time.perf_counter() - began_s)
        self._count(verdicts)
        if any(verdict.failed and verdict.reason == Full.__name__ for verdict in verdicts):
            # What a guard raises is told by its kind alone.
            raise Full("too much waits for the device", self._batcher.wait_s)
        return verdicts

    async def replace(self, name: str, revision: str) -> tuple[str, str]:
        """`Roster.replace`, off the event loop."""
        # Not on a thread that checks: loading takes a minute.
        before, after = await asyncio.to_thread(self.roster.replace, name, revision)
        self.meter.count("swaps", guard=name)
        return before, after

    async def _ask_all(self, asked: Asked) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        tasks = [self._start(loop, name, asked) for name in asked.guards]
        left_s = asked.deadline_s - time.monotonic()
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, left_s))
        verdicts = []
        for name, task in zip(asked.guards, tasks, strict=True):
            if task.done():
                verdicts.append(task.result())
            else:
                task.cancel()
                verdicts.append(_give_up(name))
        return verdicts

    def _start(
        self, loop: asyncio.AbstractEventLoop, name: str, asked: Asked
    ) -> asyncio.Future[Verdict]:
        with self.roster.borrow(name) as guard:
            is_far = bool(getattr(guard, "remote", False))
        if not is_far:
            return loop.run_in_executor(self._pool, self._check, name, asked)
        far = self._far.get(name)
        if far is None:
            far = self._far[name] = _Far(name, self._limits.remote_threads)
        return loop.run_in_executor(far.pool, self._check_far, far, name, asked)

    def _check_far(self, far: "_Far", name: str, asked: Asked) -> Verdict:
        if time.monotonic() >= asked.deadline_s:
            return _give_up(name)  # It was never asked: that says nothing about it.
        ticket = far.breaker.admit()
        if ticket is None:
            return Verdict(guard=name, label="circuit_open", failed=True, reason="circuit open")
        verdict = self._check(name, asked)
        far.breaker.report(ticket, is_well=not verdict.failed)
        return verdict

    def _check(self, name: str, asked: Asked) -> Verdict:
        if time.monotonic() >= asked.deadline_s:
            return _give_up(name)
        with self.roster.borrow(name) as guard, due(asked.deadline_s):
            try:
                verdict = examine(guard, asked.question)
            except BaseException as error:  # A guard that leaves by SystemExit ends nothing else.
                verdict = fail(guard, type(error).__name__, 0.0)
        if verdict.failed and verdict.reason == TimeoutError.__name__:
            return replace(verdict, label="late")
        return verdict

    def _count(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            outcome = "failed" if verdict.failed else "tripped" if verdict.tripped else "passed"
            self.meter.count("checks", guard=verdict.guard, outcome=outcome)


class _Far:
    """The way to a guard on another host: threads of its own, and a circuit."""

    def __init__(self, name: str, threads: int) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=f"watchpost-{name}")
        self.breaker = Breaker()


def _give_up(name: str) -> Verdict:
    return Verdict(guard=name, label="late", failed=True, reason="no answer before the deadline")
