"""The questions of `queries.py`: what people ask, what the page asks, what Grafana asks.

Each is asked the way its asker does: the page's through the page's own functions and texts, a
panel's with its macros expanded. This file knows what is asked and how long it may take; it does
not know how time is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from watchpost_collector.page import queries, trace
from watchpost_collector.page.filters import RANGES, Filters, Window, bind, choose_window
from watchpost_collector.page.reading import choose_query
from watchpost_collector.page.trace_list import read_page
from watchpost_dashboards.drawing import MOST_POINTS
from watchpost_dashboards.macros import View, expand
from watchpost_dashboards.provisioned import SHEETS

PROJECT = "shop"
FAST_MS, PANEL_MS, ALL_MS = 150, 500, 2000
DAY_S, DAY_MS = 86_400, 86_400_000
# What stands above a dashboard's panels when nobody has chosen anything.
CHOSEN = {"key": ["plan"], "budget": ["5000"], "status": ["any"], "order": ["newest"]}

COST_BY_MODEL = """
select hour, model, sum(u.cost) as usd from watchpost.usage_hourly as u
where project = {project:String} and hour >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
group by hour, model order by hour, model
"""
LATENCY_BY_VERSION = """
select prompt_name, prompt_version, sum(u.calls) as calls,
    arrayMap(v -> exp(v / 1500) - 1, quantilesTimingMerge(0.5, 0.95, 0.99)(u.duration_state)) as ms
from watchpost.usage_hourly as u
where project = {project:String} and hour >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
group by prompt_name, prompt_version order by prompt_name, prompt_version
"""
SCORES_BY_VERSION = """
select prompt_name, prompt_version, count() as scores, avg(value) as mean from watchpost.scores
where project = {project:String} and name = 'helpful'
    and time >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
group by prompt_name, prompt_version order by prompt_name, prompt_version
"""
FACET = """
select attributes[{key:String}] as value, count() as spans from watchpost.spans
where start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') and value != ''
group by value order by spans desc limit 20
"""
FACET_KEYS = """
select arrayJoin(splitByChar('\n', names)) as key, sum(found) as spans from (
    select attribute_names as names, count() as found from watchpost.spans
    where start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') group by names)
where key != '' group by key order by spans desc limit 100
"""
FACETED = ("app.tenant", "http.route", "app.request.id")
# How often a word comes decides what a search costs: in hardly any row, in some, in most.
WORDS = {"a rare word": "unbuffered", "a common word": "object", "two words": "default value"}


@dataclass(frozen=True, slots=True)
class Question:
    """`ask` takes a reader and returns how many rows it answered."""

    group: str
    name: str
    ask: Callable[[Any], int]
    target_ms: float


def list_questions(reader: Any) -> Iterator[Question]:
    """Every question, about the data that `reader` has."""
    [(first, last)] = reader.query(queries.EXTENT, {"project": ""}).rows
    extent = (int(first), int(last))
    yield from _list_named(reader, extent)
    yield from _list_page(extent)
    yield from _list_panels(extent[1] // 1000)


def _list_named(reader: Any, extent: tuple[int, int]) -> Iterator[Question]:
    group, last = "What is asked most", extent[1]
    window = _window(Filters(range="all"), extent)
    newest = read_page(reader, Filters(project=PROJECT), window)
    some = newest[len(newest) // 2]["trace_id"]
    month, week, day = last - 30 * DAY_MS, last - 7 * DAY_MS, last - DAY_MS
    listed = partial(_ask_list, Filters(project=PROJECT), window)
    yield Question(group, "last 50 traces of a project", listed, FAST_MS)
    yield Question(group, "one trace by id", partial(_ask_trace, some), FAST_MS)
    for name, sql, since in (
        ("cost by model an hour, 30 days", COST_BY_MODEL, month),
        ("latency percentiles by prompt version, 7 days", LATENCY_BY_VERSION, week),
        ("means of scores by prompt version, 30 days", SCORES_BY_VERSION, month),
    ):
        ask = partial(_ask, sql, {"project": PROJECT, "since": since})
        yield Question(group, name, ask, FAST_MS)
    for name, text in WORDS.items():
        for label, reach, target in (
            ("a day", _window(Filters(range="24h"), extent), FAST_MS),
            ("everything", window, ALL_MS),
        ):
            ask = partial(_ask_list, Filters(text=text), reach)
            yield Question(group, f"text search, {name}, {label}", ask, target)
    for label, since, target in (("a day", day, FAST_MS), ("everything", 0, ALL_MS)):
        for key in FACETED:
            ask = partial(_ask, FACET, {"key": key, "since": since})
            yield Question(group, f"facet of {key}, {label}", ask, target)
        ask = partial(_ask, FACET_KEYS, {"since": since})
        yield Question(group, f"all attribute names, {label}", ask, target)


def _list_page(extent: tuple[int, int]) -> Iterator[Question]:
    for name in RANGES:
        group = f"Page, {name}"
        filters = Filters(range=name)
        window = _window(filters, extent)
        bound = bind(filters, window)
        for query, sql in queries.ALL.items():
            if "{trace:" in sql or query.endswith(("_HOURLY", "_DAILY")):
                continue
            chosen = choose_query(query, window)
            yield Question(group, query.lower(), partial(_ask, chosen, bound), FAST_MS)
        narrowed: tuple[dict[str, str], ...] = (
            {}, {"project": PROJECT}, {"service": "shop-search"}, {"model": "gpt-4.1"},
            {"prompt": "shop-assistant-plan"}, {"status": "error"}, {"guard": "pii"},
            {"status": "blocked"}, {"session": "no such session"}, {"user": "no such user"},
        )  # fmt: skip
        for fields in narrowed:
            chosen_filters = Filters(range=name, **fields)  # type: ignore[arg-type]
            label = ", ".join(f"{key}={value}" for key, value in fields.items()) or "no filter"
            ask = partial(_ask_list, chosen_filters, window)
            yield Question(group, f"list of traces, {label}", ask, FAST_MS)


def _list_panels(last_s: int) -> Iterator[Question]:
    for label, days in (("24 hours", 1), ("7 days", 7), ("30 days", 30)):
        view = View(last_s - days * DAY_S, last_s, max(days * DAY_S // MOST_POINTS, 60), CHOSEN)
        for sheet in SHEETS:
            target = FAST_MS if sheet.name == "overview" else PANEL_MS
            for panel in sheet.panels:
                ask = partial(_ask, expand(panel.sql, view), {})
                yield Question(f"Grafana, {sheet.name}, {label}", panel.title, ask, target)
    listed = {one.name: one for sheet in SHEETS for one in sheet.variables if one.kind == "query"}
    for name, variable in listed.items():
        sql = expand(variable.source, View(last_s - DAY_S, last_s))
        yield Question("Grafana, variables", name, partial(_ask, sql, {}), FAST_MS)


def _window(filters: Filters, extent: tuple[int, int]) -> Window:
    return choose_window(filters, extent, now_ms=extent[1])


def _ask(sql: str, bound: dict[str, Any], reader: Any) -> int:
    return len(reader.query(sql, bound).rows)


def _ask_list(filters: Filters, window: Window, reader: Any) -> int:
    return len(read_page(reader, filters, window))


def _ask_trace(trace_id: str, reader: Any) -> int:
    return len(trace.read_trace(reader, "", trace_id).spans)
