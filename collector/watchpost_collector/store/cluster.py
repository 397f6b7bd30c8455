"""A cluster of several shards: one Distributed table over each relation that people read.

Each collector writes to one shard, whose replicas hold the same rows: exactly-once is proved
there, by that shard's own counts. `watchpost_all` holds nothing itself and reads every shard. This
file knows which relations there are from the engine; it does not know what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from watchpost_collector.store.client import DATABASE, Store

EVERYWHERE = f"{DATABASE}_all"


def spread(store: Store, cluster: str) -> list[str]:
    """Make `watchpost_all` show what `watchpost` has on every shard; returns the relations.

    Safe to repeat: a Distributed table holds no row, so a new column is taken up by making it anew.
    """
    # What holds rows or answers from them; a Null table passes rows on, a dictionary is local.
    rows = store.query(
        "select name from system.tables where database = {database:String} "
        "and (engine = 'View' or engine like '%MergeTree') order by name",
        {"database": DATABASE},
    )
    names = [str(name) for (name,) in rows]
    for statement in write_statements(names, cluster):
        store.command(statement)
    return names


def write_statements(names: Iterable[str], cluster: str) -> Iterator[str]:
    """The statements of `spread` for these relations."""
    everywhere = f"on cluster '{cluster}'"
    yield f"create database if not exists {EVERYWHERE} {everywhere}"
    for name in names:
        yield (
            f"create or replace table {EVERYWHERE}.{name} {everywhere} as {DATABASE}.{name} "
            f"engine = Distributed('{cluster}', '{DATABASE}', '{name}')"
        )
