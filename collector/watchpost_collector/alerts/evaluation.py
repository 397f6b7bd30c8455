"""Rules evaluated: as they are now, or as they would have been over a stretch of the past.

Whoever calls brings the way to ask. Nothing is remembered between two evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.examples import find_examples
from watchpost_collector.alerts.finding import (
    Episode,
    Finding,
    find_episodes,
    group_findings,
    read_findings,
)
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.statement import HOUR_S

# SQL with named parameters in, rows by column name out.
Ask = Callable[[str, Mapping[str, object]], Sequence[Mapping[str, Any]]]

# What changes over days is looked at four times a day in a back-test.
_SLOW = ("regression", "drift", "budget")
_SLOW_STEP_S = 6 * HOUR_S
_TIMES_AT_ONCE = 168
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that is true for one series or version: its findings, and traces to look at."""

    findings: tuple[Finding, ...]
    traces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule says now: what fires, and of how many series it could say anything."""

    rule: Rule
    alerts: tuple[Alert, ...]
    series: int


def evaluate_rule(rule: Rule, ask: Ask, now: int) -> list[Finding]:
    """Findings at `now`, seconds since 1970: of the last whole hour, and of the one that runs."""
    statement = compile_rule(rule)
    times = sorted({now // HOUR_S * HOUR_S, now})
    return read_findings(rule, ask(statement.sql, statement.bind(times)))


def check_rule(rule: Rule, ask: Ask, now: int) -> Outcome:
    """What the rule says at `now`, with examples of what it fires for."""
    findings = evaluate_rule(rule, ask, now)
    alerts = [
        Alert(found, ask_examples(rule, found[0], ask) if place < _MOST_EXAMPLES else ())
        for place, found in enumerate(group_findings(findings).values())
    ]
    return Outcome(rule, tuple(alerts), len({finding.key[0] for finding in findings}))


def replay_rule(rule: Rule, ask: Ask, since: int, until: int, step_s: int) -> list[Episode]:
    """When the rule would have fired from `since` up to `until`, looked at every `step_s`."""
    step_s = max(step_s, _SLOW_STEP_S) if rule.kind in _SLOW else step_s
    statement = compile_rule(rule)
    only = f"select * from ({statement.sql}) where fires"  # noqa: S608
    times = list(range(-(-since // step_s) * step_s, until + 1, step_s))
    findings: list[Finding] = []
    for first in range(0, len(times), _TIMES_AT_ONCE):
        asked = statement.bind(times[first : first + _TIMES_AT_ONCE])
        findings += read_findings(rule, ask(only, asked))
    return find_episodes(findings, step_s, rule.hold_s)


def ask_examples(rule: Rule, finding: Finding, ask: Ask) -> tuple[str, ...]:
    """Ids of a few traces behind a finding; () where none can show it."""
    question = find_examples(rule, finding)
    rows = ask(question.sql, question.bound) if question is not None else ()
    return tuple(str(row["trace_id"]) for row in rows)
