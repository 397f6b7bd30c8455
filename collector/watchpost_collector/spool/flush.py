"""The flusher: sealed segments into the store, each exactly once, its file deleted last.

A segment's name is its deduplication token, but a token is no proof: a file goes only when its
rows are counted. A segment that may have been in flight when a process died is reconciled by
count; rows that do not add up are removed and sent under a new name. What the engine cannot read
is found and set aside; what it will not take for a reason unknown waits behind the others.
While the store is away everything is kept, up to the spool's bound. This file knows no HTTP.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from watchpost.errors import CollectorError, Full
from watchpost_collector import fault
from watchpost_collector.counters import Counters
from watchpost_collector.otlp.signals import read_signal
from watchpost_collector.private_files import sync_directory
from watchpost_collector.spool.blame import MiscountedError, is_about_content, may_be_content
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.poison import Decoder, find_poison
from watchpost_collector.spool.segments import count_envelopes, part_segment, split_segment
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import DROP, Segment, Spool
from watchpost_collector.trouble import summarize

log = logging.getLogger(__name__)

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.25, 15.0
_TRIES_BEFORE_PARTING = 5
_TRIES_BEFORE_POSTPONING = 10
_PRUNE_EVERY_S = 600.0
# Analysing the insert's SQL costs the same for one span as for thousands: under a steady stream the
# next segment is sealed after this many times what the last one took, and no later than that.
_PACE_TIMES, _SLOWEST_PACE_S = 3.0, 5.0
_CLOSE_S, _LAST_WORD_S = 10.0, 5.0


class SegmentCount(Protocol):
    """Rows of one segment; `whole` when every row its stored spans promise is there."""

    @property
    def spans(self) -> int: ...
    @property
    def content(self) -> int: ...
    @property
    def verdicts(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def sampled_spans(self) -> int: ...
    @property
    def sampled_content(self) -> int: ...
    @property
    def whole(self) -> bool: ...


class SegmentStore(Decoder, Protocol):
    """What the flusher asks of a store; every call raises when the store is away."""

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        """Insert a segment's envelopes as one deduplicated block."""

    def follow_up(self, segment: str) -> None:
        """Do what an insert does after its rows, for a segment whose rows were found stored."""

    def count_segment(self, segment: str) -> SegmentCount:
        """The rows of a segment by table, and whether the spans' own word for them holds."""

    def remove_segment(self, segment: str) -> None:
        """Remove the rows of a segment everywhere."""

    def is_inserting(self, segment: str) -> bool:
        """Whether an insert of the segment, given up here, still runs in the store."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store is, in words for people: `starting`, `ready` or `away` and why."""

    name: str = "starting"
    reason: str = ""


class Flusher:
    """The one thread that inserts; lives from start to `close`.

    `hand_over` takes segments and marks in order. Nothing happens before `start` gives a store.
    """

    def __init__(self, digests: Digests, counters: Counters, set_aside: SetAside) -> None:
        self._spools: dict[str, Spool] = {}
        self._digests = digests
        self._counters = counters
        self._set_aside = set_aside
        self._inbox: queue.SimpleQueue[Segment | Future[None] | None] = queue.SimpleQueue()
        # Held while the queue is gone through: a mark must not get before what it waits for.
        self._handing = threading.Lock()
        self._stopping = threading.Event()
        self._close_by = float("inf")
        self._thread: threading.Thread | None = None
        # Looks at what a segment brought, when it is proved to be there; an eraser's.
        self.sweep: Callable[[str], object] | None = None
        self._state = StoreState()
        # Segments that went to the end of the queue, and why; while any is there nothing that was
        # promised "when all before it is stored" is true.
        self._postponed: dict[str, str] = {}
        self._prune_at = time.monotonic() + _PRUNE_EVERY_S

    @property
    def state(self) -> StoreState:
        """How the store is, as the last try found it."""
        return self._state

    def bind(self, *spools: Spool) -> None:
        """The spools that get their room back when a segment of theirs is settled."""
        self._spools = {spool.signal.name: spool for spool in spools}

    def hand_over(self, item: Segment | Future[None]) -> None:
        """Queue a sealed segment, or a future to settle when everything before it is settled."""
        with self._handing:
            self._inbox.put(item)

    def start(self, store: SegmentStore) -> None:
        """Begin to flush."""
        self._state = StoreState("ready")
        self._thread = threading.Thread(
            target=self._run, args=(store,), name="watchpost-flush", daemon=True
        )
        self._thread.start()

    def fail(self, reason: str) -> None:
        """Say that the store could not be opened."""
        self._state = StoreState("away", reason)

    def drop_old(self) -> None:
        """Drop what waited past its bound while no store could be opened, if that is wished.

        For whoever opens the store: once `start` was called the flusher sees to it itself.
        """
        waiting: list[Segment | Future[None]] = []
        with self._handing:
            with suppress(queue.Empty):
                while True:
                    item = self._inbox.get_nowait()
                    if item is not None:
                        waiting.append(item)
            for item in waiting:
                if not isinstance(item, Segment) or not self._drop_old(item):
                    self._inbox.put(item)

    def close(self) -> bool:
        """Settle what is queued, leave in the spool what the store will not take soon, stop.

        False when a store that does not answer still holds the thread; its segment is on disk.
        """
        self._close_by = time.monotonic() + _CLOSE_S
        self._stopping.set()
        self._inbox.put(None)
        if self._thread is None:
            return True
        self._thread.join(_CLOSE_S + _LAST_WORD_S)
        return not self._thread.is_alive()

    def _run(self, store: SegmentStore) -> None:
        while (item := self._inbox.get()) is not None:
            if time.monotonic() > self._close_by:
                if isinstance(item, Future):
                    item.set_exception(Full("the collector is stopping", 1.0))
                continue
            if isinstance(item, Future):
                self._answer(item)
                continue
            started = time.monotonic()
            self._settle(store, item)
            took_s = time.monotonic() - started
            self._counters_of(item).flush_seconds.observe(took_s)
            if (spool := self._spool_of(item)) is not None:
                spool.set_pace(min(_PACE_TIMES * took_s, _SLOWEST_PACE_S))
            self._prune()

    def _answer(self, mark: Future[None]) -> None:
        if self._postponed:
            reason = next(iter(self._postponed.values()))
            mark.set_exception(Full(f"{len(self._postponed)} segments are put off: {reason}", 5.0))
        else:
            mark.set_result(None)

    def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + _PRUNE_EVERY_S
        try:
            self._digests.prune()
            self._set_aside.prune()
        except OSError as error:
            log.warning("what is old could not be deleted: %s", error)

    def _settle(self, store: SegmentStore, segment: Segment, poison: str = "") -> None:
        """Deliver, part, set aside or keep trying; returns when settled, or when stopping.

        `poison` is the reason of a segment that is known to hold nothing the engine can read.
        """
        self._postponed.pop(segment.name, None)
        backoff_s, tries, renew = _FIRST_BACKOFF_S, 0, False
        blamed: Exception | None = None
        while True:
            try:
                if poison:
                    self._put_aside(segment, poison)
                    return
                if blamed is not None:
                    self._part(store, segment, blamed)
                    return
                if renew:
                    segment, renew = self._send_anew(store, segment), False
                segment, counts = self._reconcile(store, segment)
                counts = counts or _insert(store, segment)
                if self.sweep is not None:
                    self.sweep(segment.name)
                self._finish(segment, counts)
                self._state = StoreState("ready")
                return
            except Exception as error:  # whatever a driver raises, the spans are still on disk
                tries += 1
                renew = renew or isinstance(error, MiscountedError)
                if blamed is None and _is_to_blame(store, segment, error, tries):
                    blamed = error
                    continue
                if self._give_way(store, segment, error, tries):
                    return
                self._state = StoreState("away", summarize(error))
                log.warning("segment %s waits: %s", segment.name, summarize(error))
            # A retry is never fresh: the failed try may have stored some of it.
            segment = replace(segment, fresh=False)
            if self._stopping.wait(backoff_s):
                self._postponed[segment.name] = "the collector is stopping"
                return
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def _finish(self, segment: Segment, found: SegmentCount) -> None:
        self._digests.keep(segment.name, segment.digests)
        fault.reach("before_delete")
        # A try before this one may have failed behind it.
        segment.path.unlink(missing_ok=True)
        sync_directory(segment.path.parent)
        out = {"sampled_out": found.sampled_spans, "sampled_out_content": found.sampled_content}
        self._counters_of(segment).add(stored=segment.spans, waiting=-segment.spans, **out)
        self._release(segment)

    def _give_way(
        self, store: SegmentStore, segment: Segment, error: Exception, tries: int
    ) -> bool:
        """Whether a segment that cannot be stored lets the others pass: dropped, or put off."""
        if self._drop_old(segment):
            return True
        stubborn = tries >= _TRIES_BEFORE_POSTPONING and not isinstance(error, OSError)
        if stubborn and not self._inbox.empty() and _answers(store, segment):
            log.warning("segment %s is put off: %s", segment.name, summarize(error))
            self._postponed[segment.name] = summarize(error)
            self._inbox.put(replace(segment, fresh=False))
            return True
        return False

    def _drop_old(self, segment: Segment) -> bool:
        """Drop a segment that waited past its bound, where that is wished; whether it did."""
        spool = self._spool_of(segment)
        if spool is None or spool.limits.when_old != DROP:
            return False
        if spool.read_age(segment) <= spool.limits.bound_age_s:
            return False
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("segment %s could not be dropped: %s", segment.name, error)
            return False
        log.error("segment %s dropped: it waited past the bound", segment.name)
        self._counters_of(segment).add(dropped=segment.spans, waiting=-segment.spans)
        self._release(segment)
        return True

    def _part(self, store: SegmentStore, segment: Segment, error: Exception) -> None:
        """Store of a refused segment what the engine can read, and set the rest aside.

        Where it can read every request and still refuses them together, halves are tried.
        """
        if has_rows(store.count_segment(segment.name)):
            store.remove_segment(segment.name)
        if count_envelopes(segment) == 1:
            self._put_aside(segment, summarize(error))
            return
        poison = find_poison(store, segment)
        reason = "; ".join(dict.fromkeys(poison.values()))
        if len(poison) == count_envelopes(segment):
            self._put_aside(segment, reason)
        elif poison:
            sound, poisoned = self._stand_in(segment, part_segment(segment, poison))
            self._settle(store, sound)
            self._settle(store, poisoned, reason)
        else:
            for half in self._stand_in(segment, split_segment(segment, 2)):
                self._settle(store, half)

    def _put_aside(self, segment: Segment, reason: str) -> None:
        log.error("segment %s set aside: %s", segment.name, reason)
        self._digests.keep(segment.name, segment.digests)
        self._set_aside.take_segment(segment, reason)
        self._counters_of(segment).add(set_aside=segment.spans, waiting=-segment.spans)
        self._release(segment)

    def _reconcile(
        self, store: SegmentStore, segment: Segment
    ) -> tuple[Segment, SegmentCount | None]:
        """The counts of a segment that is stored already; what is stored in part is removed.

        It goes on under a new name. Only a segment that was tried before, here or by a process that
        died, is asked about. An insert that was given up may still run, and must not add rows to
        those counted here.
        """
        if segment.fresh:
            return segment, None
        if store.is_inserting(segment.name):
            raise _BusyError("an insert that was given up still runs in the store")
        counts = store.count_segment(segment.name)
        if is_complete(counts, segment):
            store.follow_up(segment.name)
            return segment, counts
        return (self._send_anew(store, segment) if has_rows(counts) else segment), None

    def _send_anew(self, store: SegmentStore, segment: Segment) -> Segment:
        store.remove_segment(segment.name)
        [renamed] = self._stand_in(segment, split_segment(segment, 1))
        return renamed

    def _stand_in(self, segment: Segment, children: list[Segment]) -> list[Segment]:
        if (spool := self._spool_of(segment)) is not None:
            spool.replace(segment, children)
        return children

    def _release(self, segment: Segment) -> None:
        self._postponed.pop(segment.name, None)
        if (spool := self._spool_of(segment)) is not None:
            spool.release(segment)

    def _spool_of(self, segment: Segment) -> Spool | None:
        return self._spools.get(read_signal(segment.name).name)

    def _counters_of(self, segment: Segment) -> Counters:
        return self._counters.of(read_signal(segment.name))


def is_complete(counts: SegmentCount, segment: Segment) -> bool:
    """True when every span of the segment is there once, with everything that follows from it."""
    return counts.spans == segment.spans and counts.whole


def has_rows(counts: SegmentCount) -> bool:
    """True when any table holds something of the segment."""
    return bool(counts.spans or counts.content or counts.verdicts or counts.calls)


class _BusyError(CollectorError):
    """The store may still add rows of a segment by itself."""


def _insert(store: SegmentStore, segment: Segment) -> SegmentCount:
    fault.reach("before_insert")
    store.insert_segment(segment.path, segment.name)
    fault.reach("after_insert")
    counts = store.count_segment(segment.name)
    if not is_complete(counts, segment):
        # The engine knew the token but not the rows, or it stored a part of them.
        raise MiscountedError(f"{segment.spans} spans sent, counted {counts}")
    return counts


def _is_to_blame(store: SegmentStore, segment: Segment, error: Exception, tries: int) -> bool:
    """Whether an error lies in the segment: said to at once, or after some tries likely to."""
    stubborn = tries >= _TRIES_BEFORE_PARTING and may_be_content(error)
    return is_about_content(error) or (stubborn and _answers(store, segment))


def _answers(store: SegmentStore, segment: Segment) -> bool:
    try:
        store.count_segment(segment.name)
    except Exception:
        return False
    return True
