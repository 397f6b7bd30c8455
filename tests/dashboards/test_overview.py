"""The overview dashboard: what is checked in is what is built, and every query it holds runs."""

import json
import re
import time

import pytest

from watchpost_dashboards.overview import PROVISIONED, build_overview
from watchpost_dashboards.panels import OVERVIEW, VARIABLES

SHORT_H, LONG_H, MONTH_H = 1, 72, 720


def expand(sql: str, *, chosen: bool, hours: int = SHORT_H) -> str:
    """What Grafana's ClickHouse plugin sends: its macros expanded, with or without a choice."""
    choice = r"\1" if chosen else "1=1"
    sql = re.sub(r"\$__conditionalAll\((.*?\)), \$\w+\)", choice, sql)
    until = int(time.time()) + 60
    moments = {"$__fromTime": until - hours * 3600, "$__toTime": until}
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= $__fromTime AND \1 <= $__toTime", sql)
    for macro, moment in moments.items():
        sql = sql.replace(macro, f"toDateTime({moment})")
    sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(\1, INTERVAL 60 second)", sql)
    sql = sql.replace("${project:singlequote}", "'default'")
    sql = sql.replace("${service:singlequote}", "'dashboard-shop'")
    return sql.replace("${environment:singlequote}", "'test'")


def test_the_provisioned_json_is_what_the_code_builds() -> None:
    assert json.loads(PROVISIONED.read_text()) == build_overview()


def test_every_panel_says_what_to_do_when_it_looks_bad() -> None:
    panels = build_overview()["panels"]
    assert len(panels) == len(OVERVIEW)
    assert all(len(panel["description"]) > 40 for panel in panels)


def test_every_panel_asks_the_provisioned_data_source() -> None:
    text = json.dumps(build_overview())
    assert set(re.findall(r'"type": "([\w-]*datasource)"', text)) == {
        "grafana-clickhouse-datasource"
    }
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"watchpost", "watchpost-overview"}


@pytest.mark.parametrize(
    "hours", [SHORT_H, LONG_H, MONTH_H], ids=["an hour", "three days", "a month"]
)
@pytest.mark.parametrize("chosen", [False, True], ids=["everything", "one service"])
@pytest.mark.parametrize("panel", OVERVIEW, ids=lambda panel: panel.title)
def test_every_panel_query_answers_with_the_traffic_that_was_sent(
    panel, chosen, hours, server, shop_traffic
) -> None:
    sql = expand(panel.sql, chosen=chosen, hours=hours)
    assert "$" not in sql
    rows = server.query(sql)
    assert rows
    assert any(value not in (0, None, "") for row in rows for value in row)


def test_a_panel_sums_the_same_from_hours_and_days_as_from_the_rows(server, shop_traffic) -> None:
    by_title = {panel.title: panel.sql for panel in OVERVIEW}
    for title in ("Calls", "Cost", "Unpriced calls", "Guards tripped"):
        short, long, longest = (
            server.query(expand(by_title[title], chosen=True, hours=hours))
            for hours in (SHORT_H, LONG_H, MONTH_H)
        )
        assert short == long == longest


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_lists_what_was_sent(name, server, shop_traffic) -> None:
    listed = {value for (value,) in server.query(VARIABLES[name])}
    assert {"project": "default", "service": "dashboard-shop", "environment": "test"}[
        name
    ] in listed
