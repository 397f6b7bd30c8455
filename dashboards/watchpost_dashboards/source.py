"""How a panel asks ClickHouse: the query object and the data source that Grafana's own ClickHouse
plugin understands. It does not know what is asked."""

from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

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


def refer_to_source() -> DataSourceRef:
    """The provisioned data source, by its fixed uid."""
    return DataSourceRef(type_val=PLUGIN, uid=SOURCE_UID)


def describe_query(sql: str, form: Form, ref_id: str = "A") -> dict[str, Any]:
    """One SQL statement, as Grafana keeps it in a dashboard's JSON."""
    return {
        "refId": ref_id,
        "datasource": {"type": PLUGIN, "uid": SOURCE_UID},
        "editorType": "sql",
        "queryType": form.word,
        "format": form.number,
        "rawSql": sql,
    }


class ClickHouseQuery(variants.Dataquery, builder.Builder[variants.Dataquery]):
    """One SQL statement of a panel, for the builders."""

    def __init__(self, sql: str, *, form: Form) -> None:
        self._told = describe_query(sql, form)

    def to_json(self) -> dict[str, Any]:
        """See `describe_query`."""
        return self._told

    def build(self) -> variants.Dataquery:
        """A query is its own builder."""
        return self
