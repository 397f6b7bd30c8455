"""What the ClickHouse plugin and Grafana make of a panel's SQL."""

from __future__ import annotations

import pytest

from watchpost_dashboards.macros import View, expand

VIEW = View(1_000, 4_600, 15, {"model": ["a", "it's"], "order": ["slowest"]})


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__timeFilter(start)", "start >= toDateTime(1000) AND start <= toDateTime(4600)"),
        ("$__timeInterval(m.time)", "toStartOfInterval(toDateTime(m.time), INTERVAL 15 second)"),
        ("$__toTime - $__fromTime > $__interval_s", "toDateTime(4600) - toDateTime(1000) > 15"),
        ("x IN (${model:singlequote})", r"x IN ('a','it\'s')"),
        ("'${order}' = ${order:singlequote}", "'slowest' = 'slowest'"),
        ("${nothing:singlequote} = ''", "'' = ''"),
        ("$__conditionalAll(f(a, (b, 1)) IN (${model:singlequote}), $nothing) AND 2", "1=1 AND 2"),
        ("$__conditionalAll(f(a, b) IN (1), $model)", "f(a, b) IN (1)"),
        (
            "$__conditionalAll(x IN (SELECT $__conditionalAll(y, $nothing)), $model)",
            "x IN (SELECT 1=1)",
        ),
    ],
)
def test_variables_and_macros_are_filled_in_as_the_plugin_does(written: str, sent: str) -> None:
    assert expand(written, VIEW) == sent
