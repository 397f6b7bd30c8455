"""`watchpost sampling list|set`: which share of a project's traces is stored, and of their content.

Errors, blocked calls, tripped guards and, if it is told what that is, slow calls are always stored,
and of every call what totals are made of. It writes the data directory's file of rules; a server
running there follows within seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_collector.access.projects import (
    DEFAULT_SAMPLING,
    EVERY,
    change_rules,
    check_sampling,
    set_sampling,
    watch_projects,
)
from watchpost_collector.command.columns import format_columns
from watchpost_collector.settings import DATA_SETTING, default_data

_BY_DEFAULT = "default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost sampling` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|set", required=True)
    listed = verbs.add_parser("list", help="what is stored, by project")
    share = verbs.add_parser("set", help="store a share; totals stay those of every call")
    share.add_argument("--project", default=EVERY, help="one project (default: all others)")
    share.add_argument("--keep", metavar="SHARE", help="of traces, as 0.1 (all: 1), or 'default'")
    share.add_argument(
        "--content", metavar="SHARE", help="of these, with their messages (none at all: 0)"
    )
    share.add_argument("--slow-ms", metavar="MS", help="always store calls that took longer")
    for verb in (listed, share):
        verb.add_argument("--data", type=Path, help=f"the data directory ({DATA_SETTING})")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; ConfigError names what cannot be used."""
    data = args.data.absolute() if args.data else default_data(os.environ)
    if args.verb == "set":
        told = {
            name: _read(name, given) for name in DEFAULT_SAMPLING if (given := vars(args)[name])
        }
        change_rules(data, args.project, lambda rules: set_sampling(rules, **told))
    projects = watch_projects(data).read()
    rows = [
        (name, *(f"{projects.rules_of(name).sampling[rule]:.15g}" for rule in DEFAULT_SAMPLING))
        for name in sorted({EVERY, *projects.rules})
    ]
    sys.stdout.write(format_columns([("project", *DEFAULT_SAMPLING), *rows]))
    return 0


def _read(name: str, text: str) -> float | None:
    if text == _BY_DEFAULT:
        return None
    try:
        value: object = float(text)
    except ValueError:
        value = text
    try:
        return check_sampling(name, value)
    except ValueError as error:
        cure = f"{error}; or write {_BY_DEFAULT!r}"
        raise ConfigError("--" + name.replace("_", "-"), text, cure) from error
