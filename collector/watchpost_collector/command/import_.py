"""`watchpost import FILE...`: brings logs in, each line once, and says of every other why not.

The shell around `importing`: arguments, a progress bar, and the summary. Exit code 1 when a line
could not be stored.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from watchpost.errors import ConfigError
from watchpost_collector.importing.delivery import Delivery
from watchpost_collector.importing.importer import (
    Batches,
    Fault,
    Options,
    Step,
    import_source,
    open_sources,
)
from watchpost_collector.importing.screened import CAPTURES
from watchpost_collector.importing.source import Source

DEFAULT_URL = "http://127.0.0.1:4318"
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Tally:
    """The sums of an import as it goes."""

    stored: int = 0
    present: int = 0
    joined: int = 0
    uncounted: int = 0
    bad: int = 0

    def add(self, step: Step) -> None:
        self.stored += step.stored
        self.present += step.present
        self.joined += step.joined
        self.uncounted += step.uncounted
        self.bad += len(step.faults)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `watchpost import`."""
    parser.description = (
        "Reads JSON lines, gzipped or not: requests with responses, batch files, prompts with "
        "replies, lists of messages, OTLP JSON. What is stored already is not stored again."
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="files to bring in")
    parser.add_argument(
        "--model", default="", help="the model of lines that name none (else they stay unpriced)"
    )
    parser.add_argument("--service", default="import", help="service name of what is stored")
    parser.add_argument("--project", default="", help="project to store in (default: the key's)")
    parser.add_argument(
        "--guards",
        default="pii,secrets,length",
        help="guards to run over prompt and reply, or 'none' (default: %(default)s)",
    )
    parser.add_argument(
        "--capture",
        choices=CAPTURES,
        default=CAPTURES[0],
        help="what is stored of the texts: masked where a guard finds something (redacted), "
        "as they are (full), or nothing (metadata)",
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("WATCHPOST_ENDPOINT", DEFAULT_URL),
        help="where spans go (default: %(default)s)",
    )
    parser.add_argument(
        "--query-url",
        default=os.environ.get("WATCHPOST_QUERY_URL", ""),
        help="where questions are answered (default: what the collector at --url says)",
    )
    parser.add_argument(
        "--key", default=os.environ.get("WATCHPOST_KEY", ""), help="a key that may do both"
    )


def run(args: argparse.Namespace) -> int:
    """Imports the files; 0 when every line is stored, 1 when some could not be."""
    if args.project and not _PROJECT.fullmatch(args.project):
        raise ConfigError("--project", args.project, "use letters, digits, '.', '_' and '-'")
    guards = [name.strip() for name in args.guards.split(",") if name.strip()]
    options = Options(
        model=args.model,
        service=args.service,
        guards=[] if guards == ["none"] else guards,
        capture=args.capture,
    )
    console = Console(stderr=True)
    sources, batches = open_sources(args.files)
    with Delivery(args.url, args.query_url, args.key, args.project) as delivery:
        # What an interrupted import had acknowledged must be visible before it is asked for, and
        # a query endpoint that refuses must be found out before anything is sent.
        delivery.flush()
        delivery.query("SELECT 1")
        tally, faults = _import_all(sources, batches, options, delivery, console)
        delivery.flush()
    for fault in faults:
        print(f"{fault.path}:{fault.line}: {fault.reason}", file=sys.stderr)  # noqa: T201
    print(_summarize(tally))  # noqa: T201
    return 1 if tally.bad else 0


def _import_all(
    sources: Iterable[Source],
    batches: Batches,
    options: Options,
    delivery: Delivery,
    console: Console,
) -> tuple[Tally, list[Fault]]:
    tally = Tally()
    faults: list[Fault] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        for source in sources:
            bar = progress.add_task(source.path.name, total=source.lines)
            for step in import_source(source, batches, options, delivery):
                tally.add(step)
                faults += step.faults
                progress.advance(bar, step.lines)
            progress.update(bar, completed=source.lines)
    return tally, faults


def _summarize(tally: Tally) -> str:
    summary = f"stored {tally.stored}, already there {tally.present}, bad {tally.bad}"
    if tally.joined:
        summary += f", joined to their answers {tally.joined}"
    if tally.uncounted:
        summary += (
            f"\n{tally.uncounted} without tokens: none reported, and none counted "
            "(an error, or no tiktoken vocabulary; set TIKTOKEN_CACHE_DIR)"
        )
    return summary
