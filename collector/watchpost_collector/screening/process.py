"""The worker process from the side of the collector: started when needed, ended when it hangs.

It knows pipes and time, and no guard.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from watchpost.screening.decision import Ruling
from watchpost_collector.screening.judging import StoredCall, read_ruling

# On a busy machine it may get little of a processor for minutes.
_ANSWER_S = 600.0
_PIECE_BYTES = 1 << 16


class WorkerLost(Exception):  # noqa: N818 - it names what happened.
    """Raised when the process gave no answer: it died, or took too long and was ended."""


class Worker:
    """One process at a time, of one thread's; `close` ends it."""

    def __init__(self, policy: Path, answer_s: float = _ANSWER_S) -> None:
        self._command = [sys.executable, "-m", "watchpost_collector.screening.worker", str(policy)]
        self._answer_s = answer_s
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, calls: Sequence[StoredCall]) -> list[tuple[Ruling, ...]]:
        """The rulings on each call. Raises WorkerLost; the next question starts another process.

        One that does not start is an OSError, and no fault of these calls.
        """
        process = self._process or self._start()
        asked = json.dumps([call.to_json() for call in calls]).encode() + b"\n"
        try:
            left = memoryview(asked)
            while left and process.stdin is not None:
                left = left[process.stdin.write(left) :]
            told = json.loads(self._read_line(process))
            return [tuple(map(read_ruling, rulings)) for rulings in told]
        except (OSError, ValueError) as error:
            self.close()
            raise WorkerLost(type(error).__name__) from None

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a group of its own: an interrupt is for the collector, whose end ends this one's input.
        process = self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        try:
            self._read_line(process)
        except OSError as error:
            self.close()
            raise OSError("the process that asks the guards does not start") from error
        return process

    def _read_line(self, process: subprocess.Popen[bytes]) -> bytes:
        if process.stdout is None:
            raise OSError("no pipe")
        give_up = time.monotonic() + self._answer_s
        told = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while not told.endswith(b"\n"):
                if not ready.select(max(0.0, give_up - time.monotonic())):
                    raise OSError("late")
                piece = process.stdout.read(_PIECE_BYTES)
                if not piece:
                    raise OSError("gone")
                told += piece
        return bytes(told)
