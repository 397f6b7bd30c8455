"""The first dashboard, put together with Grafana's own builders. It knows looks, not SQL."""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import barchart, dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import VariableRefresh

from watchpost_dashboards.panels import OVERVIEW, VARIABLES, Panel
from watchpost_dashboards.source import ClickHouseQuery, refer_to_source

PROVISIONED = Path(__file__).parent / "grafana" / "dashboards" / "overview.json"

_Builder = stat.Panel | table.Panel | timeseries.Panel | barchart.Panel


def _shape(panel: Panel) -> _Builder:
    if panel.shape == "stat":
        # Without this a single cell of a table result would not be reduced to the number shown.
        return stat.Panel().reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if panel.shape == "table":
        return table.Panel()
    series = timeseries.Panel().fill_opacity(12)
    if panel.shape == "bars":
        stacked = StackingConfig().mode(StackingMode.NORMAL)
        series = series.draw_style(GraphDrawStyle.BARS).fill_opacity(70).stacking(stacked)
    return series


def _draw(panel: Panel) -> _Builder:
    query = ClickHouseQuery(panel.sql, series=panel.shape in ("series", "bars"))
    return (
        _shape(panel)
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .datasource(refer_to_source())
        .with_target(query)
    )


def _choose(name: str, sql: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(refer_to_source())
        .query(sql)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
    )


def build_overview() -> dict[str, Any]:
    """Cost, tokens, latency, errors and verdicts on one sheet, as Grafana's dashboard JSON."""
    sheet = (
        dashboard.Dashboard("watchpost: overview")
        .uid("watchpost-overview")
        .description("Cost, tokens, latency and guard verdicts of LLM calls, each counted once.")
        .tags(["watchpost", "llm"])
        .time("now-24h", "now")
        .refresh("1m")
        .readonly()
    )
    for name, sql in VARIABLES.items():
        sheet = sheet.with_variable(_choose(name, sql))
    for panel in OVERVIEW:
        sheet = sheet.with_panel(_draw(panel))
    built: dict[str, Any] = json.loads(json.dumps(sheet.build(), cls=JSONEncoder))
    return built


def write_overview(path: Path = PROVISIONED) -> Path:
    """Write the JSON that is checked in and provisioned, so that a change shows as a diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(build_overview(), indent=2, sort_keys=True) + "\n")
    return path
