"""Rates above their usual: errors of calls, trips of guards, refusals.

Expected is the rate of the two weeks before, its outliers cut to three deviations once, so that an
outage last week hides none today. Calls that belong together fail together: counts are divided by
how much the hours of those weeks vary more than chance would have it (Rao and Scott 1992), and by
how uncertain the expected rate is itself. The chance of so many is the tail of Poisson's
distribution in Wilson and Hilferty's approximation (1931), right far out where the normal one is
not; it is corrected for how many series were looked at. With `above`, the rate's own lower limit
(Wilson 1927) must lie above it, and nothing is compared. It knows the rollups.
"""

from __future__ import annotations

from watchpost_collector.alerts.dimensions import write_filter, write_series
from watchpost_collector.alerts.rule import REFUSAL_GUARD, Rule
from watchpost_collector.alerts.statement import Statement, fill, write_holm

_REACH_H = 336
_CHANCES = {"low": 1e-6, "normal": 1e-4, "high": 1e-3}
# The least difference worth a message: a factor, and a part of all calls.
_FACTORS = {"low": 3.0, "normal": 2.0, "high": 1.5}
_RISES = {"low": 0.05, "normal": 0.02, "high": 0.01}


def compile_rate(rule: Rule) -> Statement:
    """The statement of an error_rate, guard_rate or refusal_rate rule."""
    where = list(rule.where)
    table, found, counted = "guards_hourly", "tripped", "checks"
    if rule.kind == "error_rate":
        table, found, counted = "usage_hourly", "errors", "calls"
    elif rule.kind == "refusal_rate":
        where.append(("guard", (REFUSAL_GUARD,)))
    series = write_series(rule.by, rule.columns)
    narrowed = write_filter(where, rule.columns)
    bound: dict[str, object] = {
        "window": rule.window_h,
        "reach": _REACH_H,
        "min_calls": rule.min_calls,
        "most_chance": _CHANCES[rule.sensitivity],
        "factor": _FACTORS[rule.sensitivity],
        "rise": _RISES[rule.sensitivity],
        "above": -1.0 if rule.above is None else rule.above,
    }
    sql = fill(
        "rates",
        series=series.sql,
        narrowed=narrowed.sql,
        table=table,
        found=found,
        counted=counted,
        name=rule.kind,
        tested=write_holm("select * from tested"),
    )
    return Statement(sql, {**series.bound, **narrowed.bound, **bound}, _REACH_H + rule.window_h)
