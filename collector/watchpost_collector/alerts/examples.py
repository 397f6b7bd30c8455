"""Traces to look at behind a finding: the dearest, the slowest, the failed, the stopped.

One SQL over the calls themselves, in the time that a finding was taken from. It knows the tables of
calls and verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping

from watchpost_collector.alerts.dimensions import CHECKS, Piece, Where, write_filter
from watchpost_collector.alerts.finding import Finding
from watchpost_collector.alerts.rule import GUARD_MEASURE, REFUSAL_GUARD, SCORE_MEASURE, Rule

_MOST = 3
_ORDERS: Mapping[str, str] = {
    "cost": "ifNull(toFloat64(cost), 0)",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "first_token": "ifNull(ttft_ms, 0)",
    "first_token_p50": "ifNull(ttft_ms, 0)",
    "first_token_p95": "ifNull(ttft_ms, 0)",
}


def find_examples(rule: Rule, finding: Finding) -> Piece | None:
    """The question for a few trace ids; None where no call can show what is wrong."""
    if rule.kind == "absence" or finding.measure.startswith(SCORE_MEASURE):
        return None
    where = [*rule.where, *((name, (value,)) for name, value in finding.series.items())]
    subject = {"regression": rule.of, "drift": rule.on}.get(rule.kind)
    if subject and finding.subject:
        where.append((subject, (finding.subject,)))
    if guard := _name_guard(finding.measure):
        where.append(("guard", (guard,)))
    if guard or rule.columns is CHECKS:
        return _write("watchpost.verdicts", "probability", "tripped", where, CHECKS, finding)
    order, only = _ORDERS.get(finding.measure, "duration_ms"), "true"
    if finding.measure in ("errors", "error_rate"):
        only = "status = 'error'"
    return _write("watchpost.generations", order, only, where, rule.columns, finding)


def _name_guard(measure: str) -> str:
    """The guard behind a measure that has one of its own."""
    if measure in ("refusals", "refusal_rate"):
        return REFUSAL_GUARD
    return measure.removeprefix(GUARD_MEASURE) if measure.startswith(GUARD_MEASURE) else ""


def _write(
    table: str, order: str, only: str, where: Where, columns: Mapping[str, str], finding: Finding
) -> Piece:
    narrowed = write_filter(where, columns)
    sql = f"""
select trace_id, max({order}) as worst from {table}
where start >= toDateTime({{since:UInt32}}, 'UTC') and start < toDateTime({{until:UInt32}}, 'UTC')
    and {only}{narrowed.sql}
group by trace_id order by worst desc, trace_id limit {_MOST}"""  # noqa: S608  only constants
    return Piece(sql, {**narrowed.bound, "since": finding.since, "until": finding.at})
