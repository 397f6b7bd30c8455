"""`watchpost erase`: removes a person, a session or a trace from a running watchpost.

It asks first, orders the erasure over HTTP, waits for its end and prints what was done. It knows
neither the store nor the files: the collector that holds them does the work.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_collector.command.connection import (
    KEY_SETTING,
    MAIN_URL,
    START,
    URL_SETTING,
    read_address,
)
from watchpost_collector.command.desk import Desk, ask, find_desk

_PATH = "/api/erase"
_TIMEOUT_S = 120.0
_CURE = f"{START} or --data"
_POLL_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost erase` can be told."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="ID", help="a person, by the user id that was recorded")
    who.add_argument("--session", metavar="ID", help="a session (conversation)")
    who.add_argument("--trace", metavar="ID", help="one trace, 32 hexadecimal digits")
    add = parser.add_argument
    add("--project", default="", help="only in this project; otherwise in all")
    add("--calls", action="store_true", help="remove the calls too: numbers of the past change")
    add("--dry-run", action="store_true", help="say what would go and change nothing")
    add("--yes", action="store_true", help="do not ask")
    add("--json", action="store_true", help="print the report as JSON")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help=f"the collector ({URL_SETTING}; {MAIN_URL})")
    where.add_argument("--data", type=Path, help="the data directory of a watchpost running here")
    add("--key", help=f"an admin key (better in {KEY_SETTING}: others see arguments)")


def run(args: argparse.Namespace) -> int:
    """Erase, print the report; 0 when it is proved, 1 when something is left or was not done."""
    kind = next(name for name in ("user", "session", "trace") if getattr(args, name))
    order = {kind: getattr(args, kind), "project": args.project, "calls": args.calls}
    desk = _find_desk(args)
    found = _order(desk, {**order, "dry_run": True})
    if args.dry_run:
        _show(found, _preview_lines(found, kind), as_json=args.json)
        return 0
    if not args.yes and not _confirm(found, kind):
        sys.stderr.write("watchpost: nothing was erased\n")
        return 1
    entry = _order(desk, order)
    told = ""
    # It goes on by itself: whoever stops waiting here stops nothing.
    while entry["state"] in ("waiting", "running"):
        if entry["reason"] not in ("", told):
            told = entry["reason"]
            sys.stderr.write(f"watchpost: erasure {entry['name']} waits: {told}\n")
        time.sleep(_POLL_S)
        entry = ask(desk, "GET", f"{_PATH}/{entry['name']}")
    _show(entry, _report_lines(entry), as_json=args.json)
    report = entry["report"]
    proved = entry["state"] == "done" and not report["found_again"] and not report["old_parts"]
    return 0 if proved and not report["detached_parts"] else 1


def _order(desk: Desk, order: dict[str, Any]) -> dict[str, Any]:
    return ask(desk, "POST", _PATH, json.dumps(order).encode())


def _find_desk(args: argparse.Namespace) -> Desk:
    url = read_address(args.data, "otlp") if args.data is not None else args.url
    return find_desk(url, args.key, _TIMEOUT_S, _CURE)


def _confirm(found: dict[str, Any], kind: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("--yes", "not given", "nobody is there to ask: give --yes to erase")
    sys.stdout.write("\n".join(_preview_lines(found, kind)) + "\n")
    sys.stdout.write("This cannot be undone. Write erase to go on: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == "erase"


def _preview_lines(found: dict[str, Any], kind: str) -> list[str]:
    aside = found["set_aside"]
    rows = [f"  {name:<24} {count} rows" for name, count in found["tables"].items() if count]
    return [
        f"This {kind} has {found['traces']} traces here:",
        *rows,
        f"  {'files set aside':<24} {aside['spans']} spans, {aside['deleted']} whole files",
    ]


def _report_lines(entry: dict[str, Any]) -> list[str]:
    report = entry["report"]
    if entry["state"] != "done":
        return [f"erasure {entry['name']} {entry['state']}: {entry['reason']}"]
    lines = [f"erasure {entry['name']} is done: {report['traces']} traces"]
    for name, count in report["tables"].items():
        lines.append(f"  {name:<24} {count['before']} rows before, {count['after']} after")
    aside = report["set_aside"]
    return [
        *lines,
        f"  {'files set aside':<24} {aside['spans']} spans and {aside['deleted']} files removed",
        f"  {'calls kept without ids':<24} {report['calls_kept_without_ids']}",
        f"  {'asked for again':<24} {report['found_again']} rows found",
        f"  {'old parts on the disk':<24} {report['old_parts']}",
        f"  {'detached parts':<24} {report['detached_parts']}",
    ]


def _show(answer: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    sys.stdout.write(json.dumps(answer, indent=2) if as_json else "\n".join(lines))
    sys.stdout.write("\n")
