"""Means with their intervals, against the same worked out in Python from the hours."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from dashboard_traffic import Ask, Frame

from watchpost_dashboards.intervals import OF_CALLS, OF_CHECKS, compare

HOURS = 60.0
OF_DEMO = {"service": ["support-assistant"]}


def find_row(frame: Frame, **wanted: str) -> dict[str, object]:
    rows = [dict(zip(frame.types, row, strict=True)) for row in frame.rows]
    [found] = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return found


def student(level: float, df: int) -> float:
    """The quantile of Student's t, by its distribution function's own series and bisection."""

    def below(t: float) -> float:
        steps = 4000
        density = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(
            df * math.pi
        )
        points = (t * (n + 0.5) / steps for n in range(steps))
        return 0.5 + sum((1 + x * x / df) ** (-(df + 1) / 2) for x in points) * density * t / steps

    low, high = 0.0, 50.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < level else (low, middle)
    return low


def delta(cells: list[tuple[float, float]]) -> tuple[float, float]:
    """A ratio of sums and half its interval, by the delta method over the cells."""
    n, k = sum(weight for _, weight in cells), len(cells)
    mean = sum(value for value, _ in cells) / n
    spread = sum((value - mean * weight) ** 2 for value, weight in cells) / n**2 * k / (k - 1)
    return mean, student(0.975, k - 1) * math.sqrt(spread)


def test_a_mean_is_a_ratio_of_sums_with_the_deviation_over_hours(ask: Ask) -> None:
    cells = ask(
        "SELECT toStartOfHour(start) AS hour, sum(output_tokens) AS x, count() AS n"
        " FROM watchpost.generations WHERE prompt_name = 'reply' AND prompt_version = 'v1'"
        " GROUP BY hour",
        HOURS,
    ).rows
    assert len(cells) > 3
    mean, half = delta([(float(x), float(n)) for _, x, n in cells])
    row = find_row(
        ask(compare("usage_rolled", OF_CALLS, "calls"), HOURS, **OF_DEMO),
        prompt_name="reply",
        prompt_version="v1",
    )
    assert row["tokens_out"] == pytest.approx(mean)
    # Student's quantile is an expansion.
    assert row["tokens_out_pm"] == pytest.approx(half, rel=0.02)
    assert row["typical_ms"] > 0
    assert row["typical_ms_pm"] > 0


def test_a_share_is_never_surer_than_chance_allows(ask: Ask) -> None:
    shop = {"service": ["dashboard-shop"], "version": ["2"]}
    row = find_row(
        ask(compare("guards_rolled", OF_CHECKS, "checks", ("guard",)), HOURS, **shop),
        guard="injection",
    )
    # All of them failed, hour by hour: there is no deviation, and of a share of one no chance.
    assert (row["failed"], row["failed_pm"]) == (1, 0)
    calls = find_row(
        ask(compare("usage_rolled", OF_CALLS, "calls"), HOURS, service=["dashboard-shop"]),
        prompt_version="1",
    )
    # One of four calls fails in each of six hours: the hours are all alike.
    assert calls["errors"] == pytest.approx(0.25)
    least = NormalDist().inv_cdf(0.975) * math.sqrt(0.25 * 0.75 / 24)
    assert calls["errors_pm"] > least


def test_fewer_than_three_hours_have_no_interval(ask: Ask) -> None:
    frame = ask(compare("usage_rolled", OF_CALLS, "calls"), 0.9, service=["dashboard-shop"])
    row = find_row(frame, prompt_version="2")
    assert row["calls"] in (3, 6)
    assert row["tokens_in"] > 900
    assert row["tokens_in_pm"] is None
