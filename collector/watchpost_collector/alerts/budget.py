"""A budget for a day, a week or a month (UTC), and whether it will hold.

What is still to come is forecast from the four weeks before: every hour left is expected to cost
what the same hour of the week cost on average. How sure that is comes from how much the days
differed: the rule fires when the limit is passed, or when even the forecast's lower limit is above
it and a tenth of the period is over. Under three days of history nothing is forecast. It knows the
rollup of calls.
"""

from __future__ import annotations

from watchpost_collector.alerts.dimensions import write_filter, write_series
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.statement import Statement, fill

_REACH_H = 672
_MONTH_H = 31 * 24
# Deviations below the forecast that must still be above the limit: 95, 90 and 80 of 100 times.
_SCALES = {"low": 1.64, "normal": 1.28, "high": 0.84}
_BEGINS = {
    "day": ("toStartOfDay(now)", "addDays(begins, 1)"),
    "week": ("toStartOfDay(toDateTime(toMonday(now), 'UTC'))", "addDays(begins, 7)"),
    "month": ("toDateTime(toStartOfMonth(now), 'UTC')", "addMonths(begins, 1)"),
}


def compile_budget(rule: Rule) -> Statement:
    """The statement of a budget rule."""
    series = write_series(rule.by, rule.columns)
    narrowed = write_filter(rule.where, rule.columns)
    bound = {"limit": rule.limit, "scales": _SCALES[rule.sensitivity]}
    begins, ends = _BEGINS[rule.period]
    sql = fill(
        "budget",
        series=series.sql,
        narrowed=narrowed.sql,
        begins=begins,
        ends=ends,
        reach=str(_REACH_H),
        month=str(_MONTH_H),
    )
    return Statement(sql, {**series.bound, **narrowed.bound, **bound}, _REACH_H + _MONTH_H)
