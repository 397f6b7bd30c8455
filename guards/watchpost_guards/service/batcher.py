"""The thread that owns a device: pieces of many texts go through its models in batches.

Whoever asks cuts its text on a thread of its own, hands the pieces over and waits, at most until
the deadline it was given. While one batch is computed the next one gathers. It knows neither texts
nor verdicts; what comes next is the schedule's to say.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from watchpost.errors import Full
from watchpost.screening.deadline import find_deadline
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.schedule import Bounds, Piece, Schedule, Taken, find_widest

_NEVER = 10.0
"""Seconds between two looks at the clock where nothing happens."""


class Engine(Protocol):
    """A model as the batcher needs it."""

    @property
    def lane(self) -> str:
        """A name of its own: what two engines are given never goes through one of them together."""
        ...

    def run(self, rows: Sequence[Any], length: int) -> Sequence[Any]:
        """What the model says to each row, padded to `length` tokens. On the device's thread."""
        ...


class Batcher:
    """One device's thread, and what waits for it. `close` lets it finish what was taken."""

    def __init__(self, bounds: Bounds, meter: Meter) -> None:
        self._schedule: Schedule[_Row] = Schedule(bounds)
        self._bounds = bounds
        self._meter = meter
        self._wake = threading.Condition()
        self._is_closing = False
        # Tokens a second of the last batches: how long what waits will take.
        self._pace = 1000.0
        meter.watch("waiting_tokens", lambda: float(self.waiting_tokens))
        self._thread = threading.Thread(target=self._work, name="watchpost-device", daemon=True)
        self._thread.start()

    @property
    def widest(self) -> int:
        """Tokens one piece may have."""
        return find_widest(self._bounds)

    @property
    def waiting_tokens(self) -> int:
        """Tokens that wait, padding included."""
        return self._schedule.waiting_tokens

    @property
    def wait_s(self) -> float:
        """Seconds until what waits will be done, at the pace of the last batches; 1 at least."""
        return max(1.0, self.waiting_tokens / self._pace)

    @property
    def is_alive(self) -> bool:
        """Whether the device's thread works."""
        return self._thread.is_alive()

    def run(self, engine: Engine, rows: Sequence[Any], tokens: Sequence[int]) -> list[Any]:
        """What the model says to each row, of so many tokens, in order.

        Raises TimeoutError when the deadline of whoever asks passes first, Full when too much waits
        already, and what the model raised.
        """
        if not rows:
            return []
        deadline_s = find_deadline()
        ticket = _Ticket(len(rows))
        pieces = [
            Piece(engine.lane, size, deadline_s, _Row(engine, ticket, number, row))
            for number, (row, size) in enumerate(zip(rows, tokens, strict=True))
        ]
        with self._wake:
            self._admit(pieces)
            self._wake.notify()
        return ticket.wait(deadline_s)

    def close(self) -> None:
        """Take nothing more, finish what waits, end the thread."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()

    def _admit(self, pieces: "list[Piece[_Row]]") -> None:
        now_s = time.monotonic()
        if self._is_closing:
            raise Full("the service is stopping", 1.0)
        if self._schedule.offer(pieces, now_s):
            return
        self._give_up(self._schedule.drop_late(now_s))
        if not self._schedule.offer(pieces, now_s):
            self._meter.count("refused")
            raise Full("too much waits", self.wait_s)

    def _work(self) -> None:
        while True:
            with self._wake:
                taken = self._schedule.take(time.monotonic())
                while taken is None:
                    if self._is_closing:
                        return
                    self._wake.wait(_NEVER)
                    taken = self._schedule.take(time.monotonic())
            self._give_up(taken.late)
            # Whoever stopped waiting for one row of a text waits for none of it.
            rows = [piece.content for piece in taken.pieces if not piece.content.ticket.is_over]
            if rows:
                self._compute(taken, rows)

    def _compute(self, taken: "Taken[_Row]", rows: "list[_Row]") -> None:
        began_s = time.perf_counter()
        answers = _try(rows, taken.length)
        spent_s = max(time.perf_counter() - began_s, 1e-6)
        for row, answer in zip(rows, answers, strict=True):
            row.ticket.settle(row.number, answer)
        padded = taken.length * len(rows)
        self._pace += 0.2 * (padded / spent_s - self._pace)
        self._meter.count("batches")
        self._meter.count("rows", len(rows))
        self._meter.count("padded_tokens", padded)
        self._meter.measure("batch_rows", len(rows))
        self._meter.measure("batch_seconds", spent_s)

    def _give_up(self, late: "Sequence[Piece[_Row]]") -> None:
        for piece in late:
            piece.content.ticket.settle(piece.content.number, TimeoutError("too late"))
        if late:
            self._meter.count("late_rows", len(late))


class _Ticket:
    """What one caller waits for: an answer, or an exception, for each of its rows."""

    def __init__(self, count: int) -> None:
        self._answers: list[Any] = [None] * count
        self._missing = count
        self._lock = threading.Lock()
        self._done = threading.Event()
        self.is_over = False

    def settle(self, number: int, answer: Any) -> None:
        """One row's answer, or what went wrong with it."""
        with self._lock:
            self._answers[number] = answer
            self._missing -= 1
            is_done = self._missing == 0 or isinstance(answer, BaseException)
        if is_done:
            self._done.set()

    def wait(self, deadline_s: float) -> list[Any]:
        """All answers. Raises the first exception, or TimeoutError at the deadline."""
        left_s = max(0.0, deadline_s - time.monotonic())
        in_time = self._done.wait(min(left_s, threading.TIMEOUT_MAX))
        self.is_over = True
        if not in_time:
            raise TimeoutError("no answer before the deadline")
        for answer in self._answers:
            if isinstance(answer, BaseException):
                raise answer
        return self._answers


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    engine: Engine
    ticket: _Ticket
    number: int
    content: Any


def _try(rows: list[_Row], length: int) -> Sequence[Any]:
    """Answers in order. A batch that fails is tried row by row: one text must not fail another."""
    run: Callable[[Sequence[Any], int], Sequence[Any]] = rows[0].engine.run
    try:
        return run([row.content for row in rows], length)
    except Exception as error:
        if len(rows) == 1:
            return [error]
    return [answer for row in rows for answer in _try([row], length)]
