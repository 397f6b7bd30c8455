"""The span processor: takes finished spans in a moment, delivers them from a thread of its own.

Bounded in bytes, not in spans; waits on a condition, never polls; survives a fork; drains at
exit. What the collector cannot take now goes to the spill and leaves later, in order; where the
disk cannot be used it waits in memory, within the same bound. What had to be dropped is counted
and said in one log line a minute. It does not know what spans mean.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from watchpost.errors import ConfigError
from watchpost.export import CAPTURES, Capture
from watchpost.export.delivery import Delivery
from watchpost.export.encoding import (
    Encoded,
    Treatment,
    encode_batch,
    encode_event_batch,
)
from watchpost.export.endings import follow_process, leave_process
from watchpost.export.event import Event
from watchpost.export.exporter import Sender, compress, parse_endpoint
from watchpost.export.losses import Losses
from watchpost.export.spill import Spill, default_directory
from watchpost.export.weight import weigh
from watchpost.masking.redaction import Redactor
from watchpost.screening.bulk import share_bulk_guard
from watchpost.screening.declared import DECLARED, declare
from watchpost.screening.policy import Policy
from watchpost.screening.screen import warm

_log = logging.getLogger("watchpost")

BATCH_SPANS = 512
BATCH_BYTES = 2 * 1024 * 1024
SHUTDOWN_S = 10.0
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the spans so far: each is in exactly one of the last four, in the end.

    Events (scores) are counted among them.
    """

    received: int
    delivered: int
    spilled: int
    dropped: int
    waiting: int


class ExportProcessor(SpanProcessor):
    """Queue and thread between finished spans and a collector."""

    def __init__(
        self,
        treatment: Treatment,
        delivery: Delivery,
        *,
        queue_bytes: int,
        interval_s: float,
    ) -> None:
        self._treatment = treatment
        self._delivery = delivery
        self._queue_bytes = queue_bytes
        self._interval_s = interval_s
        self._closed = False
        self._reset()
        follow_process(self)

    def _reset(self) -> None:
        self._wake = threading.Condition()
        self._queue: deque[tuple[ReadableSpan | Event, int]] = deque()
        self._queued_bytes = 0
        self._received = 0
        self._overflowed = 0
        self._losses = Losses()
        self._in_hand = 0
        self._flushes = 0
        self._flushed = 0
        self._pressed = (0, False)
        self._thread: threading.Thread | None = None

    def forked(self) -> None:
        """Begin anew in a child: the parent delivers what it had, by its thread and connection."""
        self._reset()
        self._delivery.forget()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span is looked at when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a finished span. Costs the caller a lock and a sum of lengths. Never raises."""
        try:
            context = span.get_span_context()
            if context is not None and context.trace_flags.sampled:
                self._enqueue(span, weigh)
        except Exception as error:
            self._lose(error)

    def take(self, event: Event) -> None:
        """Take an event as spans are taken; it is delivered among them."""
        self._enqueue(event, lambda event: event.weight)

    def _enqueue(self, item: Any, weigh: Callable[[Any], int]) -> None:
        if self._treatment.capture == "off":
            return
        size = weigh(item)
        with self._wake:
            self._received += 1
            held = self._queued_bytes + self._delivery.held_bytes
            if self._closed or held + size > self._queue_bytes:
                self._overflowed += 1
                self._losses.count(1)
            else:
                self._queue.append((item, size))
                self._queued_bytes += size
            self._start()
            if len(self._queue) == 1 or self._is_batch_full():
                self._wake.notify_all()

    def _lose(self, error: Exception) -> None:
        with self._wake:
            self._received += 1
            self._overflowed += 1
        self._losses.count(1)
        _log.debug("a span could not be taken: %s", type(error).__name__)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver what has ended by now. True when the collector has it all.

        Returns as soon as the outcome is known: with the collector away, once all of it is
        spilled.
        """
        if self._closed or self._treatment.capture == "off":
            return not self._queue
        return self._drain(timeout_s) and self._delivery.is_clear

    def settle(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Deliver what has ended by now, or spill it where that takes longer than half the time."""
        if not self._drain(timeout_s / 2):
            self._delivery.hurry()
            self._drain(timeout_s / 2)
            self._delivery.take_time()

    def hasten(self) -> None:
        """The end is near: finished spans wait for no company from now on."""
        with self._wake:
            self._interval_s = 0.0
            self._wake.notify_all()

    def _drain(self, timeout_s: float) -> bool:
        """Whether all that has ended by now was delivered or kept within the time."""
        deadline_s = time.monotonic() + timeout_s
        with self._wake:
            self._flushes += 1
            mine = self._flushes
            self._start()
            self._wake.notify_all()
            while self._flushed < mine and self._thread is not None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._wake.wait(left_s)
            return self._flushed >= mine

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """`flush` by the name OpenTelemetry calls it."""
        return self.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Deliver or spill what is left and stop. Safe to call twice; bounded in time."""
        with self._wake:
            thread = self._thread
            self._closed = True
            self._wake.notify_all()
        leave_process(self)
        if thread is None:
            # None was ever started, or none can be any more while the interpreter ends.
            self._run_if_queued()
        elif thread is not threading.current_thread():
            thread.join(SHUTDOWN_S / 2)
            if thread.is_alive():
                self._delivery.hurry()
                thread.join(SHUTDOWN_S / 2)
        with self._wake:
            left, self._queue = len(self._queue) + self._in_hand, deque()
            self._overflowed += left
            self._in_hand = 0
        self._losses.count(left)
        self._losses.tell(self._delivery.trouble, at_once=True)

    def _run_if_queued(self) -> None:
        if self._queue:
            self._run()

    @property
    def keeps_content(self) -> bool:
        """Whether what was said leaves at all; it may still be masked on its way."""
        return self._treatment.capture in ("full", "redacted")

    @property
    def counts(self) -> Counts:
        """What became of the spans this process handed over."""
        with self._wake:
            done = self._delivery.counts
            return Counts(
                received=self._received,
                delivered=done.delivered,
                spilled=done.spilled,
                dropped=self._overflowed + done.dropped,
                waiting=len(self._queue) + self._in_hand + done.held,
            )

    def _start(self) -> None:
        if self._thread is not None or self._closed:
            return
        thread = threading.Thread(target=self._run, name="watchpost-export", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter ends, or there are too many: the next span or `shutdown` tries again.
            return
        self._thread = thread

    def _is_batch_full(self) -> bool:
        return len(self._queue) >= BATCH_SPANS or self._queued_bytes >= BATCH_BYTES

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wait_for_work()
                asked, closing = self._flushes, self._closed
                batch = self._take_batch()
            self._export(batch, urgent=self._is_pressed(asked, closing))
            self._losses.tell(self._delivery.trouble, at_once=False)
            with self._wake:
                self._in_hand = 0
                if not self._queue:
                    self._flushed = max(self._flushed, asked)
                    self._wake.notify_all()
                    if closing:
                        break
        self._losses.count(self._delivery.give_up())
        self._delivery.close()

    def _is_pressed(self, asked: int, closing: bool) -> bool:
        """Whether a collector that is away is tried before its time: once for each who asks."""
        earlier, self._pressed = self._pressed, (asked, closing)
        return (asked > self._flushed or closing) and earlier != self._pressed

    def _wait_for_work(self) -> None:
        """Sleep until spans are due, a spilled batch may leave, or somebody is waiting."""
        while not (self._closed or self._flushes > self._flushed):
            retry_s = self._delivery.next_attempt_in_s
            if not self._queue:
                if retry_s is not None and retry_s <= 0:
                    return
                self._wake.wait(retry_s)
                continue
            since_s = time.monotonic()
            while not (self._is_batch_full() or self._closed or self._flushes > self._flushed):
                left_s = since_s + self._interval_s - time.monotonic()
                if left_s <= 0:
                    break
                self._wake.wait(left_s)
            return

    def _take_batch(self) -> list[ReadableSpan | Event]:
        batch: list[ReadableSpan | Event] = []
        taken = 0
        while self._queue and len(batch) < BATCH_SPANS and taken < BATCH_BYTES:
            span, size = self._queue.popleft()
            batch.append(span)
            taken += size
        self._queued_bytes -= taken
        self._in_hand = len(batch)
        return batch

    def _export(self, batch: list[ReadableSpan | Event], *, urgent: bool) -> None:
        spans = [item for item in batch if not isinstance(item, Event)]
        events = [item for item in batch if isinstance(item, Event)]
        if spans or not events:
            # The collector is told with the next spans how many it will never see.
            lost = self._losses.take_unsaid() if spans else 0
            treatment = replace(self._treatment, lost=lost) if lost else self._treatment
            dropped = self._export_one(spans, treatment, encode_batch, urgent=urgent)
            if dropped:
                self._losses.give_back(lost)
            self._losses.count(dropped)
        if events:
            treatment = self._treatment
            self._losses.count(
                self._export_one(events, treatment, encode_event_batch, urgent=urgent)
            )

    def _export_one(
        self,
        batch: list[Item],
        treatment: Treatment,
        encode: Callable[[list[Item], Treatment], Encoded],
        *,
        urgent: bool,
    ) -> int:
        """Deliver what goes together, or what is on disk for an empty batch; returns drops."""
        try:
            if not batch:
                return self._delivery.redeliver(urgent=urgent)
            encoded = encode(batch, treatment)
            dropped = encoded.dropped
            if encoded.spans:
                body, signal = compress(encoded.body), encoded.signal
                dropped += self._delivery.offer(body, encoded.spans, urgent=urgent, signal=signal)
            if encoded.dropped:
                self._delivery.count_dropped(encoded.dropped)
        except Exception as error:
            # Whatever went wrong, the thread lives on and the loss is counted.
            self._delivery.count_dropped(len(batch))
            _log.debug("a batch could not be exported: %s", type(error).__name__)
            return len(batch)
        return dropped


def make_processor(
    *,
    endpoint: str,
    key: str | None,
    capture: Capture | None,
    policy: Policy | None,
    spill_dir: Path | None,
    backfill: bool,
    queue_bytes: int,
    spill_bytes: int,
    interval_s: float,
) -> ExportProcessor:
    """What `watchpost.export.build_processor` promises."""
    destination = parse_endpoint(endpoint)
    if capture is not None and capture not in CAPTURES:
        raise ConfigError("capture", capture, f"say one of {', '.join(CAPTURES)}")
    masks = policy is not None and policy.has_redaction
    if capture is None:
        capture = "redacted" if masks else "full" if destination.is_loopback else "metadata"
    declare(policy)
    if capture == "redacted" and not masks:
        policy = Policy(redact=[share_bulk_guard(name) for name in ("pii", "secrets")])
        warm(policy)
    # Another key may be another project: what was spilled for one never goes to the other.
    label = f"{endpoint}\n{key or ''}\n{backfill}"
    delivery = Delivery(
        Sender(destination, key=key, backfill=backfill),
        Spill(spill_dir or default_directory(), label, spill_bytes),
        random.Random(),  # noqa: S311 - jitter, not a secret
    )
    return ExportProcessor(
        Treatment(capture, Redactor(policy, lambda: DECLARED.rules)),
        delivery,
        queue_bytes=queue_bytes,
        interval_s=interval_s,
    )
