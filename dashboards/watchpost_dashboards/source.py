"""How a panel asks ClickHouse: the query object and the data source that Grafana's own ClickHouse
plugin understands. It does not know what is asked."""

from typing import Any

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PLUGIN = "grafana-clickhouse-datasource"
SOURCE_UID = "watchpost"
# The plugin's numbers for how a result is read.
TIME_SERIES, TABLE = 0, 1


def refer_to_source() -> DataSourceRef:
    """The provisioned data source, by its fixed uid."""
    return DataSourceRef(type_val=PLUGIN, uid=SOURCE_UID)


class ClickHouseQuery(variants.Dataquery, builder.Builder[variants.Dataquery]):
    """One SQL statement of a panel, in the shape the plugin stores it."""

    def __init__(self, sql: str, *, series: bool, ref_id: str = "A") -> None:
        self.sql = sql
        self.series = series
        self.ref_id = ref_id

    def to_json(self) -> dict[str, Any]:
        """The target as Grafana keeps it in a dashboard's JSON."""
        return {
            "refId": self.ref_id,
            "datasource": {"type": PLUGIN, "uid": SOURCE_UID},
            "editorType": "sql",
            "queryType": "timeseries" if self.series else "table",
            "format": TIME_SERIES if self.series else TABLE,
            "rawSql": self.sql,
        }

    def build(self) -> variants.Dataquery:
        """A query is its own builder."""
        return self
