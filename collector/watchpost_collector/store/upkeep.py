"""The store as the flusher uses it: insert a segment, then settle and price what it brought.

Also the one background thread that closes past hours and days. It ties the other files of this
folder together and decides when they run; it does not know how any of them works.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from watchpost_collector import fault
from watchpost_collector.otlp.signals import LOGS, METRICS, read_signal
from watchpost_collector.store import days, rollup, scores, settle
from watchpost_collector.store.client import SegmentCount, Store
from watchpost_collector.store.estimates import Estimates
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.prices.in_force import Unpriced
from watchpost_collector.store.priority import put_merges_last
from watchpost_collector.store.unscreened import Unscreened
from watchpost_collector.trouble import describe

log = logging.getLogger(__name__)

_EVERY_S = 60.0
# What could not be settled after its insert is tried again this soon.
_RETRY_S = 5.0


class Upkeep:
    """A store that is kept right. Lives from `start` to `close`, which closes the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Each puts in force what was decided about projects, every few seconds.
        self.rules: Sequence[Callable[[Store], object]] = ()
        self.prices = PriceBook(store)
        # Counts tokens that nobody reported; None where that is switched off.
        self.estimates: Estimates | None = None
        # The calls that guards have not looked at; None where none are to.
        self.unscreened: Unscreened | None = None
        self._unpriced: tuple[Unpriced, ...] = ()
        # Inserted, but settling or pricing failed; a set because a segment may fail again.
        self._unsettled: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchpost-upkeep", daemon=True)

    def start(self) -> None:
        """Begin the background work."""
        self._thread.start()

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        """Insert a segment; when this returns its calls are counted once and priced.

        Should that second part fail, the rows are in and the insert stands: it is made good in the
        background, because the caller would find every row there and never ask for it again.
        """
        self._store.insert_segment(body, segment)
        self.follow_up(segment)

    def follow_up(self, segment: str) -> None:
        """Settle and price what a segment brought, also one whose insert lost its answer."""
        if read_signal(segment) is METRICS:
            return
        if not self._try(lambda: self._make_right(segment)):
            self._unsettled.add(segment)

    @property
    def store(self) -> Store:
        """The store itself, for what is neither a segment nor its upkeep."""
        return self._store

    def count_segment(self, segment: str) -> SegmentCount:
        """See `Store.count_segment`."""
        return self._store.count_segment(segment)

    def decode_segment(self, body: bytes, segment: str) -> None:
        """See `Store.decode_segment`."""
        self._store.decode_segment(body, segment)

    def is_inserting(self, segment: str) -> bool:
        """See `Store.is_inserting`."""
        return self._store.is_inserting(segment)

    def remove_segment(self, segment: str) -> None:
        """See `Store.remove_segment`."""
        self._store.remove_segment(segment)
        self._unsettled.discard(segment)

    @property
    def unpriced(self) -> tuple[Unpriced, ...]:
        """The models of the last week's calls without a price, as of a minute ago at most."""
        return self._unpriced

    def close(self) -> None:
        """Stop the background work and close the store."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def _run(self) -> None:
        # A process that died between an insert and its settling left that to us.
        self._try(lambda: settle.settle(self._store))
        self._try(lambda: scores.settle_new(self._store))
        self._try(lambda: scores.settle_again(self._store))
        self._try(self.prices.load_packaged)
        self._try(self.prices.resolve)
        close_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= close_at:
                if self._store.embedded:
                    put_merges_last()
                self._try(lambda: rollup.close_hours(self._store, quiet_s=rollup.QUIET_S))
                self._try(lambda: days.close_days(self._store))
                self._try(self._look_for_unpriced)
                close_at = time.monotonic() + _EVERY_S
            elif self.prices.take_alarm():
                self._try(self._look_for_unpriced)
            for put_in_force in self.rules:
                self._try(partial(put_in_force, self._store))
            if self.estimates is not None:
                self._try(self.estimates.work)
            self._stopping.wait(_RETRY_S)
            for segment in tuple(self._unsettled):
                self._try(partial(self._make_right, segment))

    def _look_for_unpriced(self) -> None:
        self._unpriced = self.prices.find_unpriced()

    def _make_right(self, segment: str) -> None:
        is_logs = read_signal(segment) is LOGS
        if is_logs:
            scores.settle_new(self._store, segment)
        else:
            buried = settle.settle(self._store, segment)
            fault.reach("half_settled")
            self.prices.resolve(segment)
            scores.settle_again(self._store, segment, stacked=bool(buried))
        self._unsettled.discard(segment)
        if self.estimates is not None:
            self.estimates.add(segment, logs=is_logs)  # these may hold the messages of calls
        if self.unscreened is not None:
            self.unscreened.add(segment, logs=is_logs)

    def _try(self, work: Callable[[], object]) -> bool:
        if self._stopping.is_set():
            return False
        try:
            work()
        except Exception as error:  # the store may be away; the next round finds the same work
            log.warning("store upkeep failed, and is tried again: %s", describe(error))
            return False
        return True
