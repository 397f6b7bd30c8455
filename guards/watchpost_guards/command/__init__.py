"""`watchpost guards VERB`: what can be done with guards from a terminal.

Each verb lives in its own file with `add_arguments(parser)` and `run(args) -> int`, as the
subcommands of `watchpost` do; what is slow to import is imported when the verb runs.
"""

from __future__ import annotations

import argparse
import importlib

from watchpost.errors import MissingExtra

VERBS = {
    "eval": "measure a guard on labelled data",
    "calibrate": "fit a guard's threshold to your own traffic",
    "attack": "run mutations of known attacks against a guard",
    "teach": "learn labels of your own from a few dozen examples",
    "serve": "guards over HTTP, on a CPU or a GPU",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost guards` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        importlib.import_module(f"{__name__}.{name}").add_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; its exit code. Raises MissingExtra where a package is not there."""
    try:
        return int(importlib.import_module(f"{__name__}.{args.verb}").run(args))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("watchpost"):
            raise
        raise MissingExtra("guards", f"'watchpost guards {args.verb}' ({error.name})") from error
