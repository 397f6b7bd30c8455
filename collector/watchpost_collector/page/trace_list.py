"""One page of the list of traces: looked for from the newest back, in windows that grow, because
the newest are nearly always among the last minutes. Knows the queries, not how a row looks."""

from __future__ import annotations

from collections import defaultdict

from watchpost_collector.page import trace_queries
from watchpost_collector.page.filters import PAGE_ROWS, Filters, Window, bind
from watchpost_collector.page.reading import Reader, Row, read_rows

_FIRST_WIDTH_MS = 900_000
# What has to fulfil something is looked for in more at once: another question costs as much again.
# Not so a text: that takes longer the more of it is read.
_FIRST_WIDTH_NARROWED_MS = 4 * _FIRST_WIDTH_MS
_GROWTH, _MOST_GROWTH = 8, 64
# A window is searched so much further back, to tell a trace's beginning from its middle: one that
# pauses for longer between two spans may be listed by its later part.
_MARGIN_MS = 900_000


def read_page(reader: Reader, filters: Filters, window: Window) -> list[Row]:
    """The page's traces, newest first, and one more if there is another page."""
    found = _find(reader, filters, window)
    if not found:
        return []
    moments = [int(row["started_ms"]) for row in found]
    bound = {
        "project": filters.project,
        "traces": [row["trace_id"] for row in found],
        "first": min(moments),
        "last": max(moments),
    }
    known: dict[str, Row] = defaultdict(dict)
    for sql in (trace_queries.CALLED, trace_queries.JUDGED):
        for row in read_rows(reader, sql, bound):
            known[row["trace_id"]].update(row)
    shown = read_rows(reader, trace_queries.SHOWN, bound)
    return [{**trace_queries.WITHOUT, **row, **known[row["trace_id"]]} for row in shown]


def _find(reader: Reader, filters: Filters, window: Window) -> list[Row]:
    names, needle = choose_narrowings(filters)
    sql = trace_queries.write_matching(names)
    width = _FIRST_WIDTH_NARROWED_MS if names and not needle else _FIRST_WIDTH_MS
    while True:
        edge = window.until_ms - width
        whole = edge - _MARGIN_MS <= window.since_ms
        since = window.since_ms if whole else edge - _MARGIN_MS
        bound = {**bind(filters, window), "since": since, "edge": since if whole else edge}
        found = read_rows(reader, sql, {**bound, "needle": needle})
        if whole or len(found) > PAGE_ROWS:
            return found
        width *= _choose_growth(len(found))


def _choose_growth(found: int) -> int:
    """How much wider to look, by how much of a page the last window gave: twice what that asks."""
    return min(max(2 * PAGE_ROWS // max(found, 1), _GROWTH), _MOST_GROWTH)


def choose_narrowings(filters: Filters) -> tuple[list[str], str]:
    """The narrowings that these filters ask for, and what text is looked for."""
    search, needle = trace_queries.choose_search(filters.text)
    names = [name for name in trace_queries.NARROWINGS if getattr(filters, name, "")]
    if filters.status == "blocked":
        names.append("blocked")
    return [*names, search] if search else names, needle
