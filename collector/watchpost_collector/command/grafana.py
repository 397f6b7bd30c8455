"""`watchpost grafana push` and `watchpost alerts push`: what Grafana shows and watches, put there.

The console is where the rooms meet: alert rules are read and compiled by `alerts`, and handed to
the room of the dashboards as SQL, labels and names. Secrets are read from the environment when they
are sent, and never written to a file. This file knows words and who needs what, no Grafana.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_collector.alerts.contact import Contact, Email, Slack, Told, Webhook, resolve
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import AlertFile, load_alerts
from watchpost_collector.alerts.standing import write_standing
from watchpost_collector.command import query
from watchpost_collector.command.connection import KEY_SETTING
from watchpost_collector.command.plain_text import show_plainly
from watchpost_dashboards.pushing import push
from watchpost_dashboards.pushing.alert_files import write_files
from watchpost_dashboards.pushing.alerting import AlertRule, Alerts, ContactPoint, Receiver
from watchpost_dashboards.pushing.connection import TOKEN_SETTING, URL_SETTING, connect

GROUP = "watchpost"
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,59}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost grafana` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="push", required=True)
    verb = verbs.add_parser("push", help="data source, folder, dashboards, and alerts if named")
    _add_grafana_arguments(verb)
    verb.add_argument(
        "--source",
        help="the query endpoint or ClickHouse, as Grafana reaches it "
        f"(or {query.URL_SETTING}; {query.DEFAULT_URL})",
    )
    verb.add_argument("--key", help=f"the admin key or password for it (better in {KEY_SETTING})")
    verb.add_argument("--alerts", type=Path, help="a YAML file of alert rules")


def add_push_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost alerts push` can be told."""
    parser.add_argument("file", type=Path, help="the YAML file of rules")
    parser.add_argument(
        "--to-file", type=Path, help="write Grafana's provisioning files here, and ask no Grafana"
    )
    _add_grafana_arguments(parser)


def _add_grafana_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the Grafana (or {URL_SETTING})")
    parser.add_argument(
        "--token",
        help=f"a service account's token (better in {TOKEN_SETTING}: others see arguments)",
    )
    parser.add_argument(
        "--group", default=GROUP, help="what these alerts are called there (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Push everything and say what was done; 0. Raises ConfigError, GrafanaError, MissingExtra."""
    alerts = _read_alerts(args.alerts, args.group, _resolve) if args.alerts else None
    source = push.Source(
        args.source or os.environ.get(query.URL_SETTING, "") or query.DEFAULT_URL,
        args.key or os.environ.get(KEY_SETTING, ""),
    )
    with connect(*_find_grafana(args)) as api:
        _tell(push.push_source(api, source))
        _tell(push.push_folder(api))
        _tell(push.push_dashboards(api))
        if alerts is not None:
            _tell(push.push_alerts(api, alerts))
    return 0


def push_alerts(args: argparse.Namespace) -> int:
    """Push the alerts alone, or write them as files, and say what was done; 0. Raises as `run`."""
    if args.to_file is not None:
        for path in write_files(_read_alerts(args.file, args.group, _refer), args.to_file):
            sys.stdout.write(f"wrote {path}\n")
        return 0
    alerts = _read_alerts(args.file, args.group, _resolve)
    with connect(*_find_grafana(args)) as api:
        _tell(push.push_folder(api))
        _tell(push.push_alerts(api, alerts))
    return 0


def _find_grafana(args: argparse.Namespace) -> tuple[str, str]:
    url = args.url or os.environ.get(URL_SETTING, "")
    return url, args.token or os.environ.get(TOKEN_SETTING, "")


def _read_alerts(path: Path, group: str, tell: Callable[[Told], str]) -> Alerts:
    if not _GROUP.fullmatch(group):
        raise ConfigError("--group", group, "use letters, digits, spaces and - _ .")
    return build_alerts(load_alerts(path), group, tell)


def build_alerts(file: AlertFile, group: str, tell: Callable[[Told], str]) -> Alerts:
    """What a rule file says, for Grafana; `tell` gives what stands in the place of a secret."""
    return Alerts(
        group,
        tuple(map(_build_rule, file.rules)),
        tuple(_build_contact(contact, tell) for contact in file.contacts),
        file.every_s,
        file.page,
    )


def _build_rule(rule: Rule) -> AlertRule:
    standing = write_standing(rule)
    return AlertRule(
        name=rule.name,
        kind=rule.kind,
        sql=standing.sql,
        labels=standing.labels,
        notify=rule.notify,
        hold_s=rule.hold_s,
        tells_no_data=rule.no_data_s > 0,
    )


def _build_contact(contact: Contact, tell: Callable[[Told], str]) -> ContactPoint:
    receivers = []
    for name, channel in contact.channels.items():
        told: dict[str, Told] = {}
        match channel:
            case Webhook():
                told = {"url": channel.url, "httpMethod": "POST"}
                if channel.token is not None:
                    told["authorization_scheme"] = "Bearer"
                    told["authorization_credentials"] = channel.token
            case Slack():
                told = {"url": channel.url}
            case Email():
                told = {"addresses": ";".join(channel.to)}
        secret = any(not isinstance(value, str) for value in told.values())
        receivers.append(Receiver(name, _tell_all(told, tell), secret))
    return ContactPoint(
        contact.name,
        tuple(receivers),
        is_one=contact.group == "contact",
        repeat_s=contact.repeat_s,
        tells_end=contact.resolved,
    )


def _tell_all(told: Mapping[str, Told], tell: Callable[[Told], str]) -> dict[str, str]:
    return {name: tell(value) for name, value in told.items()}


def _resolve(told: Told) -> str:
    return resolve(told, os.environ)


def _refer(told: Told) -> str:
    """For a file: Grafana looks a secret up in its own environment."""
    return told.replace("$", "$$") if isinstance(told, str) else f"${{{told.name}}}"


def _tell(done: Iterable[push.Done]) -> None:
    for one in done:
        sys.stdout.write(show_plainly(f"{one.how:<10} {one.what}: {one.name}\n"))
        sys.stdout.flush()
