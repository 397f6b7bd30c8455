"""`make fuzz`: every parser, fed with mutations for a bounded time; what it did not bear.

    python -m fuzz [--seconds S] [--seed N] [--only NAME]

Each parser has its share of the seconds. Nothing but the errors of watchpost may come out, an
input may take five seconds of CPU at most, and memory may not grow by more than half a gigabyte.
What intake accepts is stored: a sample goes into the engine and is counted there.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from contextlib import ExitStack

from fuzz.bench import Finding, fuzz
from fuzz.engine import list_engine_parsers, store_accepted
from fuzz.parsers import list_parsers
from watchpost_collector.intake.admission import Admission
from watchpost_collector.store.client import open_store
from watchpost_collector.store.migrate import migrate

_SAMPLE = 500


def main() -> int:
    """Fuzz them all and print a table; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="parsers whose name has this in it")
    given = parser.parse_args()
    accepted: list[Admission] = []
    with tempfile.TemporaryDirectory(prefix="watchpost-fuzz-") as place, ExitStack() as opened:
        store = open_store(f"chdb://{place}/store")
        migrate(store)
        parsers = [*list_parsers(accepted), *list_engine_parsers(store, opened)]
        chosen = [one for one in parsers if given.only in one.name]
        sys.stdout.write("| parser | inputs | accepted | slowest, s | grown, MiB | wrong |\n")
        sys.stdout.write("|---|---|---|---|---|---|\n")
        found = [tell(fuzz(one, given.seconds / len(chosen), given.seed)) for one in chosen]
        for one in (text for finding in found for text in finding.wrong[:5]):
            sys.stdout.write(f"WRONG {one}\n")
        sample = random.Random(given.seed).sample(accepted, min(_SAMPLE, len(accepted)))
        wrong = store_accepted(store, sample)
        sys.stdout.write(f"\n{len(sample)} of what intake accepted stored and counted\n")
        for one in wrong[:5]:
            sys.stdout.write(f"WRONG {one}\n")
        return 1 if wrong or any(finding.wrong for finding in found) else 0


def tell(finding: Finding) -> Finding:
    """A line of the table."""
    sys.stdout.write(
        f"| {finding.name} | {finding.inputs} | {finding.accepted} | {finding.slowest_s:.2f} "
        f"| {finding.grown_bytes >> 20} | {len(finding.wrong)} |\n"
    )
    sys.stdout.flush()
    return finding


if __name__ == "__main__":
    sys.exit(main())
