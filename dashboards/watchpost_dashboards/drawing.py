"""Dashboards as Grafana's JSON, put together with Grafana's own builders. It knows looks, not
SQL."""

import json
from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import common as shared
from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model

from watchpost_dashboards.panel import Column, Panel, Rollout, Sheet, Variable
from watchpost_dashboards.source import (
    FORMS,
    ClickHouseQuery,
    describe_query,
    refer_to_source,
)

TRACES_UID = "watchpost-traces"
MOST_POINTS = 100
SPANNED_MS = 6 * 3_600_000.0
_PLAIN, _WARNING, _BAD = "text", "orange", "red"
_Builder = stat.Panel | table.Panel | timeseries.Panel | dashboard.Panel


def build(sheet: Sheet) -> dict[str, Any]:
    """The dashboard as Grafana imports and provisions it."""
    others = (
        dashboard.DashboardLink("watchpost")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["watchpost"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    drawn = (
        dashboard.Dashboard(f"watchpost: {sheet.title}")
        .uid(sheet.uid)
        .description(sheet.description)
        .tags(["watchpost", "llm"])
        .time(sheet.since, "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(others)
        .readonly()
    )
    for variable in sheet.variables:
        drawn = drawn.with_variable(_choose(variable))
    names = {variable.name for variable in sheet.variables}
    for number, panel in enumerate(sheet.panels, start=1):
        drawn = drawn.with_panel(_draw(panel, names).id(number))
    built: dict[str, Any] = json.loads(json.dumps(drawn.build(), cls=JSONEncoder))
    if sheet.rollouts:
        # The builders know annotations of Grafana's own store alone, not of a data source.
        built["annotations"] = {"list": [_mark(rollout) for rollout in sheet.rollouts]}
    return built


def _choose(variable: Variable) -> Any:
    label = variable.label or variable.name.capitalize()
    if variable.kind == "text":
        return dashboard.TextBoxVariable(variable.name).label(label).default_value(variable.source)
    if variable.kind == "choice":
        first, _, _ = variable.source.partition(",")
        option = model.VariableOption(selected=True, text=first, value=first)
        chosen = dashboard.CustomVariable(variable.name).label(label).values(variable.source)
        return chosen.current(option)
    return (
        dashboard.QueryVariable(variable.name)
        .label(label)
        .datasource(refer_to_source())
        .query(variable.source)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(not variable.single)
        .include_all(not variable.single)
    )


def _draw(panel: Panel, variables: set[str]) -> _Builder:
    drawn = (
        _shape(panel)
        .title(panel.title)
        .description(panel.description)
        .span(panel.width)
        .height(panel.height)
        .datasource(refer_to_source())
        .with_target(ClickHouseQuery(panel.sql, form=FORMS[panel.shape]))
    )
    if panel.shape == "trace":
        return drawn
    drawn = drawn.unit(panel.unit)
    if panel.most is not None:
        drawn = drawn.max(panel.most)
    if panel.decimals is not None:
        drawn = drawn.decimals(panel.decimals)
    if panel.limits:
        drawn = drawn.thresholds(_colour(panel.limits))
    if " AS series" in panel.sql:
        drawn = drawn.display_name("${__field.labels.series}")
    if panel.narrows and panel.shape != "table":
        drawn = drawn.data_links([_link(panel.narrows, variables, panel.shape)])
    if panel.shape == "table":
        return _show_columns(drawn, panel, variables)
    return drawn


def _show_columns(drawn: _Builder, panel: Panel, variables: set[str]) -> _Builder:
    bearer = next(iter(panel.narrows.values()), "")
    for name in dict.fromkeys((*panel.columns, *([bearer] if bearer else []))):
        column = panel.columns.get(name, Column())
        links = []
        if name == bearer:
            links.append(_as_value(_link(panel.narrows, variables, panel.shape)))
        if column.page:
            links.append({"title": "On watchpost's page", "url": column.page})
        drawn = drawn.override_by_name(name, _show(column, links))
    return drawn


def _shape(panel: Panel) -> _Builder:
    if panel.shape == "trace":
        return dashboard.Panel().type("traces")
    if panel.shape == "stat":
        # Without this a single cell of a table result would not be reduced to the number shown.
        return (
            stat.Panel()
            .reduce_options(shared.ReduceDataOptions().calcs(["lastNotNull"]))
            .graph_mode(looks.BigValueGraphMode.NONE)
        )
    if panel.shape == "table":
        return table.Panel()
    series = (
        timeseries.Panel()
        .fill_opacity(8)
        .show_points(looks.VisibilityMode.AUTO)
        # Gaps of up to six hours are drawn across: a quiet series would be dots.
        .span_nulls(SPANNED_MS)
        .legend(
            shared.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            shared.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        # Fewer points than pixels: calmer lines, and less to ask.
        .max_data_points(MOST_POINTS)
    )
    if panel.shape == "bars":
        stacked = shared.StackingConfig().mode(looks.StackingMode.NORMAL)
        series = series.draw_style(looks.GraphDrawStyle.BARS).fill_opacity(70).stacking(stacked)
    return series


def _colour(limits: tuple[float, ...]) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(value=None, color=_PLAIN)]
    steps += [
        model.Threshold(value=limit, color=colour)
        for limit, colour in zip(limits, (_WARNING, _BAD), strict=False)
    ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _show(column: Column, links: list[dict[str, str]]) -> list[model.DynamicConfigValue]:
    told: dict[str, Any] = {
        "displayName": column.title,
        "unit": column.unit,
        "custom.width": column.width,
        "links": links,
    }
    shown = {key: value for key, value in told.items() if value}
    if column.decimals is not None:
        shown["decimals"] = column.decimals
    return [model.DynamicConfigValue(key, value) for key, value in shown.items()]


def _link(narrows: Mapping[str, str], variables: set[str], shape: str) -> dashboard.DashboardLink:
    """To the traces, with what is chosen here and with what was clicked on."""
    kept = [f"${{{name}:queryparam}}" for name in sorted(variables - set(narrows) - {"key"})]
    clicked = [f"var-{name}={_value_of(place, shape)}" for name, place in narrows.items()]
    url = "&".join([f"/d/{TRACES_UID}?${{__url_time_range}}", *kept, *clicked])
    return dashboard.DashboardLink("Traces behind it").url(url)


def _value_of(place: str, shape: str) -> str:
    if place.startswith("="):
        return place[1:]
    return f"${{__data.fields.{place}}}" if shape == "table" else f"${{__field.labels.{place}}}"


def _as_value(link: dashboard.DashboardLink) -> dict[str, str]:
    built = link.build()
    return {"title": built.title, "url": str(built.url)}


def _mark(rollout: Rollout) -> dict[str, Any]:
    return {
        "name": rollout.name,
        "datasource": {"type": refer_to_source().type_val, "uid": refer_to_source().uid},
        "enable": True,
        "iconColor": rollout.colour,
        "target": describe_query(rollout.sql, FORMS["table"], "annotation"),
    }
