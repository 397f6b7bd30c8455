"""Answers of the read API, from parameters and a reader to plain values. Knows SQL by name only.

Every answer is bounded: rows by a limit, messages by bytes. What was left out is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from watchpost_collector.api import queries
from watchpost_collector.api.questions import (
    DAY_S,
    BadQuestion,
    Place,
    Window,
    read_cursor,
    read_limit,
    read_window,
    write_cursor,
)
from watchpost_collector.store.messages import nest

MOST_SPANS = 2000
MOST_GROUPS = 10_000
MOST_PROMPTS = 1000
MOST_CONTENT_BYTES = 16 << 20
_STATES = ("", "ok", "error", "blocked")
_TEXTS = (
    *("input_messages", "output_messages", "system_instructions", "tool_definitions"),
    "documents",
)
_FILTERS = (
    "service", "environment", "model", "prompt", "version", "status", "user", "session",
)  # fmt: skip
_PAGED = ("since", "until", "limit", "cursor", "project")
_WINDOWED = ("since", "until", "project")

Row = dict[str, Any]


class Table(Protocol):
    """An answer of the store."""

    def records(self) -> list[Row]: ...


class Reader(Protocol):
    """A bounded, read-only door to the store."""

    def query(self, sql: str, parameters: Mapping[str, Any], project: str) -> Table: ...


@dataclass(frozen=True, slots=True)
class Question:
    """One request: whose rows, which parameters, and the last part of its path."""

    project: str
    given: Mapping[str, str]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """What is answered at a path, and the parameters it knows."""

    answer: Callable[[Reader, Question], Row]
    known: Sequence[str]


def list_traces(reader: Reader, question: Question) -> Row:
    """Traces, newest first, with their sums."""
    window, place, limit = _read_page(question.given)
    bound = {**_read_filters(question.given, "guard"), **_bind(window), **_bind_place(place)}
    rows = _read(reader, question, queries.TRACES, {**bound, "limit": limit + 1})
    for row in rows:
        row["prompts"] = [{"name": name, "version": version} for name, version in row["prompts"]]
    return {"traces": rows[:limit], "next": _cut_page(rows, limit, window, "trace_id")}


def read_trace(reader: Reader, question: Question) -> Row:
    """One trace: spans, calls, verdicts, scores, messages. BadQuestion 404 if it is not there."""
    bound = {"trace": question.name, "limit": MOST_SPANS + 1}
    spans = _read(reader, question, queries.TRACE_SPANS, bound)
    calls = _read(reader, question, queries.TRACE_CALLS, bound)
    scores = _read(reader, question, queries.TRACE_SCORES, bound)
    # The calls of a trace that was sampled out are there nevertheless; a score may come first.
    if not spans and not calls and not scores:
        raise BadQuestion("there is no such trace in this project", status=404)
    content: list[Row] = []
    left_out = 0
    if question.given.get("content", "1") != "0":
        most = {**bound, "most_bytes": MOST_CONTENT_BYTES}
        content = _read(reader, question, queries.TRACE_CONTENT, most)
        [stored] = _read(reader, question, queries.TRACE_CONTENT_COUNT, bound)
        left_out = stored["spans"] - len(content)
    for row in content:
        row.update({name: nest(row[name]) if row[name] else None for name in _TEXTS})
    return {
        "trace_id": question.name,
        "spans": spans[:MOST_SPANS],
        "more_spans": len(spans) > MOST_SPANS,
        "generations": calls,
        "verdicts": _read(reader, question, queries.TRACE_VERDICTS, bound),
        "scores": scores,
        "content": content,
        "content_left_out": left_out,
    }


def list_generations(reader: Reader, question: Question) -> Row:
    """LLM calls, each once, newest first."""
    window, place, limit = _read_page(question.given)
    bound = {**_read_filters(question.given), **_bind(window), **_bind_place(place)}
    bound |= {"trace": question.given.get("trace", ""), "limit": limit + 1}
    rows = _read(reader, question, queries.GENERATIONS, bound)
    return {"generations": rows[:limit], "next": _cut_page(rows, limit, window, "span_id")}


def sum_usage(reader: Reader, question: Question) -> Row:
    """Calls, tokens, cost and latency, split by what `by` names; whole hours."""
    dimensions = [name for name in question.given.get("by", "hour,model").split(",") if name]
    unknown = [name for name in dimensions if name not in queries.DIMENSIONS]
    if unknown or len(set(dimensions)) != len(dimensions):
        raise BadQuestion(f"by is a list of {', '.join(queries.DIMENSIONS)}, each once")
    window = read_window(question.given, 7 * DAY_S)
    bound = {**_bind(window), "limit": MOST_GROUPS + 1}
    rows = _read(reader, question, queries.write_usage(dimensions), bound)
    groups = [_rename(row) for row in rows]
    return {"usage": groups[:MOST_GROUPS], "more": len(groups) > MOST_GROUPS}


def list_prompts(reader: Reader, question: Question) -> Row:
    """Prompts and their versions with what was spent on each."""
    window = read_window(question.given, 30 * DAY_S)
    bound = {**_bind(window), "limit": MOST_PROMPTS + 1}
    rows = [_rename(row) for row in _read(reader, question, queries.PROMPTS, bound)]
    return {"prompts": rows[:MOST_PROMPTS], "more": len(rows) > MOST_PROMPTS}


def sum_scores(reader: Reader, question: Question) -> Row:
    """How many scores of each name a prompt's versions have, their mean, and what was chosen."""
    window = read_window(question.given, 30 * DAY_S)
    bound = {**_bind(window), "prompt": question.given.get("prompt", ""), "limit": MOST_GROUPS + 1}
    rows = [_rename(row) for row in _read(reader, question, queries.SCORES, bound)]
    for row in rows:
        row["labels"] = dict(zip(*row.pop("counted_labels"), strict=True))
    return {"scores": rows[:MOST_GROUPS], "more": len(rows) > MOST_GROUPS}


ROUTES: Mapping[str, Route] = {
    "traces": Route(list_traces, (*_PAGED, *_FILTERS, "guard")),
    "traces/": Route(read_trace, ("content", "project")),
    "generations": Route(list_generations, (*_PAGED, *_FILTERS, "trace")),
    "usage": Route(sum_usage, (*_WINDOWED, "by")),
    "prompts": Route(list_prompts, _WINDOWED),
    "scores": Route(sum_scores, (*_WINDOWED, "prompt")),
}


def _read(reader: Reader, question: Question, sql: str, bound: Mapping[str, Any]) -> list[Row]:
    return reader.query(sql, bound, question.project).records()


def _read_filters(given: Mapping[str, str], *more: str) -> dict[str, str]:
    found = {name: given.get(name, "") for name in (*_FILTERS, *more)}
    if found["status"] not in _STATES:
        raise BadQuestion("status is ok, error or blocked")
    return found


def _read_page(given: Mapping[str, str]) -> tuple[Window, Place, int]:
    limit = read_limit(given)
    if not given.get("cursor"):
        return read_window(given, DAY_S), Place(0, ""), limit
    if given.get("since") or given.get("until"):
        raise BadQuestion("a cursor has its since and until with it: leave them out")
    window, place = read_cursor(given["cursor"])
    return window, place, limit


def _cut_page(rows: list[Row], limit: int, window: Window, key: str) -> str | None:
    """The cursor of the next page, if there is one; takes the column it needs off the rows."""
    moments = [row.pop("start_ns") for row in rows]
    if len(rows) <= limit:
        return None
    return write_cursor(window, Place(int(moments[limit - 1]), rows[limit - 1][key]))


def _bind(window: Window) -> dict[str, Any]:
    return {"since": window.since_ns, "until": window.until_ns}


def _bind_place(place: Place) -> dict[str, Any]:
    return {"at": place.at_ns, "id": place.id}


def _rename(row: Row) -> Row:
    """Names as people know them: the query's own must not shadow columns."""
    renamed: Row = {}
    for name, value in row.items():
        if name.endswith("_quantiles"):
            named = zip(("p50", "p90", "p95", "p99"), value, strict=True)
            renamed[name.removesuffix("_quantiles")] = dict(named)
        else:
            renamed[name.removeprefix("by_").removeprefix("total_")] = value
    return renamed
