"""Which emitters and frameworks land: recorded live, held to what the stand-in answered.

Builds each emitter's environment if its cache (~/.cache/watchpost-interop, or where
WATCHPOST_INTEROP_CACHE says) has none, starts `watchpost up`, lets every emitter record the calls
of `calls.py` with real `openai` and `anthropic` clients, and reads back over the query port. Then
the programs of `docs/frameworks` are run, each with its framework.

    python tests/interop/run.py [EMITTER | FRAMEWORK ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import live_frameworks
from emitter_venvs import list_emitters, list_frameworks
from live_emitters import record
from live_truth import Landed, check, compare_metrics, find_lost
from running_server import RunningServer


def run(
    emitters: list[str], frameworks: list[str]
) -> tuple[dict[str, dict[str, Landed]], dict[str, list[str]], list[live_frameworks.Landed]]:
    """What became of every call of every emitter, what else was lost, and the frameworks' runs."""
    with (
        tempfile.TemporaryDirectory(prefix="watchpost-interop-") as place,
        RunningServer(Path(place) / "data") as server,
    ):
        recordings = [record(emitter, server) for emitter in emitters]
        services = {name: live_frameworks.record(name, server) for name in frameworks}
        server.flush()
        found = {one.emitter: check(server, one) for one in recordings}
        lost = {
            one.emitter: [
                *one.refused,
                *find_lost(server, one),
                *compare_metrics(server, one),
            ]
            for one in recordings
        }
        landed = [live_frameworks.check(name, said, server) for name, said in services.items()]
    return found, lost, landed


def print_table(found: Mapping[str, Mapping[str, Landed]], lost: Mapping[str, list[str]]) -> None:
    """One line a call, what its emitter does not emit, and one line an emitter."""
    for emitter, calls in found.items():
        for name, landed in calls.items():
            absent = f"; not emitted: {', '.join(landed.not_emitted)}" if landed.not_emitted else ""
            print(f"{emitter:<14} {name:<14} {landed}{absent}")
    print()
    for emitter, calls in found.items():
        right = sum(not landed.wrong for landed in calls.values())
        facts = sum(len(landed.right) for landed in calls.values())
        absent = sum(len(landed.not_emitted) for landed in calls.values())
        wrong = sum(len(landed.wrong) for landed in calls.values())
        print(
            f"{emitter:<14} {right} of {len(calls)} calls right; "
            f"{facts} facts landed, {absent} not emitted, {wrong} wrong; "
            + (f"lost: {'; '.join(lost[emitter])}" if lost[emitter] else "nothing lost")
        )


def main() -> int:
    """Parse, run, print; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description="Which emitters land, recorded live.")
    known = [*list_emitters(), *list_frameworks()]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; default all")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    given = parser.parse_args()
    asked = given.names or known
    found, lost, landed = run(
        [name for name in asked if name not in list_frameworks()],
        [name for name in asked if name in list_frameworks()],
    )
    print_table(found, lost)
    for one in landed:
        print(f"{one.framework:<14} {one.spans} spans, {'; '.join(one.wrong) or 'all right'}")
    if given.json:
        cells = {
            emitter: {name: landed.wrong for name, landed in calls.items()}
            for emitter, calls in found.items()
        }
        frameworks = {one.framework: one.wrong for one in landed}
        print(json.dumps({"emitters": cells, "lost": lost, "frameworks": frameworks}))
    wrong = any(landed.wrong for calls in found.values() for landed in calls.values())
    return int(wrong or any(lost.values()) or any(one.wrong for one in landed))


if __name__ == "__main__":
    sys.exit(main())
