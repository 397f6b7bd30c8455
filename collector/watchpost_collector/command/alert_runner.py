"""`watchpost alerts run`: rules evaluated beside a watchpost that runs elsewhere, and told.

As `watchpost up --alerts` does inside of one, over the query endpoint. What is remembered is in a
directory of its own. This file knows how it starts and ends.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from watchpost.errors import CollectorError
from watchpost_collector.command import query
from watchpost_collector.private_files import lock_directory, make_private

DEFAULT_STATE = "watchpost-alerts"


def add_verb(verbs: Any) -> None:
    """`run` below `watchpost alerts`."""
    run_verb = verbs.add_parser("run", help="evaluate rules on a schedule and tell their contacts")
    run_verb.add_argument("file", type=Path, help="the YAML file of rules and contacts")
    told = "directory of what is remembered (default: %(default)s)"
    run_verb.add_argument("--state", type=Path, default=Path(DEFAULT_STATE), help=told)
    query.add_endpoint_arguments(run_verb)


def run(args: argparse.Namespace) -> int:
    """Run until a signal. ConfigError says what to change."""
    from watchpost_collector.alerting.running import Alerting, load_run

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    file, sends = load_run(args.file, os.environ)
    endpoint = query.find_endpoint(args.url, args.data, args.key, os.environ)

    def ask(sql: str, bound: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        try:
            answer = query.ask(endpoint, sql, "JSONEachRow", bound)
        except CollectorError:
            # What the engine says quotes what it was given, and this ends in messages.
            raise CollectorError("the query endpoint gave no answer") from None
        return [json.loads(line) for line in answer.splitlines()]

    make_private(args.state, "--state")
    lock_directory(args.state, "--state")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    alerting = Alerting(file, sends, ask, args.state)
    alerting.start()
    sys.stdout.write(f"watchpost: {len(file.rules)} rules every {file.every_s} s\n")
    sys.stdout.flush()
    stop.wait()
    alerting.close()
    return 0
