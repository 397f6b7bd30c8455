"""The spool: accepted requests in files on disk, durable before they are acknowledged.

One writer thread appends envelopes to the open segment file, syncs once for all that came in
meanwhile, and only then settles their futures. A segment is sealed by size or age and handed on,
in order. Segment files are insert bodies as they are. This file knows framing and disks; it knows
no HTTP, no spans and no store.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from watchpost.errors import Full
from watchpost_collector import fault
from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.otlp.signals import TRACES, Signal, mark_segment
from watchpost_collector.spool.open_file import OpenFile, begin_file

log = logging.getLogger(__name__)

SUFFIX = ".spool"
_NAME_DIGITS = 20
_MEND_EVERY_S = 1.0


# What to do when the oldest waiting segment is past its bound; all of them say so.
KEEP, REFUSE, DROP = "keep", "refuse", "drop"
WHEN_OLD = (KEEP, REFUSE, DROP)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is sealed, and how much may wait on disk for how long. Bytes and seconds.

    `when_old` says what happens once the oldest segment waited for `bound_age_s`: it is kept and
    told of, or new requests are refused, or it is dropped, counted, and the next is tried.
    """

    segment_bytes: int = 64 << 20
    segment_age_s: float = 1.0
    bound_bytes: int = 4 << 30
    segment_spans: int = 200_000
    bound_age_s: float = 86_400.0
    when_old: str = KEEP


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed segment file: what the flusher sends as it is and then deletes.

    `fresh` is true when no insert of it can have been tried before.
    """

    name: str
    path: Path
    size_bytes: int
    spans: int
    digests: tuple[tuple[bytes, int], ...]
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class _Entry:
    letter: Letter
    done: Future[None]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A request to seal now and, once everything before it has been handed on, to say so."""

    reached: Future[None]


@dataclass(frozen=True, slots=True)
class _Sealed:
    size_bytes: int
    since: float


class Spool:
    """The one writer of a signal's segments in a spool directory, from start to `close`.

    Each signal has a spool, and the whole bound, to itself: neither a flood of logs nor their
    syncs keep spans waiting. `hand_on` receives each sealed segment, and each mark's future, in
    order; it is called on the writer thread and must not block.
    """

    def __init__(
        self,
        directory: Path,
        limits: Limits,
        hand_on: Callable[[Segment | Future[None]], None],
        signal: Signal = TRACES,
    ) -> None:
        self.signal = signal
        self._directory = directory
        self._limits = limits
        self._hand_on = hand_on
        self._inbox: queue.SimpleQueue[_Entry | _Mark | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._sealed: dict[str, _Sealed] = {}
        self._closed = False
        self._last_ns = 0
        self._open: OpenFile | None = None
        self._pace_s = 0.0
        self._sealed_at = float("-inf")
        self._look_again_at, self._old = 0.0, False
        self._writer = threading.Thread(target=self._run, name="watchpost-spool", daemon=True)
        self._writer.start()

    @property
    def waiting_bytes(self) -> int:
        """Bytes accepted and not yet released: in memory, in the open file, in sealed ones."""
        return self._waiting_bytes

    @property
    def oldest_s(self) -> float:
        """Seconds the oldest sealed segment has waited, 0 when none waits."""
        with self._lock:
            return self._find_oldest()

    def read_age(self, segment: Segment) -> float:
        """Seconds that a segment has waited; 0 for one that does not wait here."""
        with self._lock:
            known = self._sealed.get(segment.name)
        return time.monotonic() - known.since if known else 0.0

    @property
    def waiting_segments(self) -> int:
        """How many sealed segments wait."""
        return len(self._sealed)

    @property
    def limits(self) -> Limits:
        """The bounds it was given."""
        return self._limits

    def append(self, letter: Letter, done: Future[None] | None = None) -> Future[None]:
        """A future that settles when the letter is on disk; Full when there is no room for it."""
        future = promise() if done is None else done
        size = len(letter.body)
        with self._lock:
            if self._closed:
                raise Full("the collector is stopping", 1.0)
            if self._waiting_bytes + size > self._limits.bound_bytes:
                reason = f"the spool holds {self._waiting_bytes} bytes and its bound is "
                raise Full(f"{reason}{self._limits.bound_bytes}", 5.0)
            if self._limits.when_old == REFUSE and self._is_old():
                raise Full("the oldest spans in the spool wait for longer than its bound", 30.0)
            self._waiting_bytes += size
            self._inbox.put(_Entry(letter, future))
        return future

    def adopt(self, segment: Segment) -> None:
        """Count a recovered segment as waiting, since the moment that its name tells."""
        born_ns = read_birth(segment.name)
        with self._lock:
            # Names sort by time: a clock that was set back must not put new ones before old ones.
            self._last_ns = max(self._last_ns, born_ns)
            waited_ns = max(0, time.time_ns() - born_ns) if born_ns else 0
            self._take_in(segment, time.monotonic() - waited_ns / 1e9)

    def replace(self, segment: Segment, children: Sequence[Segment]) -> None:
        """Count a segment's children in its place; they have waited for as long as it has."""
        with self._lock:
            known = self._sealed.get(segment.name)
            self._let_out(segment.name)
            for child in children:
                self._take_in(child, known.since if known else time.monotonic())

    def release(self, segment: Segment) -> None:
        """Give the room of a segment back: it is stored, set aside or dropped."""
        with self._lock:
            self._let_out(segment.name)

    def _take_in(self, segment: Segment, since: float) -> None:
        self._sealed[segment.name] = _Sealed(segment.size_bytes, since)
        self._waiting_bytes += segment.size_bytes

    def _let_out(self, name: str) -> None:
        known = self._sealed.pop(name, None)
        self._waiting_bytes -= known.size_bytes if known else 0

    def _find_oldest(self) -> float:
        since = min((sealed.since for sealed in self._sealed.values()), default=None)
        return 0.0 if since is None else time.monotonic() - since

    def _is_old(self) -> bool:
        """Whether something waits past its bound; looked up once a second, it takes a while."""
        now = time.monotonic()
        if now >= self._look_again_at:
            self._look_again_at = now + 1.0
            self._old = self._find_oldest() > self._limits.bound_age_s
        return self._old

    def set_pace(self, seconds: float) -> None:
        """Seal by age no oftener than this: what an insert costs whatever it holds is paid less."""
        self._pace_s = seconds

    def mark(self) -> Future[None]:
        """Seal what is open; the future travels through `hand_on` behind everything before it."""
        future = promise()
        self._inbox.put(_Mark(future))
        return future

    def next_name(self) -> str:
        """A segment name: later ones sort later, and no two collectors give the same one."""
        with self._lock:
            self._last_ns = max(time.time_ns(), self._last_ns + 1)
            return mark_segment(f"{self._last_ns:020d}-{secrets.token_hex(4)}", self.signal)

    def close(self) -> None:
        """Take no more, write and seal what was taken, and stop the writer."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._inbox.put(None)
        self._writer.join()

    def _run(self) -> None:
        while True:
            batch, mark, stop = self._collect()
            if batch:
                self._write(batch)
            if self._open is not None and self._open.torn:
                self._mend(self._open, now=mark is not None or stop)
            elif self._open is not None and (mark or stop or self._is_due(self._open)):
                self._seal(self._open)
            if mark is not None and self._open is None:
                self._hand_on(mark.reached)
            elif mark is not None:
                mark.reached.set_exception(Full("the spool holds what it cannot hand on", 5.0))
            if stop:
                if self._open is not None:
                    self._open.close()
                return

    def _collect(self) -> tuple[list[_Entry], _Mark | None, bool]:
        """Everything that waits now, up to a mark, a stop, or a segment's worth of bytes."""
        batch: list[_Entry] = []
        size = 0
        timeout = None
        if self._open is not None:
            timeout = max(0.0, self._due_at(self._open) - time.monotonic())
        try:
            item = self._inbox.get(timeout=timeout)
            while True:
                if item is None:
                    return batch, None, True
                if isinstance(item, _Mark):
                    return batch, item, False
                batch.append(item)
                size += len(item.letter.body)
                if size >= self._limits.segment_bytes:
                    return batch, None, False
                item = self._inbox.get_nowait()
        except queue.Empty:
            return batch, None, False

    def _write(self, batch: Sequence[_Entry]) -> None:
        if self._open is not None and self._open.torn and not self._mend(self._open):
            self._refuse(batch, "what was refused before is still in its file")
            return
        try:
            self._open = self._open or self._start()
            self._open.append(self._frame(batch, self._open.name))
        except Exception as error:  # the one writer must outlive whatever the disk does
            self._retreat(batch, error)
            return
        for entry in batch:
            self._open.body_bytes += len(entry.letter.body)
            self._open.spans += entry.letter.spans
            self._open.digests.append((entry.letter.digest, entry.letter.received_ns))
        for entry in batch:
            entry.done.set_result(None)

    def _frame(self, batch: Sequence[_Entry], segment: str) -> list[bytes]:
        parts: list[bytes] = []
        for entry in batch:
            parts += (frame_head(entry.letter, segment), entry.letter.body)
        return parts

    def _start(self) -> OpenFile:
        name = self.next_name()
        return begin_file(name, self._directory / f"{name}{SUFFIX}")

    def _retreat(self, batch: Sequence[_Entry], error: Exception) -> None:
        """A write or sync failed: cut the file back to what is durable and refuse the batch.

        Whoever is refused sends again: were the file stored, or found again after a crash, with
        its tail, that would be stored twice. So while it cannot be cut it is not handed on, and
        nothing more is taken that a later start would find beside it.
        """
        if self._open is not None:
            self._open.torn = True
            self._mend(self._open)
        self._refuse(batch, str(error))

    def _mend(self, opened: OpenFile, *, now: bool = False) -> bool:
        """Cut and seal a torn file; False while that fails. Tried once in a while, or `now`."""
        if not now and time.monotonic() < opened.try_again_at:
            return False
        try:
            opened.cut()
        except OSError as error:
            if not opened.try_again_at:
                told = (opened.name, error.strerror)
                log.warning("segment %s cannot be cut back to what was acknowledged: %s", *told)
            opened.try_again_at = time.monotonic() + _MEND_EVERY_S
            return False
        self._seal(opened)
        return True

    def _refuse(self, batch: Sequence[_Entry], why: str) -> None:
        with self._lock:
            self._waiting_bytes -= sum(len(entry.letter.body) for entry in batch)
        for entry in batch:
            entry.done.set_exception(Full(f"the spool could not be written ({why})", 5.0))

    def _is_due(self, opened: OpenFile) -> bool:
        limits = self._limits
        if opened.size_bytes >= limits.segment_bytes or opened.spans >= limits.segment_spans:
            return True
        return time.monotonic() >= self._due_at(opened)

    def _due_at(self, opened: OpenFile) -> float:
        """A first segment after a quiet time is due by its age, those of a stream by the pace."""
        if opened.torn:
            return opened.try_again_at
        return max(opened.since + self._limits.segment_age_s, self._sealed_at + self._pace_s)

    def _seal(self, opened: OpenFile) -> None:
        opened.close()
        self._open = None
        self._sealed_at = time.monotonic()
        if opened.size_bytes == 0:
            return
        segment = Segment(
            name=opened.name,
            path=opened.path,
            size_bytes=opened.size_bytes,
            spans=opened.spans,
            digests=tuple(opened.digests),
        )
        fault.reach("sealed")
        with self._lock:
            # Room was taken by body; from here on it is the file's size that counts.
            self._waiting_bytes -= opened.body_bytes
            self._take_in(segment, opened.since)
        self._hand_on(segment)


def promise() -> Future[None]:
    """A future whose waiters may give up without cancelling it for the others."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def read_birth(name: str) -> int:
    """When a segment of this name began, in nanoseconds since 1970; 0 when it does not say."""
    head = name.partition("-")[0]
    return int(head) if head.isascii() and head.isdigit() and len(head) <= _NAME_DIGITS else 0
