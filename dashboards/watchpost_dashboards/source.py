"""How a panel asks ClickHouse, for Grafana's builders: a query and the data source. It does not
know what is asked."""

from typing import Any

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from watchpost_dashboards.plugin import FORMS as FORMS
from watchpost_dashboards.plugin import PLUGIN as PLUGIN
from watchpost_dashboards.plugin import SOURCE_UID as SOURCE_UID
from watchpost_dashboards.plugin import Form
from watchpost_dashboards.plugin import describe_query as describe_query


def refer_to_source() -> DataSourceRef:
    """The provisioned data source, by its fixed uid."""
    return DataSourceRef(type_val=PLUGIN, uid=SOURCE_UID)


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
