"""`watchpost projects list|set`: how much each project may send.

It writes the data directory's file of rules, whether a server runs there or not; a running one
follows within a second. How long things are kept is `watchpost retention`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_collector.access.issued_keys import KeyFile
from watchpost_collector.access.projects import (
    DEFAULT_BURST_S,
    EVERY,
    Projects,
    Rules,
    change_rules,
    watch_projects,
)
from watchpost_collector.command.columns import format_columns
from watchpost_collector.settings import DATA_SETTING, default_data

_HEADINGS = ("project", "spans_per_second", "bytes_per_second", "burst_s", "keys")
_LIMITS = ("spans_per_second", "bytes_per_second", "burst_s")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost projects` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|set", required=True)
    listed = verbs.add_parser("list", help="projects that have rules or keys, and their limits")
    listed.add_argument("--json", action="store_true", help="print them as JSON")
    limit = verbs.add_parser("set", help="limit what a project sends; beyond it the answer is 429")
    limit.add_argument("project", metavar="NAME", help=f"a project, or {EVERY!r} for all others")
    limit.add_argument("--spans-per-second", metavar="N", help="or 'none'; also logs and points")
    limit.add_argument("--bytes-per-second", metavar="N", help="or 'none'; of unpacked requests")
    limit.add_argument(
        "--burst-s", metavar="S", help=f"seconds' worth at once (default: {DEFAULT_BURST_S:g})"
    )
    for verb in (listed, limit):
        verb.add_argument("--data", type=Path, help=f"the data directory ({DATA_SETTING})")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; ConfigError names what cannot be used."""
    data = args.data.absolute() if args.data else default_data(os.environ)
    if args.verb == "set":
        changes: dict[str, Any] = {
            name: _read_rate(name, given) for name in _LIMITS if (given := vars(args)[name])
        }
        change_rules(data, args.project, lambda rules: replace(rules, **changes))
    projects = watch_projects(data).read()
    keys = [key.project for key in KeyFile(data).list() if key.revoked is None]
    names = sorted({EVERY, *projects.rules, *keys})
    rows = [_describe(name, projects, keys.count(name)) for name in names]
    if args.verb == "list" and args.json:
        told = [dict(zip(_HEADINGS, row, strict=True)) for row in rows]
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(format_columns([_HEADINGS, *(_spell(row) for row in rows)]))
    return 0


def _read_rate(name: str, text: str) -> float | None:
    if text == "none":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        setting = "--" + name.replace("_", "-")
        raise ConfigError(setting, text, "write a number above zero, or 'none'")
    return rate


def _describe(name: str, projects: Projects, keys: int) -> tuple[str | float | None, ...]:
    rules: Rules = projects.rules_of(name)
    return (name, *(getattr(rules, limit) for limit in _LIMITS), keys)


def _spell(row: tuple[str | float | None, ...]) -> tuple[str, ...]:
    return tuple(
        "" if cell is None else cell if isinstance(cell, str) else f"{cell:.15g}" for cell in row
    )
