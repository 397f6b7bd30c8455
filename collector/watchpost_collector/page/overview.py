"""The overview: what the calls cost, how long they took, what failed and what the guards caught,
over a time range. Reads on a worker thread and redraws itself while somebody looks at it."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from watchpost_collector.page import charts
from watchpost_collector.page.alerts import AlertCard, ShowAlerts
from watchpost_collector.page.elements import box, draw_frame, draw_table, text
from watchpost_collector.page.empty import draw_empty
from watchpost_collector.page.figures import (
    NOTHING,
    format_count,
    format_duration,
    format_money,
    format_share,
)
from watchpost_collector.page.filter_bar import FilterBar
from watchpost_collector.page.filters import Filters
from watchpost_collector.page.reading import Overview, Reader, Row, read_overview
from watchpost_collector.page.score_means import draw_means, read_means
from watchpost_collector.trouble import describe

REFRESH_S = 10.0
DIMENSIONS = ("project", "service", "environment", "model", "prompt")
log = logging.getLogger(__name__)

TILES = (
    ("calls", "Calls"),
    ("cost", "Cost"),
    ("input", "Input tokens"),
    ("output", "Output tokens"),
    ("errors", "Error rate"),
    ("p50", "Latency p50"),
    ("p95", "Latency p95"),
    ("first-token", "Time to first token"),
    ("tripped", "Guard verdicts tripped"),
    ("blocked", "Calls blocked"),
)
CHARTS = (
    ("cost-over-time", "Cost by model", "US dollars"),
    ("calls-over-time", "Calls and errors", ""),
    ("latency-over-time", "Latency", "percentiles"),
    ("tokens-over-time", "Tokens by prompt version", "input and output"),
)


class OverviewPage:
    """One browser tab's overview; lives as long as the tab."""

    def __init__(
        self,
        show_alerts: ShowAlerts,
        reader: Reader,
        filters: Filters,
        server_url: str,
        theme: str,
        any_project: bool,
    ) -> None:
        self._reader = reader
        self._server_url = server_url
        self._keyed = not any_project
        self._values: dict[str, tuple[TextElement, TextElement]] = {}
        self._charts: dict[str, ui.echart] = {}
        self._tables: dict[str, ui.element] = {}
        self._wanted = asyncio.Event()
        self._fresh = draw_frame("/", theme)
        dimensions = DIMENSIONS if any_project else DIMENSIONS[1:]
        with box("main", "wp"):
            self._bar = FilterBar("/", filters, dimensions, self._wanted.set)
            # Rules look at every project: what they say is shown to whoever may see each.
            self._alerts = AlertCard(show_alerts if any_project else lambda: None)
            self._empty = box("div", "", "empty")
            self._empty.set_visibility(False)
            self._body = box("div")
            with self._body:
                self._draw_body()
        ui.timer(REFRESH_S, self._wanted.set)
        ui.timer(0.05, self._follow, once=True)

    def _draw_body(self) -> None:
        with box("section", "wp-tiles"):
            for name, label in TILES:
                with box("div", "wp-tile"):
                    text("div", label, "name")
                    value = text("div", NOTHING, "value", f"tile-{name}")
                    self._values[name] = (value, text("div", "", "note", f"note-{name}"))
        with box("section", "wp-grid"):
            for name, label, unit in CHARTS:
                with self._draw_card(label, unit):
                    chart = ui.echart({"series": []}).classes("wp-chart")
                    chart.props["data-test"] = f"chart-{name}"
                    self._charts[name] = chart
            for name, label in (("model", "By model"), ("prompt", "By prompt version")):
                with self._draw_card(label):
                    self._tables[name] = box("div", "wp-scroll")
            for name, label in (("guard", "Guards"), ("score", "Scores by prompt version")):
                with self._draw_card(label, wide=True):
                    self._tables[name] = box("div", "wp-scroll")

    @staticmethod
    def _draw_card(label: str, unit: str = "", wide: bool = False) -> ui.element:
        card = box("div", "wp-card wide" if wide else "wp-card")
        with card, box("h2"):
            text("b", label)
            text("span", unit)
        return card

    async def _follow(self) -> None:
        """Read and draw again whenever the filters change or the timer says so."""
        while not self._body.is_deleted:
            self._wanted.clear()
            filters = self._bar.filters
            try:
                overview = await asyncio.to_thread(read_overview, self._reader, filters)
                means = await asyncio.to_thread(read_means, self._reader, filters, overview.window)
            except Exception as error:  # the engine's own words quote what users wrote
                log.warning("the overview could not be read: %s", describe(error))
                self._say("reading failed, see the server's log", stale=True)
            else:
                if filters == self._bar.filters and not self._body.is_deleted:
                    self._show(overview, means)
            await self._wanted.wait()

    def _say(self, words: str, stale: bool) -> None:
        self._fresh.text = words
        self._fresh.classes(**({"add": "stale"} if stale else {"remove": "stale"}))

    def _show(self, overview: Overview, means: list[Row]) -> None:
        self._say(f"updated {datetime.now(UTC):%H:%M:%S} UTC", stale=False)
        self._alerts.show()
        self._bar.offer(overview.choices)
        self._empty.set_visibility(not overview.stored)
        self._bar.show(overview.stored)
        self._body.set_visibility(overview.stored)
        if not overview.stored:
            if not self._empty.default_slot.children:
                with self._empty:
                    draw_empty(self._server_url, self._keyed)
            return
        self._show_tiles(overview.tiles, overview.guard_tile)
        self._show_charts(overview)
        for name, draw in (("model", _draw_models), ("prompt", _draw_prompts)):
            rows = overview.by_model if name == "model" else overview.by_prompt
            self._redraw(name, rows, draw, "No call in this range.")
        self._redraw("guard", overview.by_guard, _draw_guards, "No guard looked at a text here.")
        self._redraw("score", means, draw_means, "Nobody scored an answer here.")

    def _redraw(
        self, name: str, rows: list[Row], draw: Callable[[list[Row]], Any], nothing: str
    ) -> None:
        place = self._tables[name]
        place.clear()
        with place:
            if rows:
                draw(rows)
            else:
                text("div", nothing, "wp-none")

    def _show_tiles(self, tiles: Row, guard: Row) -> None:
        calls = int(tiles["calls"])
        self._set("calls", calls, format_count(calls), "")
        unpriced = int(tiles["unpriced"])
        self._set(
            "cost",
            tiles["cost"],
            format_money(tiles["cost"]),
            f"{_count_calls(unpriced)} unpriced" if unpriced else "",
            "warn" if unpriced else "",
        )
        cached = tiles["cache_read_tokens"]
        note = f"{format_share(cached, tiles['input_tokens'])} from cache" if cached else ""
        self._set("input", tiles["input_tokens"], format_count(tiles["input_tokens"]), note)
        estimated = int(tiles["estimated"])
        note = f"{_count_calls(estimated)} estimated" if estimated else ""
        self._set("output", tiles["output_tokens"], format_count(tiles["output_tokens"]), note)
        errors = int(tiles["errors"])
        note = f"{format_count(errors)} of {format_count(calls)} calls" if calls else ""
        self._set("errors", errors, format_share(errors, calls), note, "bad" if errors else "")
        self._set("p50", tiles["p50"], format_duration(tiles["p50"]), "")
        self._set("p95", tiles["p95"], format_duration(tiles["p95"]), "")
        first, slow = tiles["first_token_p50"], tiles["first_token_p95"]
        note = f"p95 {format_duration(slow)}, streamed calls" if first is not None else ""
        self._set("first-token", first, format_duration(first), note)
        failed = int(guard["failed"])
        note = f"of {format_count(guard['checked'])} verdicts"
        note += f", {format_count(failed)} failed" if failed else ""
        tone = "warn" if failed else ""
        self._set("tripped", guard["tripped"], format_count(guard["tripped"]), note, tone)
        self._set("blocked", tiles["blocked"], format_count(tiles["blocked"]), "")

    def _set(self, name: str, exact: object, shown: str, note: str, tone: str = "") -> None:
        value, below = self._values[name]
        value.text = shown
        value.props["data-value"] = "" if exact is None else str(exact)
        value.update()
        below.text = note
        below.classes(replace=f"note {tone}")

    def _show_charts(self, overview: Overview) -> None:
        buckets = overview.window.buckets_ms()
        models = overview.by_model_over_time
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for row in models:
            counts[row["at"]][0] += row["calls"]
            counts[row["at"]][1] += row["errors"]
        drawn = {
            "cost-over-time": charts.draw_cost(
                ((row["at"], row["model"], row["cost"] or 0) for row in models), buckets
            ),
            "calls-over-time": charts.draw_calls(
                ((at, calls, errors) for at, (calls, errors) in counts.items()), buckets
            ),
            "latency-over-time": charts.draw_latency(
                (
                    (row["at"], row["p50"], row["p95"], row["first_token_p50"])
                    for row in overview.latency_over_time
                ),
                buckets,
            ),
            "tokens-over-time": charts.draw_tokens(
                (
                    (row["at"], label_prompt(row), row["tokens"])
                    for row in overview.tokens_over_time
                ),
                buckets,
            ),
        }
        for name, options in drawn.items():
            chart = self._charts[name]
            if chart.options != options:
                chart.options.clear()
                chart.options.update(options)
                chart.update()


def label_prompt(row: Row) -> str:
    """A prompt and its version as one label."""
    if not row["prompt_name"] and not row["prompt_version"]:
        return "no prompt named"
    return f"{row['prompt_name'] or 'unnamed'} · {row['prompt_version'] or 'no version'}"


def _count_calls(count: int) -> str:
    return f"{format_count(count)} call" + ("" if count == 1 else "s")


_MEASURES = (
    ("Calls", True), ("Errors", True), ("Input", True), ("Output", True), ("p95", True),
    ("Cost", True),
)  # fmt: skip


def _measures(row: Row) -> list[str | Callable[[], Any]]:
    def cost() -> None:
        text("span", format_money(row["cost"]))
        if row["unpriced"]:
            text("div", f"{format_count(row['unpriced'])} unpriced", "sub")

    return [
        format_count(row["calls"]),
        format_count(row["errors"]) if row["errors"] else NOTHING,
        format_count(row["input_tokens"]),
        format_count(row["output_tokens"]),
        format_duration(row["p95"]),
        cost,
    ]


def _draw_models(rows: list[Row]) -> None:
    cells = [[row["model"] or "(no model)", *_measures(row)] for row in rows]
    draw_table([("Model", False), *_MEASURES], cells, "table-model")


def _draw_prompts(rows: list[Row]) -> None:
    cells = [[label_prompt(row), *_measures(row)] for row in rows]
    draw_table([("Prompt", False), *_MEASURES], cells, "table-prompt")


def _list_labels(labels: Mapping[str, int]) -> str:
    ranked = sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{label} {format_count(count)}" for label, count in ranked[:6]) or NOTHING


def _draw_guards(rows: list[Row]) -> None:
    heads = [
        ("Guard", False), ("Direction", False), ("Found", False), ("Checked", True),
        ("Tripped", True), ("Share", True), ("Blocked", True), ("Failed", True), ("Took", True),
    ]  # fmt: skip
    cells = [
        [
            row["guard"],
            row["direction"],
            _list_labels(row["labels"]),
            format_count(row["checked"]),
            format_count(row["tripped"]),
            format_share(row["tripped"], row["checked"]),
            format_count(row["blocked"]) if row["blocked"] else NOTHING,
            format_count(row["failed"]) if row["failed"] else NOTHING,
            format_duration(row["p95"]),
        ]
        for row in rows
    ]
    draw_table(heads, cells, "table-guard")
