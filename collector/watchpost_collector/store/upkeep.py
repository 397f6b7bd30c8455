"""The store as the flusher uses it: insert a segment, then settle and price what it brought.

Also the one background thread that closes past hours. It ties the other files of this folder
together and decides when they run; it does not know how any of them works.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from watchpost_collector.store import prices, rollup, settle
from watchpost_collector.store.client import SegmentCount, Store

log = logging.getLogger(__name__)

_EVERY_S = 60.0


class Upkeep:
    """A store that is kept right. Lives from `start_upkeep` to `close`, which closes the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resolver = prices.Resolver()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchpost-upkeep", daemon=True)

    def start(self) -> None:
        """Begin the background work."""
        self._thread.start()

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        """Insert a segment; when this returns its calls are counted once and priced."""
        self._store.insert_segment(body, segment)
        settle.settle(self._store, segment)
        self._resolver.resolve(self._store, segment)

    def count_segment(self, segment: str) -> SegmentCount:
        """See `Store.count_segment`."""
        return self._store.count_segment(segment)

    def remove_segment(self, segment: str) -> None:
        """See `Store.remove_segment`."""
        self._store.remove_segment(segment)

    def close(self) -> None:
        """Stop the background work and close the store."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def _run(self) -> None:
        # A process that died between an insert and its settling left that to us.
        self._try(lambda: settle.settle(self._store))
        self._try(lambda: prices.load_price_list(self._store))
        self._try(lambda: self._resolver.resolve(self._store))
        while not self._stopping.is_set():
            self._try(lambda: rollup.close_hours(self._store))
            self._stopping.wait(_EVERY_S)

    def _try(self, work: Callable[[], object]) -> None:
        if self._stopping.is_set():
            return
        try:
            work()
        except Exception:  # the store may be away; the next round finds the same work
            log.exception("store upkeep failed; it will be tried again")


def start_upkeep(store: Store) -> Upkeep:
    """Take a migrated store into care."""
    upkeep = Upkeep(store)
    upkeep.start()
    return upkeep
