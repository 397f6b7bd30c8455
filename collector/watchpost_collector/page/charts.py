"""The page's charts as ECharts options: rows in, a dictionary out. Stored text only ever stands as
a value, never as a key (NiceGUI evaluates keys that begin with a colon), and tooltips are drawn on
the canvas, so no stored name is read as markup. Knows no SQL and no page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from watchpost_collector.page.figures import shorten

Options = dict[str, Any]

# Told apart by lightness as well as hue, and calm on white and on black.
PALETTE = (
    "#4c78b8", "#e39a4f", "#4fa58a", "#c9637a", "#8b74c4", "#c2ab45", "#5fb0c2", "#93897c",
)  # fmt: skip
RED, BLUE, AMBER, GREY = "#d0566a", "#4c78b8", "#e39a4f", "#8f8b84"
SERIES_LIMIT = 7
OTHERS = "all others"

MONEY = "v => v == null ? '–' : '$' + (v >= 1 ? v.toFixed(2) : +v.toPrecision(3))"  # noqa: RUF001
COUNT = "v => v == null ? '–' : Math.round(v).toLocaleString('en-US')"  # noqa: RUF001
MILLISECONDS = (
    "v => v == null ? '–' : v >= 1000 ? +(v / 1000).toPrecision(3) + ' s'"  # noqa: RUF001
    " : +v.toPrecision(3) + ' ms'"
)
SHORT_COUNT = (
    "v => v >= 1e9 ? +(v / 1e9).toPrecision(3) + 'B' : v >= 1e6 ? +(v / 1e6).toPrecision(3) + 'M'"
    " : v >= 1e3 ? +(v / 1e3).toPrecision(3) + 'k' : v"
)

Point = tuple[int, float | None]


def draw_cost(rows: Iterable[tuple[int, str, Decimal | int]], buckets: Sequence[int]) -> Options:
    """Cost in dollars per bucket, stacked by model. Rows are (bucket ms, model, dollars)."""
    stacks = _stack(((at, name, float(cost)) for at, name, cost in rows), buckets)
    return _plot(_bars(stacks), MONEY, MONEY)


def draw_tokens(rows: Iterable[tuple[int, str, int]], buckets: Sequence[int]) -> Options:
    """Tokens per bucket, stacked by prompt version. Rows are (bucket ms, label, tokens)."""
    stacks = _stack(((at, name, float(count)) for at, name, count in rows), buckets)
    return _plot(_bars(stacks), COUNT, SHORT_COUNT)


def draw_calls(rows: Iterable[tuple[int, int, int]], buckets: Sequence[int]) -> Options:
    """Calls per bucket, those that failed on top. Rows are (bucket ms, calls, errors)."""
    by_bucket = {at: (calls, errors) for at, calls, errors in rows}
    pairs = [by_bucket.get(at, (0, 0)) for at in buckets]
    stacks = [
        ("ok", [float(calls - errors) for calls, errors in pairs], BLUE),
        ("errors", [float(errors) for _, errors in pairs], RED),
    ]
    series = [
        _bar(name, zip(buckets, values, strict=True), colour) for name, values, colour in stacks
    ]
    return _plot(series, COUNT, SHORT_COUNT)


def draw_latency(
    rows: Iterable[tuple[int, float, float, float | None]], buckets: Sequence[int]
) -> Options:
    """Percentiles per bucket; no call, no point. Rows: (bucket ms, p50, p95, first token p50)."""
    by_bucket = {at: values for at, *values in rows}
    series = []
    for place, (name, colour) in enumerate((("p50", BLUE), ("p95", RED), ("first token", AMBER))):
        points: list[Point] = [
            (at, by_bucket[at][place] if at in by_bucket else None) for at in buckets
        ]
        series.append(_line(name, points, colour))
    return _plot(series, MILLISECONDS, MILLISECONDS)


def _stack(
    rows: Iterable[tuple[int, str, float]], buckets: Sequence[int]
) -> list[tuple[str, list[Point], str]]:
    """The largest series by sum, in order, and the sum of the rest."""
    values: dict[str, dict[int, float]] = {}
    for at, name, value in rows:
        series = values.setdefault(name, {})
        series[at] = series.get(at, 0.0) + value
    ranked = sorted(values, key=lambda name: (-sum(values[name].values()), name))
    stacks = []
    for place, name in enumerate(ranked[:SERIES_LIMIT]):
        points: list[Point] = [(at, values[name].get(at, 0.0)) for at in buckets]
        stacks.append((shorten(name, 60) or "(none)", points, PALETTE[place]))
    if rest := ranked[SERIES_LIMIT:]:
        points = [(at, sum(values[name].get(at, 0.0) for name in rest)) for at in buckets]
        stacks.append((OTHERS, points, GREY))
    return stacks


def _bars(stacks: Iterable[tuple[str, list[Point], str]]) -> list[Options]:
    return [_bar(name, points, colour) for name, points, colour in stacks]


def _bar(name: str, points: Iterable[Point], colour: str) -> Options:
    return {
        "name": name,
        "type": "bar",
        "stack": "all",
        "data": [list(point) for point in points],
        "itemStyle": {"color": colour},
        "barMaxWidth": 18,
        "barCategoryGap": "25%",
        "emphasis": {"focus": "none"},
    }


def _line(name: str, points: list[Point], colour: str) -> Options:
    few = sum(value is not None for _, value in points) <= 24
    return {
        "name": name,
        "type": "line",
        "data": [list(point) for point in points],
        "itemStyle": {"color": colour},
        "lineStyle": {"width": 2},
        "showSymbol": few,
        "symbol": "circle",
        "symbolSize": 5,
        "connectNulls": False,
    }


def _plot(series: list[Options], value_format: str, axis_format: str) -> Options:
    muted: Mapping[str, object] = {"color": GREY, "fontSize": 11}
    return {
        "useUTC": True,
        "animation": False,
        "textStyle": {"fontFamily": "Inter, Roboto, system-ui, sans-serif"},
        "aria": {"enabled": True},
        "grid": {"left": 8, "right": 14, "top": 34, "bottom": 4, "containLabel": True},
        "legend": {
            "type": "scroll",
            "top": 0,
            "left": 0,
            "icon": "roundRect",
            "itemWidth": 9,
            "itemHeight": 9,
            "itemGap": 14,
            "pageIconSize": 9,
            "pageIconColor": GREY,
            "pageTextStyle": muted,
            "textStyle": {**muted, "width": 180, "overflow": "truncate"},
        },
        "tooltip": {
            "trigger": "axis",
            "renderMode": "richText",
            "confine": True,
            "order": "seriesDesc",
            "backgroundColor": "#23262c",
            "borderWidth": 0,
            "padding": [8, 12],
            "textStyle": {"color": "#f2f0ec", "fontSize": 12},
            "axisPointer": {"type": "line", "lineStyle": {"color": GREY, "width": 1}},
            ":valueFormatter": value_format,
        },
        "xAxis": {
            "type": "time",
            "axisLine": {"lineStyle": {"color": "rgba(140,136,130,.35)"}},
            "axisTick": {"show": False},
            "axisLabel": {**muted, "hideOverlap": True, "formatter": {"day": "{MMM} {d}"}},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "splitNumber": 4,
            "axisLabel": {**muted, ":formatter": axis_format},
            "splitLine": {"lineStyle": {"color": "rgba(140,136,130,.16)"}},
        },
        "series": series,
    }
