"""Two weeks of the assistant's past, lived through again on a shifted clock.

The same assistant, clients, SDK, guards and wire as the live run; only the time is another. It is
shared among processes, because a process uses one core. It does not know what happens in those
weeks: that is the plot's.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import anthropic
import openai

import watchpost
from watchpost.errors import WatchpostError
from watchpost_collector.demo.assistant import Assistant
from watchpost_collector.demo.in_process import NS_PER_S, ShiftedClock, build_clients
from watchpost_collector.demo.models import StandInModels
from watchpost_collector.demo.plot import Moment
from watchpost_collector.demo.setting import configure_shop

# Spans are made faster than they are sent; every so often the maker waits for the sender.
TICKETS_A_FLUSH = 100
MOST_PROCESSES = 4
_FLUSH_S = 120.0
_PIECES_A_STREAM = 3

Advance = Callable[[int], None]


def relive(moments: Iterable[Moment], endpoint: str, advance: Advance, seed: int = 11) -> None:
    """Handles every ticket at its moment, in this process.

    `advance` is told how many tickets were handled since it was last told.
    """
    models = StandInModels(seed, pieces=_PIECES_A_STREAM)
    clock = ShiftedClock(0)
    assistant = Assistant(*build_clients(models.respond, clock))
    release = ""
    handled = 0
    for moment in moments:
        if moment.release != release:
            release = moment.release
            configure_shop(endpoint, release, clock)
        models.overloaded = moment.overloaded
        clock.now_ns = int(moment.at.timestamp() * NS_PER_S)
        # A customer who had to wait is in the trace.
        with contextlib.suppress(openai.APIError, anthropic.APIError):
            assistant.handle(moment.ticket, moment.version)
        handled += 1
        if handled % TICKETS_A_FLUSH == 0:
            watchpost.flush(_FLUSH_S)
            advance(TICKETS_A_FLUSH)
    watchpost.flush(_FLUSH_S)
    watchpost.shutdown()
    advance(handled % TICKETS_A_FLUSH)


def relive_side_by_side(moments: Sequence[Moment], endpoint: str, advance: Advance) -> None:
    """The same in as many processes as there are cores, each with its own stretch of days.

    This process is one of them: what it has loaded need not be loaded again. `advance` is called
    from two threads.
    """
    processes = max(1, min(os.cpu_count() or 1, MOST_PROCESSES, len(moments)))
    size = max(1, -(-len(moments) // processes))
    shares = [moments[start : start + size] for start in range(0, len(moments), size)]
    workers = [_start(share, endpoint, part) for part, share in enumerate(shares[1:], start=1)]
    told = [ear for _, ear in workers]
    listening = threading.Thread(target=_listen, args=(told, advance), daemon=True)
    listening.start()
    if shares:
        relive(shares[0], endpoint, advance, seed=0)
    for worker, _ in workers:
        worker.join()
        if worker.exitcode:
            raise WatchpostError(f"the history stopped early (exit status {worker.exitcode})")
    listening.join()


def _start(moments: Sequence[Moment], endpoint: str, part: int) -> tuple[SpawnProcess, Connection]:
    """A process at work on its share, and where it says how far it is."""
    spawning = multiprocessing.get_context("spawn")
    ear, mouth = spawning.Pipe(duplex=False)
    worker = spawning.Process(
        target=_relive_share, args=(moments, endpoint, mouth, part), daemon=True
    )
    worker.start()
    # Only the worker holds it now, so that its end is heard however it comes.
    mouth.close()
    return worker, ear


def _relive_share(moments: Sequence[Moment], endpoint: str, mouth: Connection, part: int) -> None:
    relive(moments, endpoint, mouth.send, seed=part)


def _listen(told: list[Connection], advance: Advance) -> None:
    """Passes on what the workers tell, until the last of them has ended."""
    while told:
        ready = wait(told)
        for ear in [one for one in told if one in ready]:
            try:
                advance(ear.recv())
            except EOFError:
                told.remove(ear)
