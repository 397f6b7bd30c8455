"""Every SQL text of the page runs, with bound values that try to leave their quotes."""

from __future__ import annotations

import json
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from running_server import RunningServer

from watchpost_collector.page import queries, scores, trace_queries
from watchpost_collector.page.filters import Filters, bind, choose_window

ALL = {**queries.ALL, **trace_queries.ALL, "TRACE_SCORES": scores.TRACE_SCORES}
BREAKOUT = "a'; drop table spans; --\\' {project:String} \t\n"


def run(server: RunningServer, sql: str, values: dict[str, object]) -> list[list[object]]:
    escaped = {
        f"param_{name}": str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        for name, value in values.items()
        if f"{{{name}:" in sql
    }
    query = urlencode({"database": "watchpost", "query": f"{sql} format JSONCompact", **escaped})
    with urlopen(f"{server.query_url}/?{query}", timeout=60) as answer:
        rows: list[list[object]] = json.load(answer)["data"]
        return rows


@pytest.mark.parametrize("value", ["", BREAKOUT], ids=["any", "breakout"])
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_query_runs_with_whatever_value_is_bound(
    server: RunningServer, name: str, value: str
) -> None:
    names = ("project", "service", "environment", "model", "prompt", "version", "status")
    more = ("user", "session", "guard", "text")
    filters = Filters(range="7d", **dict.fromkeys((*names, *more), value))  # type: ignore[arg-type]
    bound = bind(filters, choose_window(filters, (0, 0)))
    before = server.query("select count() from watchpost.spans")
    of_list = {"edge": bound["since"], "needle": value, "first": 0, "last": 0, "traces": ["none"]}
    found = run(server, ALL[name], {**bound, **of_list, "trace": value, "span": value})
    if value and not name.endswith("CHOICES"):
        # Nothing is called that: no rows, or the one row of a sum over nothing.
        assert len(found) <= 1
    assert server.query("select count() from watchpost.spans") >= before


def test_no_query_is_unnamed() -> None:
    assert len(queries.ALL) >= 15
    assert all(isinstance(sql, str) and "select" in sql for sql in queries.ALL.values())
