"""`watchpost alerts`: rules asked of a running watchpost, run, or given to Grafana.

`check` and `test` ask the rules of a file over the query endpoint, as `watchpost query` does: with
the same addresses and an admin key; that sends nothing to anybody and remembers nothing. The other
verbs are told in `alert_runner`, `alert_states` and `grafana`. This file knows words and columns;
the statistics are in `alerts`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_collector.alerts.alert_page import parse_moment, parse_span
from watchpost_collector.alerts.evaluation import Alert, Ask, Outcome, check_rule, replay_rule
from watchpost_collector.alerts.finding import Episode, Finding, explain, name_series, show_time
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import load_rules
from watchpost_collector.command import alert_runner, alert_states, grafana, query
from watchpost_collector.command.columns import format_columns
from watchpost_collector.command.plain_text import show_plainly

FOUND = 1
_LEAST_S, _MOST_SINCE_S = 3600, 400 * 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost alerts` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    check = verbs.add_parser("check", help="which rules are true now, and why")
    check.add_argument("--at", help="another moment than now: 2026-03-01T14:00 (UTC)")
    test = verbs.add_parser("test", help="when the rules would have fired")
    test.add_argument("--since", default="7d", help="how far back (default: %(default)s)")
    test.add_argument("--every", default="1h", help="how often (default: %(default)s)")
    push = verbs.add_parser("push", help="put the rules into a Grafana, or write its files")
    grafana.add_push_arguments(push)
    for verb in (check, test):
        verb.add_argument("file", type=Path, help="the YAML file of rules")
        verb.add_argument("--rule", action="append", help="only this one; may be repeated")
        verb.add_argument("--json", action="store_true", help="everything, as JSON")
        query.add_endpoint_arguments(verb)
    alert_runner.add_verb(verbs)
    alert_states.add_verbs(verbs)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says: 1 when `check` or `status` found a rule to be true, else 0.

    Raises ConfigError for a file that cannot be used, CollectorError when nobody answers.
    """
    if args.verb == "push":
        return grafana.push_alerts(args)
    if args.verb == "run":
        return alert_runner.run(args)
    if args.verb in alert_states.VERBS:
        return alert_states.run(args)
    rules = _pick(load_rules(args.file), args.rule)
    endpoint = query.find_endpoint(args.url, args.data, args.key, os.environ)

    def ask(sql: str, bound: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        answer = query.ask(endpoint, sql, "JSONEachRow", bound)
        return [json.loads(line) for line in answer.splitlines()]

    if args.verb == "check":
        return _check(rules, ask, _read_moment(args.at), args.json)
    now = int(time.time())
    since = now - _read_span("--since", args.since, _MOST_SINCE_S)
    step_s = _read_span("--every", args.every, 86_400)
    return _test(rules, ask, since, now, step_s, args.json)


def _check(rules: Sequence[Rule], ask: Ask, now: int, as_json: bool) -> int:
    outcomes = [check_rule(rule, ask, now) for rule in rules]
    if as_json:
        _print_json([_tell_outcome(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            _print(_show_outcome(outcome))
    return FOUND if any(outcome.alerts for outcome in outcomes) else 0


def _test(
    rules: Sequence[Rule], ask: Ask, since: int, until: int, step_s: int, as_json: bool
) -> int:
    found = [(rule, replay_rule(rule, ask, since, until, step_s)) for rule in rules]
    if as_json:
        _print_json([_tell_episodes(rule, episodes) for rule, episodes in found])
        return 0
    for rule, episodes in found:
        _print(f"{rule.name} ({rule.kind}): {len(episodes)} times since {show_time(since)}\n")
        rows: list[tuple[str, ...]] = [("from", "to", "of", "measures", "why")]
        rows += [_show_episode(rule, episode) for episode in episodes]
        if episodes:
            _print(format_columns(rows))
    return 0


def _show_outcome(outcome: Outcome) -> str:
    rule = outcome.rule
    if not outcome.alerts:
        said = f"quiet, {outcome.series} series" if outcome.series else "nothing to judge yet"
        return f"ok      {rule.name} ({rule.kind}): {said}\n"
    lines = []
    for alert in outcome.alerts:
        series = name_series(alert.findings[0])
        lines.append(f"FIRING  {rule.name} ({rule.kind}){series and f': {series}'}\n")
        lines += [f"          {explain(rule, finding)}\n" for finding in alert.findings]
        if alert.traces:
            lines.append(f"          traces: {', '.join(alert.traces)}\n")
    return "".join(lines)


def _show_episode(rule: Rule, episode: Episode) -> tuple[str, ...]:
    return (
        show_time(episode.begins),
        show_time(episode.ends),
        name_series(episode.first),
        ", ".join(episode.measures),
        explain(rule, episode.first),
    )


def _tell_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.name,
        "kind": outcome.rule.kind,
        "fires": bool(outcome.alerts),
        "series": outcome.series,
        "alerts": [_tell_alert(outcome.rule, alert) for alert in outcome.alerts],
    }


def _tell_alert(rule: Rule, alert: Alert) -> dict[str, Any]:
    found = [_tell_finding(rule, finding) for finding in alert.findings]
    return {"findings": found, "traces": list(alert.traces)}


def _tell_episodes(rule: Rule, episodes: Sequence[Episode]) -> dict[str, Any]:
    told = [
        {
            "begins": episode.begins,
            "ends": episode.ends,
            "measures": list(episode.measures),
            "first": _tell_finding(rule, episode.first),
        }
        for episode in episodes
    ]
    return {"rule": rule.name, "kind": rule.kind, "episodes": told}


def _tell_finding(rule: Rule, finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "why": explain(rule, finding)}


def _pick(rules: Sequence[Rule], names: Sequence[str] | None) -> Sequence[Rule]:
    for name in names or ():
        if all(rule.name != name for rule in rules):
            known = ", ".join(rule.name for rule in rules)
            raise ConfigError("--rule", name, f"the file has {known}")
    return [rule for rule in rules if not names or rule.name in names]


def _read_moment(text: str | None) -> int:
    if text is None:
        return int(time.time())
    try:
        return parse_moment(text)
    except ValueError as error:
        raise ConfigError("--at", text, "write it like 2026-03-01T14:00 (UTC)") from error


def _read_span(setting: str, text: str, most_s: int) -> int:
    seconds = parse_span(text)
    if not _LEAST_S <= seconds <= most_s:
        raise ConfigError(setting, text, f"write a span of time up to {most_s // 86_400}d: 6h, 7d")
    return seconds


def _print(text: str) -> None:
    sys.stdout.write(show_plainly(text))


def _print_json(told: object) -> None:
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
