"""What becomes of a panel's SQL on its way: Grafana's variables and the ClickHouse plugin's macros
filled in, for whoever asks without Grafana. It knows the plugin's rules, and no panel."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_CONDITIONAL = "$__conditionalAll("
_CALL = re.compile(r"\$__(timeFilter|timeInterval)\(([\w.]+)\)")
_PLACE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class View:
    """What a person looks at: seconds since 1970, seconds a point, and the values chosen.

    A variable that is not among the chosen ones stands at "All".
    """

    since_s: int
    until_s: int
    step_s: int = 60
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)


def expand(sql: str, view: View) -> str:
    """The statement as it reaches ClickHouse."""
    sql = _PLACE.sub(lambda found: _fill(found, view), _decide(sql, view))
    since, until = f"toDateTime({view.since_s})", f"toDateTime({view.until_s})"

    def call(found: re.Match[str]) -> str:
        name, column = found.groups()
        if name == "timeFilter":
            return f"{column} >= {since} AND {column} <= {until}"
        return f"toStartOfInterval(toDateTime({column}), INTERVAL {view.step_s} second)"

    sql = _CALL.sub(call, sql).replace("$__interval_s", str(view.step_s))
    return sql.replace("$__fromTime", since).replace("$__toTime", until)


def _decide(sql: str, view: View) -> str:
    """A condition about a variable that stands at "All" holds of everything."""
    while (start := sql.rfind(_CONDITIONAL)) >= 0:
        opened = start + len(_CONDITIONAL)
        depth, comma, place = 1, opened, opened
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[place], 0)
            if sql[place] == "," and depth == 1:
                comma = place
            place += 1
        name = sql[comma + 1 : place - 1].strip().removeprefix("$")
        kept = sql[opened:comma] if view.chosen.get(name) else "1=1"
        sql = sql[:start] + kept + sql[place:]
    return sql


def _fill(found: re.Match[str], view: View) -> str:
    name, form = found.groups()
    values = view.chosen.get(name, ())
    if form == "singlequote":
        return ",".join("'{}'".format(value.replace("'", "\\'")) for value in values) or "''"
    return ",".join(values)
