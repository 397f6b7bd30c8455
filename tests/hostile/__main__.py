"""`make hostile`: hostile requests over real sockets, with the memory they cost the server.

    python -m hostile [--requests N] [--seed S] [--growth MEGABYTES]

Deep nesting, a million attributes, bombs in three encodings, declared gigabytes, endless heads and
chunks, bytes that are no HTTP, beside silent and slow connections and honest traffic that goes on.
Exits 1 when memory grew by more than --growth, honest spans are missing, or anything answered 500.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from running_server import RunningServer

from hostile.attack import Attack, Report, check

_MIB = 1 << 20


def main() -> int:
    """Attack, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth", type=int, default=1536, help="megabytes that may be added")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="watchpost-hostile-") as place,
        RunningServer(Path(place) / "data") as server,
    ):
        report = Attack(server, given.requests, given.seed).play()
        wrong = check(server, report)
        grown = (report.peak_bytes - report.before_bytes) / _MIB
        if grown > given.growth:
            wrong.append(f"memory grew by {grown:.0f} MiB, more than {given.growth}")
        tell(report, wrong)
    return 1 if wrong else 0


def tell(report: Report, wrong: list[str]) -> None:
    """The table."""
    write = sys.stdout.write
    write("\n| shape | answer | times |\n|---|---|---|\n")
    for name, times in sorted(report.by_shape.items()):
        shape, _, answer = name.partition(": ")
        write(f"| {shape} | {answer} | {times} |\n")
    waits = sorted(report.honest_waits_s)
    write(
        f"\n{report.requests} hostile requests in {report.seconds:.0f} s; resident memory "
        f"{report.before_bytes / _MIB:.0f} MiB before, {report.peak_bytes / _MIB:.0f} at its peak, "
        f"{report.after_bytes / _MIB:.0f} after; {report.honest_spans} honest spans, "
        f"acknowledged within {waits[len(waits) // 2] * 1000:.0f} ms (half) and "
        f"{waits[int(len(waits) * 0.99)] * 1000:.0f} ms (99 of 100)\n"
    )
    for one in wrong:
        write(f"WRONG {one}\n")
    write("\n" if wrong else "nothing wrong\n")


if __name__ == "__main__":
    sys.exit(main())
