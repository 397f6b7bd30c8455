"""Every query of every dashboard, asked as the ClickHouse plugin would ask it."""

from __future__ import annotations

import pytest
from dashboard_traffic import SHOP, Ask, Frame

from watchpost_dashboards.panel import Panel, Sheet
from watchpost_dashboards.provisioned import SHEETS
from watchpost_dashboards.reading import CALLS, CHECKS, Source, read_total

NUMBERS = ("UInt", "Int", "Float", "Decimal")
# In hours: the first is read from rows, the last from days.
SHORT, LONG = 1.0, 500.0
TRACE = ("traceID", "spanID", "parentSpanID", "serviceName", "operationName", "startTime")
PANELS = [(sheet, panel) for sheet in SHEETS for panel in sheet.panels]
VARIABLES = {
    variable.name: variable
    for sheet in SHEETS
    for variable in sheet.variables
    if variable.kind == "query"
}
LISTED = {
    **SHOP,
    "key": ["plan", "topic"],
    "other": ["openai gpt-4o", "anthropic claude-haiku-4-5"],
}


def is_number(type_: str) -> bool:
    return type_.removeprefix("Nullable(").startswith(NUMBERS)


def check_shape(panel: Panel, frame: Frame) -> None:
    """The types that Grafana needs to draw a panel of its shape."""
    types = frame.types
    if panel.shape in ("series", "bars"):
        assert next(iter(types)) == "time"
        assert types["time"].startswith("DateTime")
        drawn = [name for name, type_ in types.items() if is_number(type_)]
        assert drawn
        told = set(types) - {"time", *drawn}
        assert all("String" in types[name] for name in told)
        times = frame.column("time")
        assert times == sorted(times, key=str)
    elif panel.shape == "stat":
        assert len(frame.rows) == 1
        assert [is_number(type_) for type_ in types.values()] == [True]
        assert frame.rows[0][0] is not None
    elif panel.shape == "table":
        assert set(panel.narrows.values()) <= set(types) | {"=tripped"}
        for name, column in panel.columns.items():
            if name in types and column.unit not in ("", "dateTimeAsIso"):
                assert is_number(types[name]), name
        assert all(panel.columns[name].title for name in types)
    else:
        assert tuple(types)[: len(TRACE)] == TRACE
        assert is_number(types["duration"])
        assert types["tags"] == types["serviceTags"] == "Array(Map(String, String))"


def name_case(case: tuple[Sheet, Panel]) -> str:
    return f"{case[0].name}: {case[1].title}"


@pytest.mark.parametrize("case", PANELS, ids=name_case)
def test_every_panel_query_answers_with_the_traffic_that_was_sent(
    case: tuple[Sheet, Panel], ask: Ask
) -> None:
    sheet, panel = case
    trace = {"trace": [find_trace(ask)]} if sheet.name == "traces" else {}
    for frame in (ask(panel.sql, SHORT, **SHOP, **trace), ask(panel.sql, LONG, **trace)):
        assert frame.rows
        check_shape(panel, frame)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_lists_what_was_sent(name: str, ask: Ask) -> None:
    frame = ask(VARIABLES[name].source)
    assert [type_.removeprefix("LowCardinality(") for type_ in frame.types.values()] in (
        ["String"],
        ["String)"],
    )
    assert set(LISTED[name]) <= {row[0] for row in frame.rows}


@pytest.mark.parametrize(
    "rollout", [one for sheet in SHEETS for one in sheet.rollouts], ids=lambda one: one.name
)
def test_every_rollout_is_marked_at_its_moment(rollout, ask: Ask) -> None:
    frame = ask(rollout.sql, LONG)
    assert tuple(frame.types) == ("time", "text", "tags")
    assert frame.types["time"].startswith("DateTime")
    texts = " / ".join(map(str, frame.column("text")))
    assert "reply v2" in texts or "reply: production is version 1" in texts


@pytest.mark.parametrize("source", [CALLS, CHECKS], ids=["calls", "checks"])
def test_every_measure_is_the_same_from_rows_from_hours_and_from_days(
    source: Source, ask: Ask
) -> None:
    # All that was sent lies within the two days that are read from the rows, or outside of all.
    sql = read_total(source, *source.measures, where="service = 'dashboard-shop'")
    rows, hours, days = (ask(sql, hours).rows[0] for hours in (47.5, 49.0, 340.0))
    for name, told, *rolled in zip(source.measures, rows, hours, days, strict=True):
        # Times are kept half a percent wide.
        near = 0.01 if name.endswith("_ms") else 1e-9
        assert rolled == pytest.approx([told, told], rel=near), name


@pytest.mark.parametrize(
    ("order", "column"), [("newest", "time"), ("slowest", "duration_ms"), ("dearest", "usd")]
)
def test_calls_are_listed_in_the_order_chosen(order: str, column: str, ask: Ask) -> None:
    [panel] = [panel for sheet, panel in PANELS if (sheet.name, panel.title) == ("traces", "Calls")]
    listed = [value for value in ask(panel.sql, LONG, order=[order]).column(column) if value]
    assert listed == sorted(listed, reverse=True)
    assert len(listed) > 40
    failed = ask(panel.sql, LONG, order=[order], status=["error"], service=["dashboard-shop"])
    assert failed.column("outcome") == ["RateLimitError"] * 6


def find_trace(ask: Ask) -> str:
    [[trace]] = ask(
        "SELECT trace_id FROM watchpost.verdicts WHERE tripped AND $__timeFilter(start)"
        " ORDER BY start DESC LIMIT 1"
    ).rows
    return str(trace)
