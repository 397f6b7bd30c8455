"""`watchpost retention list|set`: how many days each kind of data is kept.

It writes the data directory's file of rules; the server of that directory applies them to what is
stored already as well, the engine removes what is too old. `watchpost doctor` shows what is there.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_collector.access.projects import (
    DEFAULT_DAYS,
    EVERY,
    MOST_DAYS,
    change_rules,
    set_days,
    watch_projects,
)
from watchpost_collector.command.columns import format_columns
from watchpost_collector.settings import DATA_SETTING, default_data

_BY_DEFAULT = "default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost retention` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|set", required=True)
    listed = verbs.add_parser("list", help="the days of every kind, by project")
    kept = verbs.add_parser("set", help="keep a kind for so many days, counted from arrival")
    kept.add_argument("--project", default=EVERY, help="one project (default: all others)")
    kept.add_argument("--kind", choices=sorted(DEFAULT_DAYS), required=True)
    kept.add_argument("--days", metavar="N", required=True, help=f"or {_BY_DEFAULT!r}")
    for verb in (listed, kept):
        verb.add_argument("--data", type=Path, help=f"the data directory ({DATA_SETTING})")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; ConfigError names what cannot be used."""
    data = args.data.absolute() if args.data else default_data(os.environ)
    if args.verb == "set":
        days = _read_days(args.days)
        change_rules(data, args.project, lambda rules: set_days(rules, args.kind, days))
    projects = watch_projects(data).read()
    names = sorted({EVERY, *projects.rules})
    rows = [
        (name, *(str(projects.rules_of(name).days[kind]) for kind in DEFAULT_DAYS))
        for name in names
    ]
    sys.stdout.write(format_columns([("project", *(f"{k} days" for k in DEFAULT_DAYS)), *rows]))
    return 0


def _read_days(text: str) -> int | None:
    if text == _BY_DEFAULT:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_DAYS:
        raise ConfigError("--days", text, f"write 1 to {MOST_DAYS}, or {_BY_DEFAULT!r}")
    return int(text)
