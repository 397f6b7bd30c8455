"""The eraser: takes orders, does them one by one on its own thread, and ends those cut short.

It also looks at every segment that was inserted: spans of somebody erased before that arrive
late are erased on arrival. The order of things is here; how a table or a file is erased is not.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watchpost.errors import CollectorError
from watchpost_collector.erasure.files import FilesReport, erase_files
from watchpost_collector.erasure.journal import DONE, FAILED, RUNNING, WAITING, Entry, Journal
from watchpost_collector.erasure.subject import Remembered, Subject, hash_id, load_secret
from watchpost_collector.private_files import make_private
from watchpost_collector.store import disk, erase, personal
from watchpost_collector.store.client import Store, StoreUnavailable
from watchpost_collector.store.days import close_days
from watchpost_collector.store.directory import DiskFull
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.trouble import locate, summarize

log = logging.getLogger(__name__)

_RETRY_S = 5.0
_FLUSH_S = 30.0


class Eraser:
    """Lives from `start`, when the store is there, to `close`.

    Each of `seals` makes everything acknowledged so far flush and settles its future after.
    """

    def __init__(
        self, data: Path, set_aside: Path, seals: Iterable[Callable[[], Future[None]]]
    ) -> None:
        self._journal = Journal(make_private(data / "erasures", "--data"))
        self._secret = load_secret(data)
        self._set_aside = set_aside
        self._seals = tuple(seals)
        self._store: Store | None = None
        self._anybody = False
        # The chosen traces stand in one table: one erasure, look or sweep at a time.
        self._turn = threading.Lock()
        self._orders: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchpost-erase", daemon=True)

    def start(self, store: Store) -> None:
        """Begin, with what an earlier process left undone."""
        self._store = store
        try:
            self._anybody = erase.knows_erased(store)
        except StoreUnavailable:
            # Rather looked for in vain than not at all.
            self._anybody = True
        for entry in self._journal.list_unfinished():
            self._orders.put(entry)
        self._thread.start()

    def close(self) -> None:
        """Stop after the step under way; what is undone is done after the next start."""
        self._stopping.set()
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def order(self, subject: Subject, *, keep_calls: bool) -> Entry:
        """Take an order; the entry's name is what `read` knows it by.

        What was set aside is erased before this returns, because only now the id is known.
        """
        entry = self._enter(subject, keep_calls=keep_calls)
        try:
            traces = self._choose(entry)
        except (StoreUnavailable, DiskFull):
            # The order stands; the traces are looked up when the store is back.
            traces = set()
        files = erase_files(self._set_aside, subject, traces)
        entry = replace(entry, report={"set_aside": asdict(files)})
        self._journal.write(entry)
        self._orders.put(entry)
        return entry

    def preview(self, subject: Subject, *, keep_calls: bool) -> dict[str, Any]:
        """What an order would erase: traces, rows by table, files. Changes nothing."""
        entry = self._enter(subject, keep_calls=keep_calls)
        store = self._opened()
        with self._turn:
            tables = personal.list_tables(store)
            erase.remember(store, _tombstone(entry), trial=True)
            try:
                traces = erase.choose_traces(store, self._secret, tables, erasure=entry.name)
                rows = erase.count_rows(store, tables)
                chosen = erase.list_chosen(store)
            finally:
                erase.forget_choice(store)
                erase.forget(store, entry.name)
        files = erase_files(self._set_aside, subject, chosen, change=False)
        return {"traces": traces, "tables": rows, "set_aside": asdict(files)}

    def read(self, name: str) -> Entry | None:
        """How far an erasure came."""
        return self._journal.read(name)

    def sweep(self, segment: str) -> None:
        """Erase what a segment just brought of anybody who was erased before."""
        if not self._anybody:
            return
        store = self._opened()
        with self._turn:
            tables = personal.list_tables(store)
            if not erase.holds_erased(store, self._secret, tables, segment):
                return
            erase.choose_traces(store, self._secret, tables, segment=segment)
            erase.strip_calls(store, self._secret, tables)
            erase.strip_verdicts(store, self._secret, tables)
            erase.delete_rows(store, tables)
            erase.forget_choice(store)

    def _enter(self, subject: Subject, *, keep_calls: bool) -> Entry:
        return Entry(
            name=secrets.token_hex(8),
            kind=subject.kind,
            key=hash_id(self._secret, subject.kind, subject.value),
            project=subject.project,
            keep_calls=keep_calls,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _opened(self) -> Store:
        if self._store is None:
            raise StoreUnavailable("the store is not open", "try again in a moment")
        return self._store

    def _choose(self, entry: Entry) -> set[str]:
        """The traces of an order, remembered and looked up once for the files."""
        store = self._opened()
        with self._turn:
            tables = personal.list_tables(store)
            self._remember(store, entry)
            erase.choose_traces(store, self._secret, tables, erasure=entry.name)
            chosen = erase.list_chosen(store)
            erase.forget_choice(store)
        return chosen

    def _remember(self, store: Store, entry: Entry) -> None:
        """Write an erased id down; from here on what segments bring is looked at."""
        erase.remember(store, _tombstone(entry))
        self._anybody = True

    def _run(self) -> None:
        while (entry := self._orders.get()) is not None and not self._stopping.is_set():
            self._carry_out(entry)

    def _carry_out(self, entry: Entry) -> None:
        while not self._stopping.is_set():
            try:
                self._journal.write(replace(entry, state=RUNNING, reason=""))
                for sealed in [seal() for seal in self._seals]:
                    sealed.result(_FLUSH_S)
                with self._turn:
                    report = self._erase_tables(self._opened(), entry)
                self._journal.write(
                    replace(entry, state=DONE, report={**entry.report, **report}, reason="")
                )
                return
            except (CollectorError, TimeoutError) as error:
                # It is remembered: until then what waits is erased as it arrives in the store.
                reason = f"the store is not ready for it ({summarize(error)})"
                self._journal.write(replace(entry, state=WAITING, reason=reason))
            except Exception as error:  # it must be told, not lost with the thread
                kind, place = type(error).__name__, locate(error)
                log.error("erasure %s failed: %s at %s", entry.name, kind, place)
                self._journal.write(replace(entry, state=FAILED, reason=type(error).__name__))
                return
            self._stopping.wait(_RETRY_S)

    def _erase_files(self, entry: Entry, traces: set[str]) -> FilesReport:
        """Look once more at what was set aside, now by the traces and what is left of the id."""
        subject = Remembered(entry.kind, entry.key, entry.project, self._secret)
        before = FilesReport(**entry.report.get("set_aside", {}))
        return before.add(erase_files(self._set_aside, subject, traces))

    def _erase_tables(self, store: Store, entry: Entry) -> dict[str, Any]:
        tables = personal.list_tables(store)
        names = [table.name for table in tables] + ["erasing"]
        self._remember(store, entry)
        disk.hurry(store, names)
        try:
            traces = erase.choose_traces(store, self._secret, tables, erasure=entry.name)
            files = self._erase_files(entry, erase.list_chosen(store))
            before = erase.count_rows(store, tables)
            kept = erase.strip_calls(store, self._secret, tables)
            erase.strip_verdicts(store, self._secret, tables)
            erase.remember_traces(store, self._secret, entry.name)
            erase.delete_rows(store, tables)
            after = erase.count_rows(store, tables)
            # Asked anew, by id and by trace: whatever an index or a view still shows is counted.
            erase.choose_traces(store, self._secret, tables, erasure=entry.name)
            found = erase.count_rows(store, tables)
            erase.forget_choice(store)
            # Hours that were counted with a dimension that named somebody are counted again.
            close_hours(store)
            close_days(store)
            disk.apply_masks(store)
            disk.wait_until_clean(store, names)
        finally:
            disk.calm(store, names)
        return {
            "traces": traces,
            "tables": {name: {"before": before[name], "after": after[name]} for name in before},
            "set_aside": asdict(files),
            "calls_kept_without_ids": kept,
            "found_again": sum(found.values()),
            "old_parts": disk.count_old_parts(store, names),
            "detached_parts": disk.count_detached_parts(store, names),
        }


def _tombstone(entry: Entry) -> erase.Tombstone:
    return erase.Tombstone(entry.kind, entry.key, entry.project, entry.name, entry.keep_calls)
