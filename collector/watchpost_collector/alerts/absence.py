"""A service that used to call and has stopped.

Silence is counted in whole hours. It is unusual when it is longer than the rule's window and half
as long again as the longest silence of the five weeks before: a service that sleeps at weekends is
not absent on Sunday. What has been silent for a week more is gone, and told no longer. It knows the
rollup of calls.
"""

from __future__ import annotations

from watchpost_collector.alerts.dimensions import write_filter, write_series
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.statement import Statement, fill

_REACH_H = 672 + 168
_FACTORS = {"low": 2.5, "normal": 1.5, "high": 1.2}


def compile_absence(rule: Rule) -> Statement:
    """The statement of an absence rule."""
    series = write_series(rule.by, rule.columns)
    narrowed = write_filter(rule.where, rule.columns)
    bound: dict[str, object] = {
        "window": rule.window_h,
        "min_calls": rule.min_calls,
        "factor": _FACTORS[rule.sensitivity],
        "reach": _REACH_H,
    }
    sql = fill("absence", series=series.sql, narrowed=narrowed.sql)
    return Statement(sql, {**series.bound, **narrowed.bound, **bound}, _REACH_H)
