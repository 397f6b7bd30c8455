"""What lies on the engine's disk beside the rows a query sees: old parts, until they are gone.

A mutation writes new parts and leaves the old ones for minutes; who erases waits for their end.
This file knows parts and settings; it does not know what was deleted or why.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from watchpost.errors import CollectorError
from watchpost_collector.store.client import DATABASE, Store

# New parts are synced before old ones may go, or a power cut would lose both.
_HURRIED = "old_parts_lifetime = 1, min_compressed_bytes_to_fsync_after_merge = 1"
_CALM = "old_parts_lifetime, min_compressed_bytes_to_fsync_after_merge"
_POLL_S = 0.5


def hurry(store: Store, tables: Sequence[str]) -> None:
    """From here on what these tables replace is removed at once; `calm` takes it back."""
    for table in tables:
        store.command(f"alter table {DATABASE}.{table} modify setting {_HURRIED}")


def calm(store: Store, tables: Sequence[str]) -> None:
    """Let old parts of these tables wait again, as the engine does by itself."""
    for table in tables:
        store.command(f"alter table {DATABASE}.{table} reset setting {_CALM}")


def apply_masks(store: Store) -> list[str]:
    """Write anew the parts whose deleted rows are only masked; returns their tables."""
    rows = store.query(
        "select distinct table from system.parts where database = {database:String} "
        "and active and has_lightweight_delete",
        {"database": DATABASE},
    )
    for (table,) in rows:
        store.command(
            f"alter table {DATABASE}.{table} apply deleted mask", settings={"mutations_sync": 2}
        )
    return [str(table) for (table,) in rows]


def wait_until_clean(store: Store, tables: Sequence[str], timeout_s: float = 120.0) -> None:
    """Return when these tables have no old part on the disk; CollectorError after `timeout_s`."""
    give_up = time.monotonic() + timeout_s
    while left := count_old_parts(store, tables):
        if time.monotonic() > give_up:
            raise CollectorError(
                f"{left} old parts are still on the disk after {timeout_s:g} s", "try again later"
            )
        for table in tables:
            # The cleaning thread may sleep for minutes; this wakes it.
            store.command(f"system start cleanup {DATABASE}.{table}")
        time.sleep(_POLL_S)


def count_old_parts(store: Store, tables: Sequence[str]) -> int:
    """How many parts these tables have replaced and not yet removed, on this server."""
    return _count(store, "system.parts", "not active", tables)


def count_detached_parts(store: Store, tables: Sequence[str]) -> int:
    """How many parts the engine put beside these tables: read by nobody, deleted by nothing."""
    return _count(store, "system.detached_parts", "true", tables)


def _count(store: Store, relation: str, condition: str, tables: Sequence[str]) -> int:
    [(count,)] = store.query(
        f"select count() from {relation} where database = {{database:String}} "  # noqa: S608
        f"and table in {{tables:Array(String)}} and {condition}",
        {"database": DATABASE, "tables": list(tables)},
    )
    return int(count)
