"""The limit: the rows a server stored, inserted again already decoded, by the same blocks.

Two steps, each a process of its own because the engine opens one path a process: `read` writes
every table that holds rows of a segment as Arrow files, one a segment; `insert` puts them into a
fresh store with the same schema, settings and tokens and prints the CPU seconds, merges included.
What hangs on those tables (rollup hours) runs in both; views that would write their rows a second
time are dropped.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickhouse_connect import get_client

from load.server import run_step, wait_until_quiet
from watchpost_collector.store.client import DATABASE, PINNED, open_store
from watchpost_collector.store.migrate import migrate

_ARROW = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_compression_method": "none",
}
_TARGET = re.compile(r"\sTO\s+(?:\w+\.)?`?(\w+)`?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes on disk by table after all merges, bytes of message text in them, and segments."""

    bytes_by_table: dict[str, int]
    content_bytes: int
    segments: int


def read_rows(data: Path, place: Path) -> Footprint:
    """Write a stopped server's rows below `place`; what they take on disk."""
    return Footprint(**json.loads(run_step("load.limit", "read", data, place)))


def measure_limit(place: Path, store: Path, warm: Iterable[str]) -> float:
    """CPU seconds to insert what `read_rows` left in `place`; segments of `warm` go first."""
    return float(run_step("load.limit", "insert", place, store, *sorted(warm)))


def segment_tables(client: Any) -> list[str]:
    """The stored tables that hold rows of a segment."""
    rows = client.query(
        "select table from system.columns as c join system.tables as t "
        "on c.database = t.database and c.table = t.name "
        f"where c.database = '{DATABASE}' and c.name = 'spool_segment' "
        "and t.engine like '%MergeTree' order by table"
    ).result_rows
    return [str(row[0]) for row in rows]


def _read(data: Path, place: Path) -> None:
    client = get_client(dsn=f"chdb://{data / 'store'}")
    place.mkdir()
    tables = segment_tables(client)
    for table in tables:
        segments = f"select distinct spool_segment from {DATABASE}.{table} order by 1"
        for (segment,) in client.query(segments).result_rows:
            rows = client.raw_query(
                f"select * from {DATABASE}.{table} where spool_segment = '{segment}'",
                settings=_ARROW,
                fmt="Arrow",
            )
            (place / f"{segment}.{table}").write_bytes(rows)
    for table in tables:
        client.command(f"optimize table {DATABASE}.{table} final")
    sizes = client.query(
        "select table, sum(bytes_on_disk) from system.parts "
        f"where active and database = '{DATABASE}' group by table"
    ).result_rows
    [(text,)] = client.query(
        "select sum(length(input_messages) + length(output_messages) + "
        f"length(system_instructions) + length(tool_definitions)) from {DATABASE}.content"
    ).result_rows
    own = {str(table): int(size) for table, size in sizes if table in tables}
    segments = len({path.stem for path in place.iterdir()})
    print(json.dumps({"bytes_by_table": own, "content_bytes": int(text), "segments": segments}))


def _insert(place: Path, store: Path, warm: set[str]) -> None:
    opened = open_store(f"chdb://{store}")
    migrate(opened)
    client = get_client(dsn=f"chdb://{store}", settings=dict(PINNED))
    _drop_doubling_views(client)
    # As the driver says of itself: it keeps a copy of every insert where temporary files go.
    files = sorted(place.iterdir(), key=lambda path: (path.stem not in warm, path.name))
    started_s: float | None = None
    for path in files:
        if started_s is None and path.stem not in warm:
            wait_until_quiet(os.getpid())
            started_s = time.process_time()
        with path.open("rb") as rows:
            client.raw_insert(
                f"{DATABASE}.{path.suffix[1:]}",
                insert_block=rows,
                fmt="Arrow",
                settings={"insert_deduplication_token": path.stem},
            )
    wait_until_quiet(os.getpid())
    print(time.process_time() - (started_s or 0.0))


def _drop_doubling_views(client: Any) -> None:
    """Drop the views from one of the tables to another: those rows are inserted as they are."""
    tables = segment_tables(client)
    feeds = {
        str(name): [str(view) for view in views]
        for name, views in client.query(
            f"select name, dependencies_table from system.tables where database = '{DATABASE}'"
        ).result_rows
    }
    targets = {
        str(view): found.group(1)
        for view, text in client.query(
            "select name, create_table_query from system.tables "
            f"where database = '{DATABASE}' and engine = 'MaterializedView'"
        ).result_rows
        if (found := _TARGET.search(str(text)))
    }

    def reaches(view: str) -> bool:
        target = targets.get(view, "")
        return target in tables or any(map(reaches, feeds.get(target, [])))

    for table in tables:
        for view in filter(reaches, feeds.get(table, [])):
            client.command(f"drop table {DATABASE}.{view}")


def main() -> None:
    """One step, as `read DATA PLACE` or `insert PLACE STORE WARM...`."""
    step, first, second, *warm = sys.argv[1:]
    if step == "read":
        _read(Path(first), Path(second))
    else:
        _insert(Path(first), Path(second), set(warm))


if __name__ == "__main__":
    main()
