"""Panels drawn as HTML and SVG, placed and coloured as Grafana would: what it looks like, without
Grafana. It knows what a query answered, and not where it was asked."""

from __future__ import annotations

import html
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from watchpost_dashboards.drawing import SPANNED_MS
from watchpost_dashboards.panel import Panel

COLUMN_PX, ROW_PX, GAP_PX = 51, 38, 8
COLOURS = (
    *("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0"),
    *("#37872d", "#fade2a", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"),
)
MOST_SERIES = len(COLOURS)
_BAD = {0: "#ccccdc", 1: "#ff9830", 2: "#f2495c"}
_SPANNED_S = SPANNED_MS / 1000
_SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "K"))


@dataclass(frozen=True, slots=True)
class Frame:
    """What a query answered: columns with their types, and rows."""

    types: Mapping[str, str]
    rows: Sequence[Sequence[object]]

    def numbers(self) -> list[str]:
        """The columns that are drawn."""
        bare = {name: type_.removeprefix("Nullable(") for name, type_ in self.types.items()}
        return [n for n, t in bare.items() if t.startswith(("UInt", "Int", "Float", "Decimal"))]


Mark = tuple[float, str]
# From, until, and the seconds of a point.
Span = tuple[float, float, int]
Series = dict[str, list[tuple[float, float]]]
Scale = Callable[[float], float]


def write_value(value: object, unit: str, decimals: int | None = None) -> str:
    """A value as Grafana writes it in this unit."""
    if value is None or value == "":
        return ""
    if not isinstance(value, int | float):
        return str(value)[:19] if unit == "dateTimeAsIso" else str(value)
    if math.isnan(value):
        return ""
    if unit == "percentunit":
        return f"{_round(value * 100, decimals if decimals is not None else 1)}%"
    if unit == "currencyUSD":
        return f"${_short(value, decimals)}"
    if unit == "ms":
        return f"{_round(value / 1000, 2)} s" if value >= 1000 else f"{_round(value, 0)} ms"
    if unit == "s":
        whole = value >= 60
        return f"{_round(value / 60, 1)} min" if whole else f"{_round(value, 2)} s"
    if unit == "bytes":
        for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if value >= size:
                return f"{_round(value / size, 1)} {name}"
        return f"{_round(value, 0)} B"
    return _short(value, decimals)


def _short(value: float, decimals: int | None) -> str:
    for size, name in _SIZES:
        if abs(value) >= size * 10 or (abs(value) >= size and size > 1e3):
            return f"{_round(value / size, 1)} {name}"
    if decimals is None:
        decimals = 0 if float(value).is_integer() else 2 if abs(value) >= 0.1 else 4
    return _round(value, decimals)


def _write_mark(value: float, unit: str) -> str:
    """A value beside an axis: no more digits than it needs."""
    return (
        re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", write_value(value, unit, None))
        .replace(". ", " ")
        .replace(".%", "%")
        .removesuffix(".")
    )


def _round(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"


def draw_panel(
    panel: Panel, place: Mapping[str, int], frame: Frame, span: Span,
    marks: Sequence[Mark],
) -> str:  # fmt: skip
    """A panel at its place; `span` is the time shown and the seconds of a point."""
    width, height = place["w"] * COLUMN_PX - GAP_PX, place["h"] * ROW_PX - GAP_PX
    style = (
        f"left:{place['x'] * COLUMN_PX}px;top:{place['y'] * ROW_PX}px;"
        f"width:{width}px;height:{height}px"
    )
    if not frame.rows:
        body = '<div class="none">No data</div>'
    elif panel.shape == "stat":
        body = _draw_stat(panel, frame)
    elif panel.shape == "table":
        body = _draw_table(panel, frame, height - 34)
    elif panel.shape == "trace":
        body = _draw_trace(frame, width, height - 34)
    else:
        body = _draw_time(panel, frame, (width, height - 34), span, marks)
    return f'<section style="{style}"><h2>{html.escape(panel.title)}</h2>{body}</section>'


def _draw_stat(panel: Panel, frame: Frame) -> str:
    value = frame.rows[0][0]
    passed = sum(isinstance(value, int | float) and value >= limit for limit in panel.limits)
    shown = write_value(value, panel.unit, panel.decimals)
    return f'<div class="stat" style="color:{_BAD[min(passed, 2)]}">{shown}</div>'


def _draw_table(panel: Panel, frame: Frame, height: int) -> str:
    numbers = set(frame.numbers())
    heads, rows = [], []
    for name in frame.types:
        column = panel.columns[name]
        side = "n" if name in numbers else "t"
        heads.append(f'<th class="{side}">{html.escape(column.title)}</th>')
    linked = next(iter(panel.narrows.values()), "")
    for row in frame.rows[: height // 27 - 1]:
        cells = []
        for name, value in zip(frame.types, row, strict=True):
            column = panel.columns[name]
            shown = html.escape(write_value(value, column.unit or "short", column.decimals))
            side = ("n" if name in numbers else "t") + (" l" if name == linked else "")
            cells.append(f'<td class="{side}">{shown}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><tr>{''.join(heads)}</tr>{''.join(rows)}</table>"


def _draw_trace(frame: Frame, width: int, height: int) -> str:
    names = list(frame.types)
    spans = [dict(zip(names, row, strict=True)) for row in frame.rows]
    starts = [_seconds(str(span["startTime"])) for span in spans]
    first = min(starts)
    ends = [s + float(str(one["duration"])) / 1e3 for s, one in zip(starts, spans, strict=True)]
    whole = max(max(ends) - first, 1e-6)
    known = {str(span["spanID"]): str(span["parentSpanID"]) for span in spans}
    left, bar = 330, 26
    drawn = []
    for place, (span, start) in enumerate(zip(spans, starts, strict=True)):
        depth, parent = 0, str(span["parentSpanID"])
        while parent in known and depth < 12:
            depth, parent = depth + 1, known[parent]
        y = 8 + place * bar
        if y + bar > height:
            break
        x = left + (start - first) / whole * (width - left - 110)
        long = max(2.0, float(str(span["duration"])) / 1e3 / whole * (width - left - 110))
        colour = COLOURS[depth % len(COLOURS)]
        drawn.append(
            f'<text x="{14 + depth * 18}" y="{y + 15}">{html.escape(str(span["operationName"]))}'
            f'</text><rect x="{x:.0f}" y="{y + 3}" width="{long:.0f}" height="16" fill="{colour}" '
            f'rx="2"/><text x="{x + long + 6:.0f}" y="{y + 15}" class="dim">'
            f"{write_value(float(str(span['duration'])), 'ms')}</text>"
        )
    return f'<svg width="{width}" height="{height}">{"".join(drawn)}</svg>'


def _seconds(text: str) -> float:
    head, _, tail = text.partition(".")
    at = datetime.strptime(head, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    return at + float(f"0.{tail or 0}")


def _split(panel: Panel, frame: Frame) -> Series:
    names, found = list(frame.types), Series()
    for row in frame.rows:
        told = dict(zip(names, row, strict=True))
        for name in frame.numbers():
            value = told[name]
            if value is not None:
                key = str(told["series"]) if "series" in told else name.removesuffix("_ms")
                found.setdefault(key or "(none)", []).append(
                    (_seconds(str(told["time"])), float(str(value)))
                )
    return found


def _draw_time(
    panel: Panel, frame: Frame, size: tuple[int, int], span: Span,
    marks: Sequence[Mark],
) -> str:  # fmt: skip
    series = dict(sorted(_split(panel, frame).items())[:MOST_SERIES])
    width, height = size[0] - 74, size[1] - 62
    since, until, step = span
    if panel.shape == "bars":
        totals: dict[float, float] = {}
        for points in series.values():
            for at, value in points:
                totals[at] = totals.get(at, 0) + value
        highest = max(totals.values(), default=0)
    else:
        highest = max((value for points in series.values() for _, value in points), default=0)
    top = _nice(highest) if highest > 0 else 1.0

    def x(at: float) -> float:
        return 62 + (min(max(at, since), until) - since) / (until - since) * width

    def y(value: float) -> float:
        return 8 + height - value / top * height

    drawn = [_draw_axes(panel.unit, top, x, y, span)]
    drawn += [
        f'<line x1="{x(at):.0f}" x2="{x(at):.0f}" y1="8" y2="{8 + height}" stroke="{colour}" '
        f'stroke-dasharray="4 3"/><path d="M{x(at) - 4:.0f} {8 + height + 6} l4 -6 l4 6z" '
        f'fill="{colour}"/>'
        for at, colour in marks
        if since <= at <= until
    ]
    draw = _draw_bars if panel.shape == "bars" else _draw_lines
    drawn += draw(series, x, y, max(1.0, step / (until - since) * width - 1))
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>'
        for name, colour in zip(series, COLOURS, strict=False)
    )
    return (
        f'<svg width="{size[0]}" height="{height + 34}">{"".join(drawn)}</svg>'
        f'<div class="legend">{legend}</div>'
    )


def _draw_axes(unit: str, top: float, x: Scale, y: Scale, span: Span) -> str:
    since, until, _ = span
    drawn = []
    for part in range(5):
        value = top * part / 4
        drawn.append(
            f'<line x1="62" x2="{x(until):.0f}" y1="{y(value):.0f}" y2="{y(value):.0f}" '
            f'class="grid"/><text x="56" y="{y(value) + 4:.0f}" text-anchor="end" class="dim">'
            f"{_write_mark(value, unit)}</text>"
        )
    form = "%H:%M" if until - since < 2 * 86400 else "%m-%d"
    parts = 6 if form == "%H:%M" else 7
    for part in range(parts + 1):
        at = since + (until - since) * part / parts
        told = datetime.fromtimestamp(at, UTC).strftime(form)
        side = "end" if part == parts else "middle"
        drawn.append(
            f'<text x="{x(at):.0f}" y="{y(0) + 18:.0f}" text-anchor="{side}" class="dim">'
            f"{told}</text>"
        )
    return "".join(drawn)


def _draw_bars(series: Series, x: Scale, y: Scale, wide: float) -> list[str]:
    stacked: dict[float, float] = {}
    drawn = []
    for points, colour in zip(series.values(), COLOURS, strict=False):
        path = []
        for at, value in points:
            low = stacked.get(at, 0.0)
            stacked[at] = low + value
            if value > 0:
                path.append(
                    f"M{x(at):.1f} {y(low):.1f}V{y(low + value):.1f}h{wide:.1f}V{y(low):.1f}z"
                )
        drawn.append(f'<path d="{"".join(path)}" fill="{colour}" fill-opacity="0.8"/>')
    return drawn


def _draw_lines(series: Series, x: Scale, y: Scale, _: float) -> list[str]:
    times = sorted({at for points in series.values() for at, _ in points})
    drawn = []
    for points, colour in zip(series.values(), COLOURS, strict=False):
        path, before = "", times[0]
        for at, value in points:
            # As Grafana: a gap is where another series has a value and this one has none.
            missing = bisect_left(times, at) - bisect_right(times, before) > 0
            pen = "M" if not path or (missing and at - before > _SPANNED_S) else "L"
            path += f"{pen}{x(at):.1f} {y(value):.1f}"
            before = at
        drawn.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        if len(points) == 1:
            [(at, value)] = points
            drawn.append(f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.5" fill="{colour}"/>')
    return drawn


def _nice(value: float) -> float:
    size = 10 ** math.floor(math.log10(value))
    tops = (step * size for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10))
    return next(top for top in tops if top >= value)
