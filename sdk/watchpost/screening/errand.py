"""A guard at work on the texts of one request, off the caller's thread and under a deadline.

Whoever collects waits no longer than the deadline: what is not answered by then has failed, and the
thread that still waits for the guard is left behind, counted, and told to do nothing more. A guard
that keeps failing is not asked for a while, see `breaker`. It does not know how a guard is asked
nor what its verdict leads to.
"""

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence

from watchpost.screening.breaker import Breaker
from watchpost.screening.deadline import due
from watchpost.screening.guard import Guard, Question, Verdict, fail

THREADS_A_GUARD = 8
"""Texts of one request that a remote guard is asked about at the same time."""
STUCK_THREADS = 64
"""A guard that never answers costs a thread each time; past this many it is not asked again."""
_REMEMBERED_NAMES = 256

Look = Callable[[Guard, Question], Verdict]


class Errand:
    """One guard, some texts, and the threads that ask. `collect` is called once."""

    def __init__(
        self, guard: Guard, questions: Sequence[Question], deadline_s: float, look: Look
    ) -> None:
        self._guard = guard
        self._questions = questions
        self._deadline_s = deadline_s
        self._due_s = time.monotonic() + deadline_s
        self._look = look
        self._is_remote = bool(getattr(guard, "remote", False))
        self._verdicts: list[Verdict | None] = [None] * len(questions)
        self._next = self._answered = 0
        self._asking: list[int] = []
        self._is_over = False
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._began = time.perf_counter()
        self._line = _line_of(guard)
        if self._line.breaker.refuses:
            self._refuse("circuit open", "circuit_open")
        elif self._line.stuck >= STUCK_THREADS:
            self._refuse("too many of its checks are still waiting", "busy")
        else:
            for _ in range(min(len(questions), THREADS_A_GUARD) if self._is_remote else 1):
                threading.Thread(
                    target=self._work, name=f"watchpost-{guard.name}", daemon=True
                ).start()

    def collect(self) -> list[Verdict]:
        """A verdict for each text in order, failed where there is none when the deadline passes."""
        spent_s = time.perf_counter() - self._began
        self._done.wait(max(0.0, self._deadline_s - spent_s))
        with self._lock:
            self._is_over = True
            late = list(self._asking)
            answered = list(self._verdicts)
        if late:
            self._line.leave_behind(len(late))
            # Once for all that wait, whose tickets are the same: one host was too slow, once.
            self._line.breaker.report(late[0], is_well=False)
        spent_ms = (time.perf_counter() - self._began) * 1000
        reason = f"no answer within {self._deadline_s:g} s"
        return [
            verdict if verdict is not None else fail(self._guard, reason, spent_ms, "late")
            for verdict in answered
        ]

    def _refuse(self, reason: str, label: str) -> None:
        self._verdicts = [fail(self._guard, reason, 0.0, label) for _ in self._questions]
        self._done.set()

    def _work(self) -> None:
        breaker = self._line.breaker
        while (index := self._take()) is not None:
            ticket = breaker.admit()
            if ticket is None:
                self._settle(index, fail(self._guard, "circuit open", 0.0, "circuit_open"))
            elif not self._ask(index, ticket):
                return

    def _ask(self, index: int, ticket: int) -> bool:
        """Ask about one text; False when nobody waits for the answer any more."""
        with self._lock:
            if self._is_over:
                return False
            self._asking.append(ticket)
        try:
            with due(self._due_s):
                verdict = self._look(self._guard, self._questions[index])
        except BaseException as error:  # A guard may also leave by SystemExit: nobody is told then.
            verdict = fail(self._guard, type(error).__name__, 0.0)
        with self._lock:
            self._asking.remove(ticket)
            is_over = self._is_over
        if is_over:
            self._line.come_back()
            return False
        # A guard in this process that fails at once costs nothing, and the next text may suit it.
        self._line.breaker.report(ticket, is_well=not (verdict.failed and self._is_remote))
        self._settle(index, verdict)
        return True

    def _take(self) -> int | None:
        with self._lock:
            if self._is_over or self._next == len(self._questions):
                return None
            self._next += 1
            return self._next - 1

    def _settle(self, index: int, verdict: Verdict) -> None:
        with self._lock:
            self._verdicts[index] = verdict
            self._answered += 1
            is_last = self._answered == len(self._questions)
        if is_last:
            self._done.set()


class _Line:
    """What is known of the way to one guard: its circuit, and the threads stuck on it."""

    __slots__ = ("_lock", "breaker", "stuck")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.stuck = 0
        self._lock = threading.Lock()

    def leave_behind(self, threads: int) -> None:
        with self._lock:
            self.stuck += threads

    def come_back(self) -> None:
        with self._lock:
            self.stuck -= 1


_lines: "weakref.WeakKeyDictionary[Guard, _Line]" = weakref.WeakKeyDictionary()
# Guards that cannot be hashed or referred to weakly, a plain dataclass is one, by their name.
_lines_by_name: OrderedDict[str, _Line] = OrderedDict()


def _line_of(guard: Guard) -> _Line:
    try:
        line = _lines.get(guard)
        return line if line is not None else _lines.setdefault(guard, _Line())
    except TypeError:
        line = _lines_by_name.setdefault(guard.name, _Line())
        if len(_lines_by_name) > _REMEMBERED_NAMES:
            _lines_by_name.popitem(last=False)
        return line


def _forget_lines() -> None:
    """In a forked child: the threads that are stuck, or hold a lock, are the parent's."""
    _lines.clear()
    _lines_by_name.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lines)
