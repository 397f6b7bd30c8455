"""Merges after people: the embedded engine's background threads take the processor last.

They share it with the threads that receive spans and answer questions, and there are as many of
them as cores: without this, an acknowledgement waits its turn behind a merge that nobody waits for.
A server's operator has a setting for the same (`os_threads_nice_value_merge_mutate`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NICE = 10
"""How much nicer than the process: a ninth of the weight of a thread that somebody waits for."""

# As the engine names them; "Common" and "Move" and so on do as they are told by these.
_BACKGROUND = frozenset({"MergeMutate", "BgSchPool"})
_TASKS = Path("/proc/self/task")


def put_merges_last() -> None:
    """Lower the priority of this process's merging threads; where threads have none, nothing."""
    if not _TASKS.is_dir():
        return
    nice = os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICE
    for task in _TASKS.iterdir():
        # A thread may end while it is looked at; a sandbox may forbid even this.
        with suppress(OSError):
            if (task / "comm").read_text().strip() in _BACKGROUND:
                os.setpriority(os.PRIO_PROCESS, int(task.name), nice)
