"""From a rule to its statement: each kind has its file, this one knows which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from watchpost_collector.alerts.absence import compile_absence
from watchpost_collector.alerts.budget import compile_budget
from watchpost_collector.alerts.rates import compile_rate
from watchpost_collector.alerts.regression import compile_regression
from watchpost_collector.alerts.rule import INPUT_LENGTH, Rule
from watchpost_collector.alerts.seasonal import compile_seasonal
from watchpost_collector.alerts.shares import compile_shares
from watchpost_collector.alerts.statement import COLUMNS, Statement


def _compile_drift(rule: Rule) -> Statement:
    return (compile_seasonal if rule.on == INPUT_LENGTH else compile_shares)(rule)


_COMPILERS: Mapping[str, Callable[[Rule], Statement]] = {
    "cost_spike": compile_seasonal,
    "volume": compile_seasonal,
    "latency": compile_seasonal,
    "error_rate": compile_rate,
    "guard_rate": compile_rate,
    "refusal_rate": compile_rate,
    "budget": compile_budget,
    "regression": compile_regression,
    "drift": _compile_drift,
    "absence": compile_absence,
}


def compile_rule(rule: Rule) -> Statement:
    """The rule's one statement, its rows as `statement` has them, by time and series."""
    made = _COMPILERS[rule.kind](rule)
    columns = ", ".join(COLUMNS)
    sql = f"select {columns} from ({made.sql})\norder by at, series, measure"  # noqa: S608
    return replace(made, sql=sql)
