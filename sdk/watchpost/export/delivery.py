"""Getting batches to the collector in order: straight when it answers, by way of the spill when
it does not, and from memory where the disk cannot be used either. Knows when to try again; does not
know spans, threads or queues. One thread uses it.
"""

import logging
import random
import time
from collections import deque
from dataclasses import dataclass

from watchpost.export.exporter import TRACES, Outcome, Sender
from watchpost.export.spill import Spill

_log = logging.getLogger("watchpost")

FIRST_BACKOFF_S = 0.5
DISTRUST_S = 60.0
LONGEST_BACKOFF_S = 60.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """Spans so far: accepted by the collector, now on disk, given up, now held in memory."""

    delivered: int
    spilled: int
    dropped: int
    held: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What leaves together: its bytes, how many spans are in it, where it goes."""

    body: bytes
    spans: int
    signal: str


class Delivery:
    """One collector as seen from one process: present, or away until some moment."""

    def __init__(self, sender: Sender, spill: Spill, jitter: random.Random) -> None:
        self._sender = sender
        self._spill = spill
        self._jitter = jitter
        # After trouble with the disk it is left alone until then.
        self._distrusted_until_s: float | None = None
        self._is_away = False
        # True until looked: an earlier process may have left batches behind.
        self._has_spilled = True
        self._next_attempt_s = 0.0
        self._told_to_wait = False
        self._failures = 0
        self._is_hurried = False
        self._reset()
        self.trouble = ""

    def _reset(self) -> None:
        # What neither the collector nor the disk takes for now.
        self._held: deque[Batch] = deque()
        self._held_spans = self.held_bytes = 0
        self._delivered = self._spilled = self._dropped = 0

    @property
    def is_clear(self) -> bool:
        """Whether the collector answered last time and nothing waits on disk or in memory."""
        return not (self._is_away or self._has_spilled or self._held)

    @property
    def next_attempt_in_s(self) -> float | None:
        """Seconds until a batch that waits may be tried again; None when none does."""
        if not self._has_spilled and not self._held:
            return None
        return max(0.0, self._next_attempt_s - time.monotonic())

    @property
    def counts(self) -> Delivered:
        """What became of the spans so far."""
        return Delivered(self._delivered, self._spilled, self._dropped, self._held_spans)

    def count_dropped(self, spans: int) -> None:
        """Count spans that were lost before they got here."""
        self._dropped += spans

    def offer(self, body: bytes, spans: int, *, urgent: bool, signal: str = TRACES) -> int:
        """Deliver one batch after everything that came before it; returns spans dropped.

        `urgent` tries a collector that is away before its time, unless it asked for that time.
        """
        dropped = self.redeliver(urgent=urgent)
        self._held.append(Batch(body, spans, signal))
        self._held_spans += spans
        self.held_bytes += len(body)
        if not (self._is_hurried or self._is_away or self._has_spilled):
            dropped += self._send_held()
        return dropped + self._spill_held()

    def redeliver(self, *, urgent: bool) -> int:
        """Send what waits, oldest first, while the collector takes it; returns drops."""
        dropped = self._spill_held()
        if not self._may_try(urgent):
            return dropped
        if self._trusts_spill() and self._has_spilled:
            dropped += self._send_spilled()
            if self._has_spilled:
                return dropped
        if self._held:
            return dropped + self._send_held()
        self._is_away = False
        return dropped

    def give_up(self) -> int:
        """Drop what is held in memory, because the process ends; returns spans."""
        dropped = self._held_spans
        self._held = deque()
        self._held_spans = self.held_bytes = 0
        self._dropped += dropped
        return dropped

    def hurry(self) -> None:
        """No time is left to wait for answers: keep what comes. Any thread may say so."""
        self._is_hurried = True
        self._sender.interrupt()

    def take_time(self) -> None:
        """There is time after all."""
        self._is_hurried = False

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def forget(self) -> None:
        """Start afresh in a forked child: the counts and the connection are the parent's."""
        self._sender.forget()
        self._spill.forget()
        # The parent may never look: under `gunicorn --preload` it records nothing.
        self._has_spilled = True
        self._reset()

    def _may_try(self, urgent: bool) -> bool:
        if self._is_hurried:
            return False
        if time.monotonic() >= self._next_attempt_s:
            return True
        return urgent and not self._told_to_wait

    def _send_held(self) -> int:
        dropped = 0
        while self._held:
            batch = self._held[0]
            outcome = self._sender.send(batch.body, batch.signal)
            if outcome.kind == "later":
                self._back_off(outcome)
                break
            self._release()
            dropped += self._settle(outcome, batch.spans)
        return dropped

    def _spill_held(self) -> int:
        """Move what is held to the disk, behind what is there already; returns drops."""
        dropped = 0
        while self._held and self._trusts_spill():
            batch = self._held[0]
            try:
                lost = self._spill.append(batch.body, batch.spans, batch.signal)
            except OSError as error:
                self._distrust_spill(error)
                break
            self._release()
            self._has_spilled = True
            if lost:
                self.trouble = "the spill is full and the collector is away"
            self._spilled = max(0, self._spilled + batch.spans - lost)
            dropped += lost
        self._dropped += dropped
        return dropped

    def _release(self) -> None:
        batch = self._held.popleft()
        self._held_spans -= batch.spans
        self.held_bytes -= len(batch.body)

    def _send_spilled(self) -> int:
        try:
            if not self._spill.stored():
                self._has_spilled = False
                return 0
            with self._spill.claim() as is_mine:
                return self._drain() if is_mine else self._leave_to_other()
        except OSError as error:
            self._distrust_spill(error)
            return 0

    def _drain(self) -> int:
        dropped = 0
        while kept := self._spill.stored():
            for item in kept:
                body = self._spill.read(item)
                if body is None:
                    self._spill.remove(item)
                    continue
                outcome = self._sender.send(body, item.signal)
                if outcome.kind == "later":
                    self._back_off(outcome)
                    return dropped
                self._spill.remove(item)
                self._spilled = max(0, self._spilled - item.spans)
                dropped += self._settle(outcome, item.spans)
        self._is_away = self._has_spilled = False
        return dropped

    def _leave_to_other(self) -> int:
        """Another process is delivering this directory, ours included; look again soon."""
        self._next_attempt_s = time.monotonic() + FIRST_BACKOFF_S
        return 0

    def _settle(self, outcome: Outcome, spans: int) -> int:
        self._failures = 0
        self._is_away = self._told_to_wait = False
        self._next_attempt_s = 0.0
        lost = spans if outcome.kind == "refused" else min(outcome.rejected, spans)
        if lost:
            self.trouble = f"the collector refused them ({outcome.reason or 'partial success'})"
        self._delivered += spans - lost
        self._dropped += lost
        return lost

    def _back_off(self, outcome: Outcome) -> None:
        if not self._is_away:
            _log.warning(
                "the collector cannot be reached (%s); spans are kept and sent later",
                outcome.reason,
            )
        self._is_away = True
        self._failures += 1
        self._told_to_wait = outcome.retry_after_s is not None
        wait_s = outcome.retry_after_s
        if wait_s is None:
            longest_s = min(FIRST_BACKOFF_S * 2 ** min(self._failures - 1, 10), LONGEST_BACKOFF_S)
            wait_s = longest_s * self._jitter.uniform(0.5, 1.0)
        self._next_attempt_s = time.monotonic() + wait_s

    def _trusts_spill(self) -> bool:
        if self._distrusted_until_s is None:
            return True
        if time.monotonic() < self._distrusted_until_s:
            return False
        # What was kept before the trouble may still be there.
        self._distrusted_until_s, self._has_spilled = None, True
        return True

    def _distrust_spill(self, error: OSError) -> None:
        self._distrusted_until_s = time.monotonic() + DISTRUST_S
        self._has_spilled = False
        self.trouble = "the collector is away and the spill directory cannot be used"
        _log.warning("the spill directory cannot be used (%s)", type(error).__name__)
