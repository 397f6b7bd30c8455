"""Grafana's own ClickHouse plugin: what it is called, and a query as it keeps one. Plain values:
who pushes alerts needs no builder. It does not know what is asked."""

from dataclasses import dataclass
from typing import Any

PLUGIN = "grafana-clickhouse-datasource"
SOURCE_UID = "watchpost"


@dataclass(frozen=True, slots=True)
class Form:
    """How the plugin reads a result: its word and its number for it."""

    word: str
    number: int


_OVER_TIME, _ROWS, _TRACE = Form("timeseries", 0), Form("table", 1), Form("traces", 3)
# By the shape of a panel.
FORMS = {
    "series": _OVER_TIME,
    "bars": _OVER_TIME,
    "stat": _ROWS,
    "table": _ROWS,
    "trace": _TRACE,
}


def describe_query(sql: str, form: Form, ref_id: str = "A") -> dict[str, Any]:
    """One SQL statement, as Grafana keeps it in a dashboard's JSON or an alert rule."""
    return {
        "refId": ref_id,
        "datasource": {"type": PLUGIN, "uid": SOURCE_UID},
        "editorType": "sql",
        "queryType": form.word,
        "format": form.number,
        "rawSql": sql,
    }
