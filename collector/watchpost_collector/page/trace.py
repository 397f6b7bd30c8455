"""One trace: its spans as a waterfall, and beside it everything known of the chosen span."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from nicegui import ui

from watchpost_collector.page import queries
from watchpost_collector.page.detail import SpanDetail, draw_detail
from watchpost_collector.page.elements import box, chip, draw_frame, text
from watchpost_collector.page.figures import (
    format_count,
    format_duration,
    format_money,
    format_time,
)
from watchpost_collector.page.reading import Reader, Row, read_rows
from watchpost_collector.page.scores import TRACE_SCORES, draw_chips
from watchpost_collector.page.tree import Step, arrange
from watchpost_collector.trouble import describe

SPAN_LIMIT = 500
_DAY_MS = 86_400_000
_END_OF_TIME_MS = 4_102_444_800_000  # the year 2100
# What a span shows of its call, in the order of `TRACE_TOTALS`, and of none.
_OF_CALL = ("model", "cost", "input_tokens", "output_tokens", "price_state", "blocked")
_NO_CALL: Row = dict(zip(_OF_CALL, ("", None, 0, 0, "", False), strict=True))
INDENT_PX = 15
INDENT_LEVELS = 12
AGAIN = "Try again in a moment; the server's log says why."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trace:
    """What is read of a trace before a span is chosen."""

    spans: list[Row]
    totals: Row
    stored_spans: int
    errors: int
    verdicts: dict[str, list[Row]]
    scores: list[Row]


def read_trace(reader: Reader, project: str, trace_id: str) -> Trace:
    """The trace's spans in order of start, its sums, its verdicts by span and its scores."""
    bound: Row = {"project": project, "trace": trace_id, "limit": SPAN_LIMIT}
    [extent] = read_rows(reader, queries.TRACE_EXTENT, bound)
    bound |= _choose_time(extent)
    [totals] = read_rows(reader, queries.TRACE_TOTALS, bound)
    verdicts: dict[str, list[Row]] = {}
    for row in read_rows(reader, queries.TRACE_VERDICTS, bound):
        verdicts.setdefault(row["span_id"], []).append(row)
    known = {call[1]: dict(zip(_OF_CALL, call[2:], strict=True)) for call in totals["of_span"]}
    spans = [
        {**row, **known.get(row["span_id"], _NO_CALL), "counted": row["span_id"] in known}
        for row in read_rows(reader, queries.TRACE_SPANS, bound)
    ]
    scores = read_rows(reader, TRACE_SCORES, bound)
    return Trace(spans, totals, int(extent["spans"]), int(extent["errors"]), verdicts, scores)


def _choose_time(extent: Row) -> dict[str, int]:
    """A day around a trace's spans, since those of its calls may be missing; all time for none."""
    if not extent["spans"]:
        return {"since": 0, "until": _END_OF_TIME_MS}
    return {"since": extent["first_ms"] - _DAY_MS, "until": extent["last_ms"] + _DAY_MS}


def read_detail(
    reader: Reader, project: str, trace_id: str, span: Row, verdicts: list[Row]
) -> SpanDetail | None:
    """Everything about one span of a trace, or None when it is not there."""
    bound = {"project": project, "trace": trace_id, "span": span["span_id"]}
    bound |= {"since": int(span["start_ms"]) - 1, "until": int(span["start_ms"]) + 2}
    spans = read_rows(reader, queries.SPAN, bound)
    if not spans:
        return None
    calls = read_rows(reader, queries.SPAN_CALL, bound)
    content = read_rows(reader, queries.SPAN_CONTENT, bound)
    return SpanDetail(
        spans[0], calls[0] if calls else None, content[0] if content else None, verdicts
    )


class TracePage:
    """One browser tab's trace; lives as long as the tab."""

    def __init__(self, reader: Reader, project: str, trace_id: str, theme: str) -> None:
        self._reader = reader
        self._project = project
        self._trace_id = trace_id
        self._rows: dict[str, ui.element] = {}
        self._spans: dict[str, Row] = {}
        self._chosen = ""
        draw_frame("/traces", theme)
        self._main = box("main", "wp", "trace")

    async def load(self, chosen: str) -> None:
        """Read the trace and draw it, with the span `chosen`, or the first call, open."""
        try:
            trace = await asyncio.to_thread(read_trace, self._reader, self._project, self._trace_id)
        except Exception as error:  # whatever it is, its reader is told, and nobody else what
            log.warning("a trace could not be read: %s", describe(error))
            with self._main:
                text("h1", "The store could not be read", test="no-store")
                text("p", AGAIN, "muted")
            return
        with self._main:
            if not trace.spans:
                text("h1", "No such trace", test="no-trace")
                why = "It is not stored (yet), or it was deleted."
                if trace.totals["calls"]:
                    why = "Its spans were sampled out; its calls are counted in every total."
                text("p", why, "muted")
                return
            self._verdicts = trace.verdicts
            self._scores = trace.scores
            self._spans = {row["span_id"]: row for row in trace.spans}
            self._draw_head(trace)
            with box("div", "wp-split"):
                with box("section", "wp-card"):
                    self._draw_waterfall(trace)
                self._side = box("section", "wp-card wp-side", "detail")
        known = [row["span_id"] for row in trace.spans]
        calls = [row["span_id"] for row in trace.spans if row["counted"]]
        await self.choose(chosen if chosen in known else (calls or known)[0])

    def _draw_head(self, trace: Trace) -> None:
        spans, totals = trace.spans, trace.totals
        root = next((span for span in spans if not span["parent_span_id"]), spans[0])
        begin = min(span["start_ms"] for span in spans)
        end = max(span["start_ms"] + span["duration_ms"] for span in spans)
        with box("div", "wp-head"):
            text("h1", root["name"] or "(no name)", test="trace-name")
            text("span", self._trace_id, "mono muted", "trace-id")
            if trace.errors:
                chip(f"{trace.errors} with errors", "bad")
            if any(span["blocked"] for span in spans):
                chip("blocked", "warn")
            calls = sum(bool(span["counted"]) for span in spans)
            if len(spans) < SPAN_LIMIT and calls < totals["calls"]:
                chip("sampled: not every span is stored", "violet")
            for guard in _tripped([v for found in trace.verdicts.values() for v in found]):
                chip(guard, "violet")
            draw_chips(trace.scores)
        cost = format_money(totals["cost"]) if totals["cost"] is not None else ""
        unpriced = f"{totals['unpriced']} unpriced" if totals["unpriced"] else ""
        facts = [
            ("Started (UTC)", format_time(spans[0]["start"]), "started"),
            ("Duration", format_duration(end - begin), "duration"),
            ("Service", root["service"], "service"),
            ("Spans", format_count(trace.stored_spans), "spans"),
            ("Calls", format_count(totals["calls"]), "calls"),
            ("Tokens in", format_count(totals["input_tokens"]), "input"),
            ("Tokens out", format_count(totals["output_tokens"]), "output"),
            ("Cost", ", ".join(filter(None, (cost, unpriced))), "cost"),
            ("User", totals["user_id"], "user"),
            ("Session", totals["session_id"], "session"),
        ]
        with box("div", "wp-facts"):
            for label, value, name in facts:
                if value:
                    with box("div"):
                        text("div", label, "name")
                        text("div", value, "value", f"fact-{name}")

    def _draw_waterfall(self, trace: Trace) -> None:
        spans = trace.spans
        steps = [
            Step(row["span_id"], row["parent_span_id"], row["start_ms"], row["duration_ms"])
            for row in spans
        ]
        with box("div", "wp-fall", "waterfall"):
            for bar in arrange(steps):
                self._draw_row(spans[bar.index], bar.depth, bar.left, bar.width)
        if trace.stored_spans > len(spans):
            words = f"The first {len(spans):,} of {trace.stored_spans:,} spans are shown."
            text("div", words, "wp-none", "cut")

    def _draw_row(self, row: Row, depth: int, left: float, width: float) -> None:
        span_id: str = row["span_id"]
        with box("div", "wp-row", "span-row") as line:
            line.props["data-span"] = span_id
            line.props["role"] = "button"
            line.props["tabindex"] = "0"
            line.on("click", lambda _: self.choose(span_id), args=[])
            line.on("keydown.enter", lambda _: self.choose(span_id), args=[])
            indent = min(depth, INDENT_LEVELS) * INDENT_PX
            with box("div", "what").style(f"padding-left: {indent}px"):
                text("span", row["name"] or "(no name)", "text", title=row["name"])
                if row["status"] == "error":
                    chip("blocked" if row["blocked"] else "error", "bad")
                for guard in _tripped(self._verdicts.get(span_id, [])):
                    chip(guard, "violet")
            with box("div", "track"):
                kind = "error" if row["status"] == "error" else row["kind"]
                safe = kind if kind.isalpha() else "other"
                box("div", f"fill {safe}").style(f"left: {min(left, 99.4)}%; width: {width}%")
            text("div", format_duration(row["duration_ms"]), "time")
        self._rows.setdefault(span_id, line)

    async def choose(self, span_id: str) -> None:
        """Open a span: mark its row, read it on a worker thread, draw it."""
        if span_id == self._chosen:
            return
        if self._chosen in self._rows:
            self._rows[self._chosen].classes(remove="here")
        self._chosen = span_id
        self._rows[span_id].classes(add="here")
        verdicts = self._verdicts.get(span_id, [])
        detail, nothing = None, "This span is gone."
        try:
            detail = await asyncio.to_thread(
                read_detail,
                self._reader,
                self._project,
                self._trace_id,
                self._spans[span_id],
                verdicts,
            )
        except Exception as error:
            log.warning("a span could not be read: %s", describe(error))
            nothing = f"The store could not be read. {AGAIN}"
        if self._chosen != span_id:
            return
        self._side.clear()
        with self._side:
            if detail is None:
                text("div", nothing, "wp-none")
            else:
                said = [row for row in self._scores if row["span_id"] in ("", span_id)]
                draw_detail(replace(detail, scores=said))


def _tripped(verdicts: list[Row]) -> list[str]:
    return sorted({row["guard"] for row in verdicts if row["tripped"]})
