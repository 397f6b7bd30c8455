"""The stages of an insert, each by itself: what the flusher's CPU goes into.

In a process of its own with an embedded store and no merges: segments as the spool writes them are
inserted whole; inserted and settled; counted; and inserted with nothing behind the wire table, so
that they are parsed and no more. This file knows the flusher's calls; the limit and the server's
threads are measured elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from load.server import run_step, wait_until_quiet
from load.traffic import SPANS_A_REQUEST, build_load
from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.store.client import DATABASE, Store, open_store
from watchpost_collector.store.migrate import migrate
from watchpost_collector.store.upkeep import Upkeep

_REPEATS = 3
_MOST_REQUESTS = 100


def measure_stages(place: Path, spans_a_segment: float) -> dict[str, float]:
    """CPU microseconds a span: `insert` whole, `parse` of it, `settle`, `count`."""
    requests = min(max(round(spans_a_segment / SPANS_A_REQUEST), 1), _MOST_REQUESTS)
    found: dict[str, float] = json.loads(run_step("load.stages", place, requests))
    return found


def _measure(place: Path, requests: int) -> dict[str, float]:
    # Made before the engine starts. What is settled must be new, what is parsed need not be.
    letters = [_write_letters(requests, number) for number in range(1 + _REPEATS)]
    place.mkdir()
    files = [_write_segment(place, n, letters[n]) for n in range(len(letters))]
    again = [_write_segment(place, 100 + n, letters[n]) for n in range(_REPEATS)]
    store = open_store(f"chdb://{place / 'store'}")
    migrate(store)
    upkeep = Upkeep(store)
    upkeep.start()
    wait_until_quiet(os.getpid())
    store.command("system stop merges")
    inserts: list[float] = []
    insert = store.insert_segment

    def insert_timed(path: Path, name: str) -> None:
        inserts.append(_time(insert, path, name))

    # The store's part of what the upkeep is asked to do; the rest of that is settling.
    store.insert_segment = insert_timed  # type: ignore[method-assign,assignment]
    wholes = [_time(upkeep.insert_segment, *segment) for segment in files]
    counts = [_time(store.count_segment, name) for _, name in files]
    _cut_wire(store)
    parses = [_time(insert, *segment) for segment in again]
    upkeep.close()
    settles = [whole - own for whole, own in zip(wholes, inserts, strict=True)]
    found = {"insert": inserts[1:], "parse": parses, "settle": settles[1:], "count": counts[1:]}
    # The least of each: what is more is somebody else's cache misses.
    return {name: min(s) / (requests * SPANS_A_REQUEST) * 1e6 for name, s in found.items()}


def _time(work: Callable[..., object], *arguments: object) -> float:
    begun_s = time.process_time()
    work(*arguments)
    return time.process_time() - begun_s


def _name(number: int) -> str:
    return f"stage{number:03d}"


def _write_letters(requests: int, number: int) -> list[Letter]:
    now_ns = time.time_ns()
    return [
        Letter(body, "default", now_ns, SPANS_A_REQUEST, bytes(16))
        for body in build_load(requests, now_ns, 5 * 10**6 + number * 10**4).plain
    ]


def _write_segment(place: Path, number: int, letters: Iterable[Letter]) -> tuple[Path, str]:
    """A spool file, and its name."""
    name = _name(number)
    with (place / name).open("wb") as file:
        for letter in letters:
            file.write(frame_head(letter, name) + letter.body)
    return place / name, name


def _cut_wire(store: Store) -> None:
    """Take away the views that read what is parsed."""
    rows = store.query(
        "select arrayJoin(dependencies_table) from system.tables "
        f"where database = '{DATABASE}' and name = 'wire'"
    )
    for (view,) in rows:
        store.command(f"drop table {DATABASE}.{view}")


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
