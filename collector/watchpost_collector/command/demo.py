"""`watchpost demo`: a support assistant at work, and what watchpost makes of it.

The shell around `demo`: starts a server of its own, lets two weeks of traffic go through the SDK,
the last of it live, prints the report, and stays up to be looked at.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import watchpost
from watchpost_collector.demo.history import relive_side_by_side
from watchpost_collector.demo.own_server import OwnServer, prepare_folder
from watchpost_collector.demo.plot import plan_traffic
from watchpost_collector.demo.report import print_report
from watchpost_collector.demo.setting import make_policy
from watchpost_collector.demo.traffic import require_openai_key, run_live, run_real

HISTORY_TICKETS = 9_000
LIVE_TICKETS = 220
REAL_TICKETS = 20
DAYS = 14
DATA = Path("watchpost-data") / "demo"
TERMINATED = 143
PROVIDERS = ("stand-in", "openai")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `watchpost demo`."""
    add = parser.add_argument
    add(
        "--provider",
        choices=PROVIDERS,
        default=PROVIDERS[0],
        help="who answers the live run: nobody's model (stand-in), or the real OpenAI service "
        "with OPENAI_API_KEY (costs money; a small run)",
    )
    add("--data", type=Path, default=DATA, help="folder of the demo (default: %(default)s)")
    add("--exit", action="store_true", help="stop after the report instead of staying up")
    add("--days", type=int, default=DAYS, help="days of history (default: %(default)s)")
    add(
        "--history",
        type=int,
        default=HISTORY_TICKETS,
        help="tickets of history, two to three calls each (default: %(default)s)",
    )
    add(
        "--live",
        type=int,
        help=f"how many of the last are handled over sockets (default: {LIVE_TICKETS})",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the demo; Ctrl-C stops it."""
    is_real = args.provider == "openai"
    if is_real:
        require_openai_key()
    make_policy()  # Missing guards are told before anything is started.
    # Whoever ends the demo ends its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    phases = _Phases()
    console = Console(width=None if sys.stdout.isatty() else 120)
    now = datetime.now(UTC)
    with OwnServer(prepare_folder(args.data.absolute())) as server:
        console.print(f"watchpost is up at {server.page_url}", highlight=False)
        phases.end("start")
        count = args.live or (REAL_TICKETS if is_real else LIVE_TICKETS)
        moments = list(plan_traffic(now, args.days, args.history + count))
        history, live = moments[:-count], moments[-count:]
        with _bar(f"{args.days} days of history", len(history)) as advance:
            relive_side_by_side(history, server.otlp_url, advance)
        phases.end("history")
        with _bar("live tickets", len(live)) as advance:
            (run_real if is_real else run_live)(live, server.otlp_url, advance)
        phases.end("live run")
        watchpost.shutdown()
        server.flush()
        phases.end("storing the rest")
        print_report(server.ask, console)
        phases.end("report")
        console.print()
        console.print(f"{phases}; all of it through the SDK and OTLP.")
        if not args.exit:
            _stay(server, console)
    return 0


class _Phases:
    """How long each phase took, one after the other, in seconds."""

    def __init__(self) -> None:
        self._began_s = self._last_s = time.monotonic()
        self._said: list[str] = []

    def end(self, name: str) -> None:
        """Counts the time since the last phase's end as this one's."""
        now_s = time.monotonic()
        self._said.append(f"{name} {now_s - self._last_s:.0f}")
        self._last_s = now_s

    def __str__(self) -> str:
        return f"{self._last_s - self._began_s:.0f} s ({', '.join(self._said)})"


def _stay(server: OwnServer, console: Console) -> None:
    console.print(f"Page and API  {server.page_url}", highlight=False)
    console.print(f"ClickHouse    {server.query_url}", highlight=False)
    console.print("Ctrl-C stops it.")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.wait()


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; what it yields moves it on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda handled: progress.advance(bar, handled)
