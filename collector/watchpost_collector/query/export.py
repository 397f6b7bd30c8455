"""Whole tables out as Parquet, written by the engine, streamed from disk: never held in memory.

The embedded engine writes into a private file of ours, which is read in pieces and removed; a
server streams its answer. The engine's own types are kept (decimals, nanoseconds, maps). This file
knows tables and days; it knows no key and no transport.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from watchpost_collector.query.session import Limits, QueryFailed, open_session, read_code

PIECE_BYTES = 1 << 20
# The end of every whole Parquet file; a stream that broke off lacks it.
MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Relation:
    """What may be exported: the column of its time, and those that only the store needs."""

    time: str
    own: tuple[str, ...] = ()

    @property
    def columns(self) -> str:
        """What a person gets of it."""
        return f"* except ({', '.join(self.own)})" if self.own else "*"


RELATIONS: Mapping[str, Relation] = {
    "spans": Relation("start", ("spool_segment", "stored", "has_content", "verdict_count")),
    "generations": Relation("start", ("spool_segment",)),
    "content": Relation("start", ("spool_segment", "stored")),
    "verdicts": Relation("start", ("spool_segment", "stored")),
    "scores": Relation("time"),
}


@dataclass(frozen=True, slots=True)
class _ExportLimits(Limits):
    """An answer of any size, in little memory: what is not on the disk yet is one small row group.

    As the engine would do it, a gigabyte of messages takes more than a gigabyte.
    """

    execution_s: float = 3600.0
    result_rows: int = 0
    result_bytes: int = 0

    def as_settings(self) -> dict[str, str]:
        # `super()` finds no class in one that slots made anew.
        return {
            **Limits.as_settings(self),
            "output_format_parquet_row_group_size": "65536",
            "output_format_parquet_row_group_size_bytes": str(32 << 20),
            "output_format_parquet_parallel_encoding": "0",
        }


_LIMITS = _ExportLimits()
_WHERE = """({project:String} = '' or project = {project:String})
    and <time> >= fromUnixTimestamp64Nano({since:Int64}, 'UTC')
    and <time> < fromUnixTimestamp64Nano({until:Int64}, 'UTC')"""


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of one relation that are from `since_ns` up to and without `until_ns`.

    `project` '' is every one.
    """

    relation: str
    project: str
    since_ns: int
    until_ns: int

    def bind(self) -> dict[str, Any]:
        """The parameters of its SQL."""
        return {"project": self.project, "since": self.since_ns, "until": self.until_ns}


def write_count(relation: str) -> str:
    """The question how many rows each day has, first day first."""
    time = RELATIONS[relation].time
    return (
        f"select toString(toDate({time})) as day, count() as rows "  # noqa: S608
        f"from {relation} where {_WHERE.replace('<time>', time)} group by day order by day"
    )


@contextmanager
def open_parquet(dsn: str, export: Export, scratch: Path) -> Iterator[Iterator[bytes]]:
    """The pieces of a Parquet file with these rows; `scratch` is a private directory with room.

    Raises QueryFailed before the first piece when the engine refuses.
    """
    relation = RELATIONS[export.relation]
    where = _WHERE.replace("<time>", relation.time)
    sql = f"select {relation.columns} from {export.relation} where {where}"  # noqa: S608
    if urlsplit(dsn).scheme == "chdb":
        path = scratch / f"export-{secrets.token_hex(8)}.parquet"
        try:
            _write_embedded(dsn, sql, export, path)
            with path.open("rb") as file:
                yield iter(lambda: file.read(PIECE_BYTES), b"")
        finally:
            path.unlink(missing_ok=True)
    else:
        with _open_server(dsn, sql, export) as pieces:
            yield pieces


def _write_embedded(dsn: str, sql: str, export: Export, path: Path) -> None:
    named = str(path).replace("\\", "\\\\").replace("'", "\\'")
    bound = {name: str(value) for name, value in export.bind().items()}
    with open_session(dsn, _LIMITS) as session:
        session.ask(f"{sql} into outfile '{named}' format Parquet", "Parquet", bound)


@contextmanager
def _open_server(dsn: str, sql: str, export: Export) -> Iterator[Iterator[bytes]]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from watchpost_collector.query.reader import connect

    client = connect(dsn, _LIMITS)
    try:
        stream = client.raw_stream(sql, parameters=export.bind(), fmt="Parquet")
        with stream:
            yield iter(lambda: stream.read(PIECE_BYTES), b"")
    except ClickHouseError as error:
        raise QueryFailed(str(error), read_code(str(error))) from error
    finally:
        client.close()
