"""The list of traces, newest first: narrow it, page through it, open one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from watchpost_collector.page.elements import box, button, chip, draw_frame, link, text, trace_path
from watchpost_collector.page.empty import draw_empty
from watchpost_collector.page.figures import (
    NOTHING,
    format_count,
    format_duration,
    format_money,
    format_time,
)
from watchpost_collector.page.filter_bar import FilterBar
from watchpost_collector.page.filters import PAGE_ROWS, Filters, bind
from watchpost_collector.page.reading import Reader, Row, find_window, read_choices
from watchpost_collector.page.trace_list import read_page
from watchpost_collector.trouble import describe

REFRESH_S = 10.0
DIMENSIONS = (
    "project", "service", "model", "prompt", "version", "status", "guard", "user", "session",
    "text",
)  # fmt: skip
STATUSES = ["ok", "error", "blocked"]
HEADINGS = (
    ("Started (UTC)", False), ("Trace", False), ("Models", False), ("Spans", True),
    ("Tokens", True), ("Cost", True), ("Duration", True), ("", False),
)  # fmt: skip
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TraceList:
    """One page of traces."""

    stored: bool
    rows: list[Row]
    more: bool
    choices: dict[str, list[str]]


def read_traces(reader: Reader, filters: Filters) -> TraceList:
    """Read one page; one row more than shown tells whether another page follows."""
    window, stored = find_window(reader, filters)
    bound = bind(filters, window)
    rows = read_page(reader, filters, window)
    choices = {**read_choices(reader, window, bound), "status": STATUSES}
    return TraceList(stored, rows[:PAGE_ROWS], len(rows) > PAGE_ROWS, choices)


class TracesPage:
    """One browser tab's list; lives as long as the tab."""

    def __init__(
        self, reader: Reader, filters: Filters, server_url: str, theme: str, any_project: bool
    ) -> None:
        self._reader = reader
        self._server_url = server_url
        self._keyed = not any_project
        self._wanted = asyncio.Event()
        self._shown: TraceList | None = None
        self._fresh = draw_frame("/traces", theme)
        dimensions = DIMENSIONS if any_project else DIMENSIONS[1:]
        with box("main", "wp"):
            self._bar = FilterBar("/traces", filters, dimensions, self._wanted.set)
            self._body = box("div", "", "traces")
        ui.timer(REFRESH_S, self._wanted.set)
        ui.timer(0.05, self._follow, once=True)

    async def _follow(self) -> None:
        while not self._body.is_deleted:
            self._wanted.clear()
            filters = self._bar.filters
            try:
                found = await asyncio.to_thread(read_traces, self._reader, filters)
            except Exception as error:  # the engine's own words quote what users wrote
                log.warning("the traces could not be read: %s", describe(error))
                self._fresh.text = "reading failed, see the server's log"
                self._fresh.classes(add="stale")
            else:
                if filters == self._bar.filters and not self._body.is_deleted:
                    self._show(found)
            await self._wanted.wait()

    def _show(self, found: TraceList) -> None:
        self._fresh.text = f"updated {datetime.now(UTC):%H:%M:%S} UTC"
        self._fresh.classes(remove="stale")
        self._bar.offer(found.choices)
        self._bar.show(found.stored)
        if found == self._shown:
            return
        self._shown = found
        self._body.clear()
        with self._body:
            if not found.stored:
                draw_empty(self._server_url, self._keyed)
            else:
                self._draw_list(found)

    def _draw_list(self, found: TraceList) -> None:
        with box("section", "wp-card"):
            if not found.rows:
                text("div", "No trace here. Widen the range or clear a filter.", "wp-none")
            else:
                with box("div", "wp-scroll"), box("table", "wp-table", "table-traces"):
                    with box("thead"), box("tr"):
                        for label, numeric in HEADINGS:
                            text("th", label, "num" if numeric else "")
                    with box("tbody"):
                        for row in found.rows:
                            _draw_row(row)
            self._draw_pager(found)

    def _draw_pager(self, found: TraceList) -> None:
        page = self._bar.filters.page
        first = page * PAGE_ROWS + 1
        with box("div", "wp-pager"):
            last = page * PAGE_ROWS + len(found.rows)
            text("div", f"{first:,} to {last:,}" if found.rows else "", "", "pager")
            with box("div", "chips"):
                newer = button("Newer", lambda: self._turn(-1), "wp-button", "newer")
                newer.props.set_bool("disabled", page == 0)
                older = button("Older", lambda: self._turn(1), "wp-button", "older")
                older.props.set_bool("disabled", not found.more)

    def _turn(self, by: int) -> None:
        filters = self._bar.filters
        self._bar.turn(replace(filters, page=max(filters.page + by, 0)))


def _draw_row(row: Row) -> None:
    path = trace_path(row["trace_id"])
    with box("tr", "link", "trace-row") as line:
        line.props["data-trace"] = row["trace_id"]
        line.on("click", lambda _: ui.navigate.to(path), args=[])
        text("td", format_time(row["started"]), "muted")
        with box("td", "what"):
            with box("div"):
                dot = box("span", f"dot {_state(row)}")
                dot.props["title"] = _state(row) or "ok"
                link(row["name"] or "(no name)", path, "name-link").style("margin-left: 8px")
            text("div", _describe(row), "sub")
        with box("td"), box("div", "chips"):
            for model in row["models"] or []:
                chip(model) if model else None
        text("td", format_count(row["spans"]), "num")
        text("td", format_count(row["tokens"]) if row["calls"] else NOTHING, "num")
        with box("td", "num"):
            _draw_cost(row)
        text("td", format_duration(row["duration_ms"]), "num")
        with box("td"), box("div", "chips"):
            _draw_marks(row)


def _state(row: Row) -> str:
    return "blocked" if row["blocked"] else "error" if row["errors"] else ""


def _describe(row: Row) -> str:
    names = [row["service"]]
    names += [" ".join(filter(None, pair)) for pair in row["prompts"] or [] if any(pair)]
    names += [f"user {row['user_id']}"] if row["user_id"] else []
    names += [f"session {row['session_id']}"] if row["session_id"] else []
    return " · ".join(filter(None, names))


def _draw_cost(row: Row) -> None:
    if not row["calls"]:
        text("span", NOTHING)
        return
    text("span", format_money(row["cost"]))
    if row["unpriced"]:
        text("div", f"{format_count(row['unpriced'])} unpriced", "sub")


def _draw_marks(row: Row) -> Any:
    if row["errors"]:
        chip(f"{row['errors']} error" + ("s" if row["errors"] > 1 else ""), "bad")
    if row["blocked"]:
        chip("blocked", "warn")
    for guard in row["guards"] or []:
        chip(guard, "violet")
