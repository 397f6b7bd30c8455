"""A rule's statement as text that stands alone, for an evaluator that binds nothing: Grafana's.

Its evaluation times are the plugin's macro for the end of the range that Grafana asks about, its
values are literals. Its rows are what Grafana's alerting reads as one number for each set of
labels: columns of text, and one number, which is the value of what fires and NaN of what does not.
It knows what `statement` says of rows; it knows no Grafana but the name of that macro.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.literal import fill_in
from watchpost_collector.alerts.regression import list_context
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.statement import HOUR_S, Statement

_NOW = "toUnixTimestamp($__toTime)"
_HOUR = f"intDiv({_NOW}, {HOUR_S}) * {HOUR_S}"


@dataclass(frozen=True, slots=True)
class Standing:
    """SQL without parameters, and the labels of its rows: the rule's name for each, by column."""

    sql: str
    labels: dict[str, str]


def write_standing(rule: Rule) -> Standing:
    """The rule as of the end of the range asked about: its last whole hour and the running one."""
    statement = compile_rule(rule)
    is_regression = rule.kind == "regression"
    names = list_context(rule) if is_regression else rule.by
    labels = _name_columns(names)
    columns = [f"series[{place}] as {label}" for place, label in enumerate(labels, 1)]
    keys = ["series"]
    if is_regression:
        columns += ["subject as version", "against as predecessor"]
        keys += ["subject", "against"]
    sql = f"""select {", ".join([*columns, "measure"])},
    if(max(fires), ifNull(argMaxIf(value, at, fires), 1), nan) as value
from ({_write_now(statement)})
group by {", ".join([*keys, "measure"])}
order by {", ".join([*keys, "measure"])}"""  # noqa: S608  constants, and literals that say nothing
    return Standing(sql, labels)


def _write_now(statement: Statement) -> str:
    times = {
        "at": f"arrayDistinct([{_HOUR}, {_NOW}])",
        "since": f"greatest({_HOUR} - {statement.reach_h * HOUR_S}, 0)",
        "until": _NOW,
    }
    return fill_in(statement.sql, statement.bound, times)


def _name_columns(names: tuple[str, ...]) -> dict[str, str]:
    """The rule's names by the labels they become: letters, digits and underscores, each once."""
    labels: dict[str, str] = {}
    for place, name in enumerate(names):
        label = re.sub(r"\W", "_", name, flags=re.ASCII)
        labels[label if label not in labels else f"{label}_{place}"] = name
    return labels
