"""Retention in the engine: turns days by kind and project into the TTL of each table.

The tables themselves say what is in force, so applying the same rules again changes nothing, and a
table another version made is brought into line. What may have expired so far is remembered, because
an hour some of whose calls are gone cannot be counted anew. This file knows tables and days; it
does not know where the rules come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from watchpost_collector.store.client import DATABASE, Store

EVERY = "*"
# The tables of each kind, with the day from which a row's life is counted.
TABLES: Mapping[str, Mapping[str, str]] = {
    "content": {"content": "stored", "score_comments": "stored"},
    "spans": {
        "spans": "stored",
        "verdicts": "stored",
        "calls": "stored",
        "score_events": "stored",
        "settled_scores": "stored",
        "scored": "stored",
    },
    "rollups": {"usage_closed": "toDate(closed)", "guards_closed": "toDate(closed)"},
    "logs": {"logs": "stored"},
    "metrics": {"metrics": "stored"},
}
# Until rules were applied once, the tables live by what their migrations say.
_DAYS_BEFORE = 181
_TTL = re.compile(r" TTL (.*?)(?: SETTINGS |$)", re.DOTALL)

# Days by project; `*` is always among them and stands for every other one.
Days = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The day up to which rows of a project may have expired; `others` for those not named."""

    others: date
    named: Mapping[str, date]

    def bind(self) -> dict[str, object]:
        """The parameters of `FRONTIER_SQL`."""
        names = sorted(self.named)
        # Never empty: `transform` wants something to look for, and no project has this name.
        days = [self.others, *(self.named[name] for name in names)]
        return {
            "frontier_names": [EVERY, *names],
            "frontier_days": [day.isoformat() for day in days],
            "frontier_others": self.others.isoformat(),
        }


# The frontier of the row's `project`.
FRONTIER_SQL = (
    "transform(project::String, {frontier_names:Array(String)}, "
    "{frontier_days:Array(Date)}, {frontier_others:Date})"
)


class Retention:
    """Applies the rules when they changed. `read_days` gives the days by kind in force now."""

    def __init__(self, read_days: Callable[[str], Days]) -> None:
        self._read_days = read_days
        self._applied: dict[str, Days] = {}

    def keep(self, store: Store) -> None:
        """Bring the tables into line with the rules; nothing where that was done before."""
        days = {kind: self._read_days(kind) for kind in TABLES}
        if days != self._applied:
            apply_retention(store, days)
            self._applied = days


def apply_retention(store: Store, days: Mapping[str, Days], cluster: str = "") -> list[str]:
    """Make the tables keep each kind for its days, old rows included; returns those it changed.

    Cheap where nothing changed. The engine removes what is too old with its next merges, within
    hours.
    """
    in_force = _read_ttls(store)
    changed = []
    for kind, tables in TABLES.items():
        wanted = {
            table: write_ttl(column, days[kind])
            for table, column in tables.items()
            if table in in_force
        }
        stale = [table for table, ttl in wanted.items() if in_force[table] != ttl]
        if stale:
            # Remembered first: from here on rows may expire under these days.
            _remember(store, kind, days[kind])
        for table in stale:
            where = f" on cluster '{cluster}'" if cluster else ""
            store.command(
                f"alter table {DATABASE}.{table}{where} modify ttl {wanted[table]}",
                settings={"alter_sync": 0, "mutations_sync": 0},
            )
        changed += stale
    return changed


def write_ttl(column: str, days: Days) -> str:
    """The TTL expression, spelled as the engine spells it back."""
    named = {name: kept for name, kept in sorted(days.items()) if kept != days[EVERY]}
    named.pop(EVERY, None)
    if not named:
        return f"{column} + toIntervalDay({days[EVERY]})"
    # Names of projects have no quotes in them; a TTL cannot have parameters.
    names = ", ".join(f"'{name}'" for name in named)
    kept = ", ".join(str(number) for number in named.values())
    return f"{column} + toIntervalDay(transform(project, [{names}], [{kept}], {days[EVERY]}))"


def read_frontier(store: Store) -> Frontier:
    """Up to which day calls may have expired, by project."""
    rows = store.query(
        "select project, greatest(frontier, today() - days) from "  # noqa: S608
        f"{DATABASE}.retention final where kind = 'spans'"
    )
    found = {str(project): day for project, day in rows}
    [(before,)] = store.query(f"select today() - {_DAYS_BEFORE}")
    return Frontier(found.pop(EVERY, before), found)


def _read_ttls(store: Store) -> dict[str, str]:
    rows = store.query(
        "select name, engine_full from system.tables where database = {database:String} "
        "and engine like '%MergeTree'",
        {"database": DATABASE},
    )
    ttls = {}
    for name, engine in rows:
        found = _TTL.search(str(engine))
        ttls[str(name)] = found[1] if found else ""
    return ttls


def _remember(store: Store, kind: str, days: Days) -> None:
    """Note the new days of every project, and how far the ones before them may have gone."""
    rows = store.query(
        f"select project, days, frontier, today() from {DATABASE}.retention final "  # noqa: S608
        "where kind = {kind:String}",
        {"kind": kind},
    )
    before = {str(project): (int(kept), frontier, today) for project, kept, frontier, today in rows}
    fresh = []
    for project in sorted({EVERY, *days, *before}):
        kept = days.get(project, days[EVERY])
        was = before.get(project) or before.get(EVERY)
        if was is None:
            fresh.append([kind, project, kept, date(1970, 1, 1)])
        elif was[0] != kept or project not in before:
            reached = was[2] - timedelta(days=was[0])
            fresh.append([kind, project, kept, max(was[1], reached)])
    if fresh:
        store.insert_rows("retention", ["kind", "project", "days", "frontier"], fresh)
