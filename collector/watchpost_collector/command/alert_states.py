"""`watchpost alerts status|silence|unsilence`: what a running collector says of its rules.

It asks the main port with an admin's key. This file knows words and columns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from watchpost.errors import ConfigError
from watchpost_collector.alerts.alert_page import parse_span
from watchpost_collector.alerts.finding import show_time
from watchpost_collector.command.columns import format_columns
from watchpost_collector.command.connection import (
    KEY_SETTING,
    MAIN_URL,
    URL_SETTING,
    read_address,
)
from watchpost_collector.command.desk import Desk, ask, find_desk
from watchpost_collector.command.plain_text import show_plainly

FOUND = 1
VERBS = ("status", "silence", "unsilence")
_ROUTE = "/api/alerts"
_TIMEOUT_S = 30.0
_LONGEST_S = 30 * 86_400


def add_verbs(verbs: Any) -> None:
    """The words of this file below `watchpost alerts`."""
    status = verbs.add_parser("status", help="what fires, which rules fail, what waits to be told")
    status.add_argument("--json", action="store_true", help="everything, as JSON")
    silence = verbs.add_parser("silence", help="tell nobody for a while")
    silence.add_argument("rule", nargs="?", default="", help="of this rule (default: of all)")
    silence.add_argument("--for", dest="span", required=True, help="how long: 30m, 2h, 7d")
    silence.add_argument(
        "--where", action="append", default=[], metavar="NAME=VALUE", help="only of this series"
    )
    silence.add_argument("--reason", default="", help="why, for whoever looks")
    unsilence = verbs.add_parser("unsilence", help="end a silence")
    unsilence.add_argument("id", help="as `watchpost alerts status` shows it")
    for verb in (status, silence, unsilence):
        where = verb.add_mutually_exclusive_group()
        where.add_argument("--url", help=f"where watchpost runs (or {URL_SETTING}; {MAIN_URL})")
        where.add_argument("--data", type=Path, help="the data directory of one running here")
        verb.add_argument(
            "--key", help=f"an admin key (better in {KEY_SETTING}: others see arguments)"
        )


def run(args: argparse.Namespace) -> int:
    """Do what the verb says: 1 when `status` found an alert that fires, else 0.

    Raises ConfigError for what cannot be used, CollectorError when nobody answers or it refuses.
    """
    url = read_address(args.data, "otlp") if args.data else args.url
    desk = find_desk(url, args.key, _TIMEOUT_S)
    if args.verb == "status":
        return _show(ask(desk, "GET", _ROUTE), args.json)
    if args.verb == "unsilence":
        ask(desk, "DELETE", f"{_ROUTE}/silences/{quote(args.id, safe='')}")
        return 0
    return _silence(desk, args)


def _silence(desk: Desk, args: argparse.Namespace) -> int:
    seconds = parse_span(args.span)
    if not 0 < seconds <= _LONGEST_S:
        raise ConfigError("--for", args.span, "write a span of time up to 30d: 30m, 2h")
    where = {}
    for pair in args.where:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError("--where", pair, "write it like service=support-bot")
        where[name] = value
    told = {"rule": args.rule, "where": where, "seconds": seconds, "reason": args.reason}
    answer = ask(desk, "POST", f"{_ROUTE}/silences", json.dumps(told).encode())
    _print(f"{answer['id']} until {show_time(answer['ends'])} UTC\n")
    return 0


def _show(state: Mapping[str, Any], as_json: bool) -> int:
    alerts = [(rule, alert) for rule in state["rules"] for alert in rule["alerts"]]
    fires = any(alert["state"] == "firing" for _, alert in alerts)
    if as_json:
        sys.stdout.write(json.dumps(state, indent=2) + "\n")
        return FOUND if fires else 0
    rows: list[tuple[str, ...]] = [("state", "rule", "of", "since", "why")]
    rows += [_show_alert(rule, alert) for rule, alert in alerts]
    rows += [_show_rule(rule) for rule in state["rules"] if rule["condition"] != "ok"]
    _print(format_columns(rows) if len(rows) > 1 else f"{len(state['rules'])} rules, all quiet\n")
    if state["silences"]:
        _print("\n" + format_columns(_show_silences(state["silences"])))
    if state["deliveries"]:
        _print("\n" + format_columns(_show_deliveries(state["deliveries"])))
    return FOUND if fires else 0


def _show_alert(rule: Mapping[str, Any], alert: Mapping[str, Any]) -> tuple[str, ...]:
    since = show_time(alert["since"])
    return (alert["state"], rule["name"], alert["subject"], since, alert["why"])


def _show_rule(rule: Mapping[str, Any]) -> tuple[str, ...]:
    condition = rule["condition"].replace("_", " ")
    since = show_time(rule["since"]) if rule["since"] else ""
    return (condition, rule["name"], "", since, rule["reason"])


def _show_silences(silences: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("silence", "rule", "where", "until", "reason")]
    for one in silences:
        where = ", ".join(f"{name}={value}" for name, value in one["where"].items())
        rows.append((one["id"], one["rule"] or "all", where, show_time(one["ends"]), one["reason"]))
    return rows


def _show_deliveries(deliveries: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("waits for", "by", "since", "tries", "why", "message")]
    for one in deliveries:
        since = show_time(one["since"])
        told = (one["contact"], one["channel"], since, str(one["tries"]), one["reason"])
        rows.append((*told, one["title"]))
    return rows


def _print(text: str) -> None:
    sys.stdout.write(show_plainly(text))
