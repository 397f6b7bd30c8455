"""The console: `watchpost SUBCOMMAND`.

Each subcommand lives in its own file with `add_arguments(parser)` and `run(args) -> int`, and is
imported only when it is asked for, so that `watchpost --help` is fast and works without the extras.
This file knows the names of the subcommands and how an error is told to a person, nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from watchpost.errors import MissingExtra, WatchpostError

USAGE_ERROR = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One word after `watchpost`: where it lives, what it does, which extra it needs."""

    name: str
    module: str
    summary: str
    extra: str = "server"


_HERE = "watchpost_collector.command"
# A name and no import: this room knows nothing of that one.
_GUARDS = "watchpost_guards.command"

SUBCOMMANDS = (
    Subcommand("up", f"{_HERE}.up", "start the collector: OTLP in, page and query endpoint out"),
    Subcommand("demo", f"{_HERE}.demo", "two weeks of a support assistant on a stand-in provider"),
    Subcommand("import", f"{_HERE}.import_", "read existing logs in"),
    Subcommand("erase", f"{_HERE}.erase", "remove a person, a session or a trace", extra=""),
    Subcommand("query", f"{_HERE}.query", "ask a running watchpost a question in SQL", extra=""),
    Subcommand("export", f"{_HERE}.export", "write what is stored to Parquet files", extra=""),
    Subcommand("keys", f"{_HERE}.keys", "create, list and revoke keys", extra=""),
    Subcommand("projects", f"{_HERE}.projects", "limit what a project may send", extra=""),
    Subcommand("sampling", f"{_HERE}.sampling", "which share of the spans is stored", extra=""),
    Subcommand("retention", f"{_HERE}.retention", "how long each kind of data is kept", extra=""),
    Subcommand("prices", f"{_HERE}.prices", "what calls cost, by which price, and history anew"),
    Subcommand("prompts", f"{_HERE}.prompts", "push, compare and label prompts", extra=""),
    Subcommand("alerts", f"{_HERE}.alerts", "alert rules: ask, back-test, run, silence, push"),
    Subcommand("grafana", f"{_HERE}.grafana", "data source, dashboards and alerts for a Grafana"),
    Subcommand("guards", _GUARDS, "measure guards, fit their thresholds, attack them", "guards"),
    Subcommand("doctor", f"{_HERE}.doctor", "find what is wrong and say how to cure it", extra=""),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console and return its exit code: 0 well, 1 found something, 2 could not run."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = _find(words)
        if chosen is None:
            _build_overview().parse_args(words)
            _build_overview().print_help()
            return 0
        module = _load(chosen)
        parser = argparse.ArgumentParser(
            prog=f"watchpost {chosen.name}", description=module.__doc__ and chosen.summary
        )
        module.add_arguments(parser)
        return int(module.run(parser.parse_args(words[1:])) or 0)
    except WatchpostError as error:
        print(f"watchpost: {_one_line(error)}", file=sys.stderr)  # noqa: T201
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _find(words: Sequence[str]) -> Subcommand | None:
    return next((s for s in SUBCOMMANDS if words and words[0] == s.name), None)


def _build_overview() -> argparse.ArgumentParser:
    # Only for `--help`, `--version` and words that are no subcommand: it imports none of them.
    parser = argparse.ArgumentParser(
        prog="watchpost", description="Observability and guardrails for LLM applications."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    choices = parser.add_subparsers(metavar="SUBCOMMAND")
    for subcommand in SUBCOMMANDS:
        choices.add_parser(subcommand.name, help=subcommand.summary, add_help=False)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"watchpost {version('watchpost')}\n")


def _load(chosen: Subcommand) -> ModuleType:
    try:
        return importlib.import_module(chosen.module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("watchpost") or not chosen.extra:
            raise
        feature = f"'watchpost {chosen.name}' (it needs {error.name})"
        raise MissingExtra(chosen.extra, feature) from error


def _one_line(error: WatchpostError) -> str:
    return " ".join(str(error).split())
