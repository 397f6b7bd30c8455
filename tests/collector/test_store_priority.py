from __future__ import annotations

import os
from pathlib import Path

from watchpost_collector.store.client import Store
from watchpost_collector.store.priority import NICE, put_merges_last


def read_priorities() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        found.setdefault(name, set()).add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return found


def test_merges_of_the_embedded_engine_come_after_everything_else(embedded_store: Store) -> None:
    embedded_store.query("select 1")

    put_merges_last()

    own = os.getpriority(os.PRIO_PROCESS, 0)
    found = read_priorities()
    assert found["MergeMutate"] == {min(own + NICE, 19)}
    assert found["ThreadPool"] == {own}
