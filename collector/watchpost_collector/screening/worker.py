"""The process that asks guards about stored calls: a line of JSON in, one out, the first unasked.

It is nicer than everything else, so that receiving spans never waits for a guard, and ends when its
input does. `python -m watchpost_collector.screening.worker POLICY` is started by `process`; by
hand it is of no use. Texts go through its pipes and nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from watchpost.screening.policy import Policy
from watchpost_collector.screening.judging import judge, read_call, write_ruling
from watchpost_collector.screening.observing import load_observing

READY = b'"ready"\n'
_NICE = 19


def answer_lines(policy: Policy, asked: BinaryIO, told: BinaryIO) -> None:
    """Answer every line, a list of calls, with their rulings in the same order."""
    for line in asked:
        rulings = [[write_ruling(r) for r in judge(policy, read_call(c))] for c in json.loads(line)]
        told.write(json.dumps(rulings).encode() + b"\n")
        told.flush()


def main() -> None:
    """Run until the input ends."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    # What a library prints must not stand among the answers.
    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    policy = load_observing(Path(sys.argv[1])).policy
    told.write(READY)
    told.flush()
    answer_lines(policy, sys.stdin.buffer, told)


if __name__ == "__main__":
    main()
