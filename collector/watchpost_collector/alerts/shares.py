"""Drift of shares: which models, versions, languages or segments the calls are of.

The last window is held against the fourteen before by the population stability index, Siddiqi's
(2006), whose customary marks 0.1 and 0.25 are where small and large shifts begin. Shares that swing
with the weekday are no drift: the index must also be half as high again as that of any single
earlier window. And it must be more than chance: divided by 1/n + 1/m it follows chi-square
(Yurdakul 2018), whose tail is Wilson and Hilferty's, calls counted as fewer by how much the earlier
windows differ. It knows the rollup of calls.
"""

from __future__ import annotations

from watchpost_collector.alerts.dimensions import name_column, write_filter, write_series
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.statement import Statement, fill, write_holm

_EARLIER = 14
_INDICES = {"low": 0.35, "normal": 0.2, "high": 0.1}
_CHANCES = {"low": 1e-6, "normal": 1e-4, "high": 1e-3}
# Values of one series told apart; what is rarer is one value together.
_MOST_VALUES = 30


def compile_shares(rule: Rule) -> Statement:
    """The statement of a drift rule on anything that calls can be told apart by."""
    on = name_column(rule.on, rule.columns, "drifting")
    series = write_series(rule.by, rule.columns)
    narrowed = write_filter(rule.where, rule.columns)
    bound: dict[str, object] = {
        "window": rule.window_h,
        "reach": rule.window_h * (_EARLIER + 1),
        "min_calls": rule.min_calls,
        "index": _INDICES[rule.sensitivity],
        "most_chance": _CHANCES[rule.sensitivity],
        "values": _MOST_VALUES,
    }
    sql = fill(
        "shares",
        series=series.sql,
        narrowed=narrowed.sql,
        told=on.sql,
        tested=write_holm("select * from tested"),
    )
    values = {**on.bound, **series.bound, **narrowed.bound, **bound}
    return Statement(sql, values, rule.window_h * (_EARLIER + 1))
