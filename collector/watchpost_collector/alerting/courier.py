"""The courier: parcels of the ledger to their contacts, each lane in order, again when it fails.

A lane is one channel of one contact. Its next parcel waits until the one before has arrived or is
given up, so that an end is never told before its beginning; other lanes do not wait for it. It
knows neither rules nor channels.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from watchpost_collector.alerting.ledger import Book, Ledger, Parcel
from watchpost_collector.alerting.sending import DeliveryError, Send
from watchpost_collector.alerting.tally import Tally
from watchpost_collector.fault import reach
from watchpost_collector.trouble import describe

log = logging.getLogger(__name__)

# Of all lanes together; whatever is decided beyond is dropped.
MOST_PARCELS = 1000
GIVE_UP_S = 6 * 3600
_FIRST_RETRY_S, _LONGEST_RETRY_S = 5, 600
# What a target may ask for is no longer than this.
_LONGEST_WAIT_S = 3600
_AT_ONCE = 4
_FATES = ("delivered", "retried", "dropped")


class Courier:
    """Delivers what the ledger holds. Lives from `start` to `close`.

    `sends` has the ways by contact and channel. `tally` counts by channel and fate.
    """

    def __init__(
        self,
        ledger: Ledger,
        sends: Mapping[tuple[str, str], Send],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._sends, self._clock = ledger, sends, clock
        channels = dict.fromkeys(channel for _, channel in sends)
        self.tally = Tally(*((channel, fate) for channel in channels for fate in _FATES))
        self._changed = threading.Condition()
        self._busy: set[tuple[str, str]] = set()
        self._stopping = False
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="watchpost-courier")
        self._thread = threading.Thread(target=self._run, name="watchpost-courier", daemon=True)

    def start(self) -> None:
        """Begin to deliver, first what an earlier run left."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the ledger again: something was added."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop. What is on its way may arrive, and is waited for; the rest stays in the ledger."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                due, wait_s = self._choose()
                self._busy.update(parcel.lane for parcel in due)
                if not due:
                    self._changed.wait(wait_s)
            for parcel in due:
                self._pool.submit(self._deliver, parcel)

    def _choose(self) -> tuple[list[Parcel], float | None]:
        """The heads of free lanes that are due, and how long to wait when there are none."""
        now = self._clock()
        heads: dict[tuple[str, str], Parcel] = {}
        for parcel in self._ledger.read().parcels:
            heads.setdefault(parcel.lane, parcel)
        free = [parcel for lane, parcel in heads.items() if lane not in self._busy]
        due = [parcel for parcel in free if _is_due(parcel, now)]
        return due, min((parcel.next_at - now for parcel in free), default=None)

    def _deliver(self, parcel: Parcel) -> None:
        try:
            self._try(parcel)
        except Exception as error:
            # A way that fails unforeseen fails like any other, and keeps nobody from the rest.
            log.error("an alert's message could not be sent: %s", describe(error))
            self._fail(parcel, DeliveryError(type(error).__name__))
        finally:
            with self._changed:
                self._busy.discard(parcel.lane)
                self._changed.notify_all()

    def _try(self, parcel: Parcel) -> None:
        send = self._sends.get(parcel.lane)
        if send is None:
            self._drop(parcel, "there is no such contact any more")
            return
        reach("before_alert")
        try:
            send(parcel.notification)
        except DeliveryError as failure:
            self._fail(parcel, failure)
            return
        reach("after_alert")
        self._ledger.note(lambda book: _without(book, parcel))
        self.tally.add(parcel.channel, "delivered")

    def _fail(self, parcel: Parcel, failure: DeliveryError) -> None:
        now = int(self._clock())
        if failure.is_final or now - parcel.notification.at >= GIVE_UP_S:
            self._drop(parcel, failure.reason)
            return
        if not parcel.tries:
            told = "%s could not be told by %s, and is tried again: %s"
            log.warning(told, *parcel.lane, failure.reason)
        wait_s = min(_FIRST_RETRY_S * 2 ** min(parcel.tries, 10), _LONGEST_RETRY_S)
        # Many who were turned away at once do not come back at once.
        wait_s = int(wait_s * random.uniform(0.8, 1.2))  # noqa: S311
        wait_s = max(wait_s, min(failure.retry_after_s, _LONGEST_WAIT_S))
        later = replace(parcel, tries=parcel.tries + 1, next_at=now + wait_s, reason=failure.reason)
        self._ledger.note(lambda book: _replaced(book, later))
        self.tally.add(parcel.channel, "retried")

    def _drop(self, parcel: Parcel, reason: str) -> None:
        log.error("%s was not told by %s: %s", *parcel.lane, reason)
        self._ledger.note(lambda book: _without(book, parcel))
        self.tally.add(parcel.channel, "dropped")


def _is_due(parcel: Parcel, now: float) -> bool:
    """Whether its time has come, or was set by a clock that has been put back since."""
    return not 0 < parcel.next_at - now <= _LONGEST_WAIT_S


def _without(book: Book, gone: Parcel) -> Book:
    return replace(book, parcels=tuple(one for one in book.parcels if one.name != gone.name))


def _replaced(book: Book, later: Parcel) -> Book:
    parcels = tuple(later if one.name == later.name else one for one in book.parcels)
    return replace(book, parcels=parcels)
