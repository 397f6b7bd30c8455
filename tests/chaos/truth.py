"""What the store must hold after a run, compared with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chaos.traffic import Exporter, Request

Query = Callable[[str], list[tuple[Any, ...]]]


def find_differences(query: Query, project: str, sent: Exporter) -> list[str]:
    """Every way in which the tables and rollups differ from what was acknowledged."""
    found = list(sent.wrong)
    kept = {
        span: int(count)
        for span, count in query(
            f"SELECT span_id, count() FROM watchpost.spans WHERE project = '{project}' GROUP BY 1"
        )
    }
    stored = dict(sent.acknowledged)
    for number, request in sent.unanswered.items():
        # Without an answer a request may be stored or not, but never in part.
        if request.span_ids & kept.keys():
            stored[number] = request
    wanted = {span for request in stored.values() for span in request.span_ids}
    found += _name("spans lost", wanted - kept.keys())
    found += _name("spans nobody acknowledged", kept.keys() - wanted)
    found += _name("spans doubled", {span for span, count in kept.items() if count > 1})
    found += _compare_sums(query, project, list(stored.values()))
    return found


def _name(what: str, spans: set[str]) -> Iterator[str]:
    if spans:
        yield f"{len(spans)} {what}: {', '.join(sorted(spans)[:5])}"


def _compare_sums(query: Query, project: str, stored: list[Request]) -> Iterator[str]:
    spans = sum(len(request.span_ids) for request in stored)
    tokens = sum(request.input_tokens for request in stored)
    verdicts = sum(request.verdicts for request in stored)
    where = f"WHERE project = '{project}'"
    checks = {
        "content": ("count(), uniqExact(span_id)", (spans, spans)),
        "verdicts": ("count()", (verdicts,)),
        "generations": ("count(), sum(input_tokens)", (spans, tokens)),
        "usage_hourly": ("sum(calls), sum(input_tokens)", (spans, tokens)),
        "usage_daily": ("sum(calls), sum(input_tokens)", (spans, tokens)),
    }
    for table, (what, wanted) in checks.items():
        [row] = query(f"SELECT {what} FROM watchpost.{table} {where}")
        counted = tuple(int(value) for value in row)
        if counted != wanted:
            yield f"{table}: {what} is {counted}, should be {wanted}"
    [(calls,)] = query(f"SELECT sum(cost) FROM watchpost.generations {where}")
    for by in ("hourly", "daily"):
        [(rolled,)] = query(f"SELECT sum(cost) FROM watchpost.usage_{by} {where}")
        if abs(float(calls or 0) - float(rolled or 0)) > 1e-9:
            yield f"cost: {calls} by calls and {rolled} {by}"
