"""Charts over the unit square as SVG: lines, and bars of two groups. It knows no guard.

Written by hand because the report has four shapes of chart, all of shares between 0 and 1, and a
plotting library would weigh more than everything else that measures guards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_SIDE, _LEFT, _TOP, _RIGHT, _BOTTOM = 300, 52, 30, 16, 62
_WIDTH, _HEIGHT = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM
# Okabe and Ito's colours, told apart by colour-blind readers and in print.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
# More points than pixels show nothing more.
_MOST_POINTS = 600


@dataclass(frozen=True, slots=True)
class Line:
    """Named points with both coordinates between 0 and 1; `dots` marks each of them."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


def draw_lines(
    title: str, across: str, up: str, lines: Sequence[Line], *, diagonal: bool = False
) -> str:
    """A chart of lines; `diagonal` adds the one from corner to corner."""
    parts = []
    if diagonal:
        start, end = _place(0, 0), _place(1, 1)
        parts.append(
            f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" '
            'stroke="#999" stroke-dasharray="4 4"/>'
        )
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [_place(x, y) for x, y in _thin(line.points)]
        drawn = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if line.dots:
            parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
    return _frame(title, across, up, [line.name for line in lines], parts)


def draw_bars(
    title: str, across: str, up: str, groups: Sequence[tuple[str, Sequence[float]]]
) -> str:
    """Bars side by side, one group a colour; heights and the whole width are 0 to 1."""
    parts = []
    for number, (_, heights) in enumerate(groups):
        bars = len(heights) * len(groups)
        for place, height in enumerate(heights):
            x, y = _place((place * len(groups) + number) / bars, height)
            tall = round(_TOP + _SIDE - y, 1)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_SIDE / bars:.1f}" height="{tall}" '
                f'fill="{_COLOURS[number % len(_COLOURS)]}"/>'
            )
    return _frame(title, across, up, [name for name, _ in groups], parts)


def _frame(title: str, across: str, up: str, names: Sequence[str], parts: Sequence[str]) -> str:
    middle, base = _LEFT + _SIDE / 2, _TOP + _SIDE
    ticks = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _place(tick, tick)
        ticks.append(f'<path d="M{x} {_TOP}V{base}M{_LEFT} {y}H{_LEFT + _SIDE}" stroke="#ddd"/>')
        ticks.append(f'<text x="{x}" y="{base + 15}" text-anchor="middle">{tick:g}</text>')
        ticks.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    keys = [
        f'<text x="{_LEFT + place * 150}" y="{base + 54}" fill="{_COLOURS[place % len(_COLOURS)]}">'
        f"&#9632; {escape(name)}</text>"
        for place, name in enumerate(names)
    ]
    labels = [
        f'<text x="{middle}" y="18" text-anchor="middle" font-weight="bold">{escape(title)}</text>',
        f'<text x="{middle}" y="{base + 34}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(14 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text>",
    ]
    body = "\n".join((*ticks, *parts, *labels, *keys))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'font-family="sans-serif" font-size="11">\n{body}\n</svg>'
    )


def _place(x: float, y: float) -> tuple[float, float]:
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)


def _thin(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    step = -(-len(points) // _MOST_POINTS) or 1
    return [*points[:-1:step], *points[-1:]]
