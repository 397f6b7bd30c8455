"""`watchpost doctor`: find what is wrong here and say how to cure it.

It runs the checks of `checkup/` and shows what they found; it changes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.checkup import machine, retention, running
from watchpost_collector.checkup.finding import Finding
from watchpost_collector.command.connection import KEY_SETTING, MAIN_URL, URL_SETTING
from watchpost_collector.command.query import Endpoint, ask, find_endpoint

DATA_SETTING = "WATCHPOST_DATA"
FOUND_SOMETHING = 1
_MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost doctor` can be told."""
    add = parser.add_argument
    add("--data", type=Path, help=f"the data directory ({DATA_SETTING})")
    add("--host", default="127.0.0.1", help="the address `watchpost up` is told to listen on")
    add("--keys", type=Path, help="the file of keys (or WATCHPOST_KEYS)")
    add("--url", help=f"a running collector ({URL_SETTING}; {MAIN_URL})")
    add("--query-url", help="its query endpoint (WATCHPOST_QUERY_URL; http://127.0.0.1:8123)")
    add("--key", help=f"an admin key ({KEY_SETTING})")
    add("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if anything is wrong, else 0."""
    findings = list(examine(args))
    if args.json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in show(findings))
    return FOUND_SOMETHING if any(finding.level == "wrong" for finding in findings) else 0


def examine(args: argparse.Namespace) -> Iterator[Finding]:
    """Run every check, the machine's first."""
    data = (args.data or Path(os.environ.get(DATA_SETTING) or "watchpost-data")).absolute()
    yield from machine.check_python()
    yield from machine.check_data(data)
    yield from machine.check_spool(data)
    yield from machine.check_keys(args.host, args.keys, os.environ, data)
    yield from machine.check_vocabularies(os.environ)
    url = args.url or os.environ.get(URL_SETTING) or MAIN_URL
    endpoint = find_endpoint(args.query_url, None, args.key, os.environ)
    found = list(running.check_server(url, endpoint.key))
    yield from found
    # Without a server there is nobody to ask: one finding says so, not three.
    if found[0].what.startswith("answers"):
        store = list(running.check_store(lambda sql: _ask_rows(endpoint, sql), endpoint.url))
        yield from store
        if store[-1].check != "query port":
            yield from _check_retention(endpoint)


def _check_retention(endpoint: Endpoint) -> Iterator[Finding]:
    try:
        yield from retention.check_retention(lambda sql: _ask_rows(endpoint, sql), endpoint.url)
    except (CollectorError, ConfigError) as error:
        yield Finding("wrong", "retention", error.args[0], endpoint.url, "see the query port")


def show(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings as lines for people."""
    for finding in findings:
        place = f"  [{finding.where}]" if finding.where else ""
        yield f"{_MARKS[finding.level]}  {finding.check}: {finding.what}{place}"
        if finding.cure:
            yield f"         -> {finding.cure}"
    wrong = sum(finding.level == "wrong" for finding in findings)
    yield f"{wrong} to cure" if wrong else "nothing is wrong"


def _ask_rows(endpoint: Endpoint, sql: str) -> list[dict[str, Any]]:
    answer = ask(endpoint, sql, "JSONEachRow")
    return [json.loads(line) for line in answer.splitlines() if line]
