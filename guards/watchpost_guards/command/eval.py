"""`watchpost guards eval DATA...`: what a guard finds and misses on labelled data.

The shell around `harness`: arguments, progress on standard error, lines or JSON on standard
output, a report into a folder. Exit code 1 when the guard failed on a text.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost.screening.guard import DIRECTIONS
from watchpost.screening.policy import find_guard
from watchpost_guards.command.progress import follow

FOUND_SOMETHING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards eval` can be told."""
    add = parser.add_argument
    add("data", nargs="+", type=Path, metavar="DATA", help="JSON lines, gzipped or not")
    add("--guard", required=True, metavar="NAME", help="a guard's name, as in a policy")
    add("--json", action="store_true", help="print every figure as JSON")
    add("--report", type=Path, metavar="DIR", help="write report.html and figures.json there")
    add("--direction", choices=DIRECTIONS, default="input", help="of plain texts (%(default)s)")
    brought = "bring a type of the data's spans to a guard's label; TYPE= leaves it out"
    add("--map", action="append", default=[], metavar="TYPE=LABEL", help=brought)


def run(args: argparse.Namespace) -> int:
    """Measure, tell, and return 1 when the guard failed on any text."""
    from watchpost_guards.harness.evaluation import evaluate
    from watchpost_guards.harness.report import write_report
    from watchpost_guards.harness.sample import read_samples
    from watchpost_guards.harness.spans import read_labels
    from watchpost_guards.harness.telling import tell, to_json

    try:
        labels = read_labels(args.map)
    except ValueError as error:
        raise ConfigError("--map", str(error), "write TYPE=LABEL, or TYPE=") from error
    guard = find_guard(args.guard)
    samples = read_samples(args.data, args.direction)
    with follow(len(samples)) as progress:
        evaluation = evaluate(guard, samples, labels=labels, progress=progress)
    if args.report:
        written = write_report(evaluation, args.report)
        sys.stderr.write(f"report: {written}\n")
    if args.json:
        json.dump(to_json(evaluation), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        for line in tell(evaluation):
            sys.stdout.write(f"{line}\n")
    return FOUND_SOMETHING if evaluation.failures else 0
