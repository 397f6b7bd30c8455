"""Rules evaluated: as they are now, or as they would have been over a stretch of the past.

Whoever calls brings the way to ask. Nothing is remembered between two evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watchpost_collector.alerts.compiling import compile_rule
from watchpost_collector.alerts.examples import find_examples
from watchpost_collector.alerts.finding import Episode, Finding, find_episodes, read_findings
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


def check_rule(rule: Rule, ask: Ask, now: int) -> Outcome:
    """The rule at `now`, seconds since 1970: the last whole hour, and the one that is running."""
    statement = compile_rule(rule)
    times = sorted({now // HOUR_S * HOUR_S, now})
    findings = read_findings(rule, ask(statement.sql, statement.bind(times)))
    fired: dict[tuple[object, ...], dict[str, Finding]] = {}
    for finding in findings:
        if finding.fires:
            # The later moment says more of the same.
            fired.setdefault(finding.key, {})[finding.measure] = finding
    alerts = []
    for place, found in enumerate(fired.values()):
        first = next(iter(found.values()))
        traces = _ask_examples(rule, first, ask) if place < _MOST_EXAMPLES else ()
        alerts.append(Alert(tuple(found.values()), traces))
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


def _ask_examples(rule: Rule, finding: Finding, ask: Ask) -> tuple[str, ...]:
    question = find_examples(rule, finding)
    rows = ask(question.sql, question.bound) if question is not None else ()
    return tuple(str(row["trace_id"]) for row in rows)
