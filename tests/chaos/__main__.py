"""`make chaos`: seeded runs against real servers; a table, and the seed of every failure.

    python -m chaos [--runs N] [--seed FIRST] [--keep]

Every fourth run has the engine inside the server, the others a database of their own process that
is killed and stopped too. A seed decides traffic, blows and moments: `--runs 1 --seed S` again.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from running_clickhouse import RunningClickHouse

from chaos.run import Outcome, play_run

_EMBEDDED_EVERY = 4


def main() -> int:
    """Play the runs and print what became of them; 1 when any went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first run; the next is one more"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files of runs that failed")
    given = parser.parse_args()
    # Ended from outside it takes its servers, its database and its disks along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    outcomes: list[Outcome] = []
    place = Path(tempfile.mkdtemp(prefix="watchpost-chaos-"))
    database = RunningClickHouse(place / "clickhouse", log=place / "clickhouse.log")
    database.start()
    try:
        for seed in range(given.seed, given.seed + given.runs):
            own = None if seed % _EMBEDDED_EVERY == 0 else database
            outcomes.append(play_run(seed, place / str(seed), own))
            tell(outcomes[-1])
            if not (given.keep and outcomes[-1].differences):
                shutil.rmtree(place / str(seed), ignore_errors=True)
    finally:
        database.kill()
        if not given.keep:
            shutil.rmtree(place, ignore_errors=True)
    return summarize(outcomes, time.monotonic() - began)


def tell(outcome: Outcome) -> None:
    """One line for a run, and one for each thing that is wrong."""
    blows = ", ".join(f"{name} x{n}" if n > 1 else name for name, n in outcome.blows.items())
    verdict = "WRONG" if outcome.differences else "ok"
    sys.stdout.write(
        f"{outcome.seed:5d} {outcome.store:8} {verdict:5} {outcome.acknowledged:3d} requests "
        f"{outcome.spans:4d} spans {outcome.resent:2d} resent {outcome.refused:3d} put off "
        f"{outcome.cut:2d} cut {outcome.seconds:5.1f} s  {blows}\n"
    )
    for difference in outcome.differences:
        sys.stdout.write(f"      {difference}\n")
    sys.stdout.flush()


def summarize(outcomes: list[Outcome], seconds: float) -> int:
    """The last lines, and the exit status."""
    failed = [outcome.seed for outcome in outcomes if outcome.differences]
    blows: Counter[str] = Counter()
    for outcome in outcomes:
        blows += outcome.blows
    sys.stdout.write("\n| blow | times |\n|---|---|\n")
    for name, times in blows.most_common():
        sys.stdout.write(f"| {name} | {times} |\n")
    spans = sum(outcome.spans for outcome in outcomes)
    sys.stdout.write(
        f"\n{len(outcomes)} runs, {len(outcomes) - len(failed)} exact, {spans} spans acknowledged, "
        f"{seconds / 60:.1f} minutes\n"
    )
    if failed:
        sys.stdout.write(f"failed seeds: {', '.join(map(str, failed))}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
