"""One contender's numbers, in a process and an environment of its own; JSON on the last line.

`measure.py NAME ENDPOINT cost` times calls; `... burst CALLS AWAY_S` makes them as fast as it can,
waits until a collector that is away is back, and ends the way the contender wants to be ended.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from calls import SHAPES, ask, make_async_client, make_client
from contenders import DISTRIBUTIONS, STARTS, Contender

BLOCKS, CALLS = 6, 150


async def time_calls(asking: Any, client: Any, shape: str, settle: Any) -> list[float]:
    """CPU microseconds of the calling thread for each call; the first block warms up."""
    found: list[float] = []
    for block in range(BLOCKS + 1):
        for _ in range(CALLS):
            began = time.thread_time_ns()
            if asyncio.iscoroutine(pending := asking(client, shape)):
                await pending
            if block:
                found.append((time.thread_time_ns() - began) / 1000)
        settle()
    return found


def measure_cost(name: str, endpoint: str) -> dict[str, Any]:
    """What is added to a call, and what importing and setting up costs."""
    bare = {}
    for shape in SHAPES:
        client = make_async_client() if shape == "async" else make_client()
        times = asyncio.run(time_calls(ask, client, shape, lambda: None))
        bare[shape] = statistics.median(times)
    held, began = read_resident_mb(), time.process_time()
    contender: Contender = STARTS[name](endpoint)
    import_ms = (time.process_time() - began) * 1000
    added = {}
    for shape in SHAPES:
        client = contender.connect(shape)
        times = asyncio.run(time_calls(contender.ask, client, shape, contender.flush))
        cuts = statistics.quantiles(times, n=100)
        base = bare[shape]
        added[shape] = {"p50": round(cuts[49] - base, 1), "p99": round(cuts[98] - base, 1)}
    resident_mb = read_resident_mb() - held
    contender.stop()
    return {
        "added_us": added,
        "import_ms": round(import_ms),
        "resident_mb": round(resident_mb, 1),
        "install_mb": round(weigh_install(DISTRIBUTIONS[name]) / 1e6, 1),
    }


def measure_burst(name: str, endpoint: str, calls: int, away_s: float) -> dict[str, Any]:
    """As many calls as fast as they go, and a proper end."""
    contender: Contender = STARTS[name](endpoint)
    client, began = contender.connect("plain"), time.monotonic()
    for _ in range(calls):
        contender.ask(client, "plain")
    called_s = time.monotonic() - began
    # The program goes on until the collector is there again, and then ends.
    time.sleep(max(0.0, away_s - called_s))
    contender.flush()
    contender.stop()
    return {"sent": calls, "called_s": round(called_s, 1)}


def read_resident_mb() -> float:
    """Megabytes of memory this process holds."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def weigh_install(names: tuple[str, ...]) -> int:
    """Bytes on disk of distributions and all that they need."""
    seen: set[str] = set()
    waiting = list(names)
    total = 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        total += sum(weigh_file(Path(str(file.locate()))) for file in found.files or ())
        if name == "watchpost":
            # Installed from a checkout it is a link to where it is written.
            total += sum(weigh_file(path) for path in find_sdk().rglob("*.py"))
        for need in found.requires or ():
            if "extra ==" not in need:
                waiting.append(re.split(r"[^\w.-]", need, maxsplit=1)[0])
    return total


def weigh_file(path: Path) -> int:
    """A file's bytes; what Python compiled beside it is not shipped."""
    return 0 if path.suffix == ".pyc" or not path.is_file() else path.stat().st_size


def find_sdk() -> Path:
    """Where the SDK is written."""
    return Path(__file__).parents[2] / "sdk" / "watchpost"


if __name__ == "__main__":
    chosen, url, task = sys.argv[1:4]
    if task == "cost":
        answer = measure_cost(chosen, url)
    else:
        answer = measure_burst(chosen, url, int(sys.argv[4]), float(sys.argv[5]))
    print(json.dumps(answer))
