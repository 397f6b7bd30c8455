"""The service in a process of its own, and callers in processes of theirs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

# What a caller does: threads that ask about texts of their own until there are enough answers.
CALLER = """
import json, sys, threading
from watchpost_guards.hosted import HostedGuard
from watchpost.screening.guard import Question
url, name, threads, texts = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
guard = HostedGuard(url, None, "unsafe", timeout_s=60)
tripped, failed = [], []
def ask(number):
    for turn in range(texts):
        word = "bomb" if turn % 2 else "calm"
        verdict = guard.check(Question(f"{name} {number} {turn} " + "sea " * 8 + word))
        (failed if verdict.failed else tripped).append(verdict.tripped == (word == "bomb"))
workers = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(json.dumps({"right": sum(tripped), "failed": len(failed)}))
"""


class ServingProcess:
    """One `python -m watchpost_guards` over the models in a folder."""

    def __init__(self, folder: Path, models: Path, *more: str, keys: str = "") -> None:
        ready = folder / "ready.json"
        self._log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "watchpost_guards", "--port", "0"),
                *("--ready-file", str(ready), *more),
            ],
            env={
                **os.environ,
                "WATCHPOST_GUARD_KEYS": keys,
                "WATCHPOST_GUARD_MODELS": str(models),
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        give_up = time.monotonic() + 120
        while not (ready.exists() and ready.stat().st_size):
            assert self.process.poll() is None, self.read_log()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        self.url = json.loads(ready.read_text())["url"]

    def start_caller(self, name: str, threads: int, texts: int) -> subprocess.Popen[str]:
        """A process that asks `threads` times `texts` questions, and prints how it went."""
        return subprocess.Popen(
            [sys.executable, "-c", CALLER, self.url, name, str(threads), str(texts)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def get(self, path: str) -> str:
        """What one of its pages says."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            said: bytes = answer.read()
        return said.decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def read_log(self) -> str:
        """Everything it printed."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        """End it, however it is."""
        self.stop(signal.SIGKILL)
        self._log.close()
