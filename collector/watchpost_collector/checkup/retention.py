"""Checks of what is kept: each kind's days, its oldest row, its size, and whether the old ones go.

It asks the query port as any admin may, so it knows the tables that are promised to readers and the
engine's catalogue, nothing of the server's inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from watchpost_collector.access.projects import DEFAULT_DAYS, EVERY
from watchpost_collector.checkup.finding import Finding

Ask = Callable[[str], list[dict[str, Any]]]

# Merges remove old rows within hours; this many days later something keeps them from it.
_LATE_DAYS = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """The tables of a kind, and which of them and by which expression tells its oldest day."""

    tables: tuple[str, ...]
    table: str
    day: str = "stored"


_KINDS: Mapping[str, _Kind] = {
    "content": _Kind(("content",), "content"),
    "spans": _Kind(("spans", "verdicts", "calls", "links"), "spans"),
    "rollups": _Kind(("usage_closed", "guards_closed"), "usage_closed", "toDate(closed)"),
    "logs": _Kind(("logs",), "logs"),
    "metrics": _Kind(("metrics",), "metrics"),
}
_SIZES = """
SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
WHERE database = 'watchpost' AND active GROUP BY table"""
_DAYS = """
SELECT kind, project, argMax(days, changed) AS kept FROM watchpost.retention
GROUP BY kind, project"""
_OLDEST = """
SELECT project, toString(min({day})) AS oldest, toString(today()) AS today
FROM watchpost.{table} GROUP BY project ORDER BY oldest LIMIT 1000"""


def check_retention(ask: Ask, url: str) -> Iterator[Finding]:
    """One finding a kind. CollectorError passes through when the query port does not answer."""
    sizes = {str(row["table"]): int(row["bytes"]) for row in ask(_SIZES)}
    kept: dict[str, dict[str, int]] = {}
    for row in ask(_DAYS):
        kept.setdefault(str(row["kind"]), {})[str(row["project"])] = int(row["kept"])
    for name, kind in _KINDS.items():
        days = {EVERY: DEFAULT_DAYS[name], **kept.get(name, {})}
        rows = ask(_OLDEST.format(table=kind.table, day=kind.day))
        size = sum(sizes.get(table, 0) for table in kind.tables)
        yield _describe(name, days, rows, size, url)


def _describe(
    kind: str, days: Mapping[str, int], rows: list[dict[str, Any]], size: int, url: str
) -> Finding:
    others = ", ".join(
        f"{project} {kept:,}"
        for project, kept in sorted(days.items())
        if project != EVERY and kept != days[EVERY]
    )
    what = f"{kind} for {days[EVERY]:,} days{f' ({others})' if others else ''}"
    what += f", the oldest from {rows[0]['oldest']}" if rows else ", none stored"
    what += f", {size:,} bytes"
    for row in rows:
        end = date.fromisoformat(str(row["oldest"])) + timedelta(
            days=days.get(str(row["project"]), days[EVERY]) + _LATE_DAYS
        )
        if end < date.fromisoformat(str(row["today"])):
            cure = "is the disk full, or the engine too busy to merge? see its log"
            late = f"{what}; rows of project {row['project']} should have gone by {end}"
            return Finding("wrong", "retention", late, url, cure)
    return Finding("ok", "retention", what, url)
