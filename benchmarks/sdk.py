"""What recording a call costs its caller, and what a burst of calls loses; beside our peers.

First watchpost and bare OpenTelemetry, which sets the same attributes by hand, in one process: the
same calls in blocks that run beside each other, so that a noisy machine disturbs both alike; the
ratio is the median over pairs of blocks. Then each contender by itself, in an environment of its
own that is built once and kept: Langfuse, OpenLLMetry and Logfire too, set up as they document.

Microseconds are CPU time of the calling thread beyond the client's own. A burst's spans are
counted where they arrive: when the collector answers at once, after 100 ms, and when it is away
for a minute. `--quick` does the first part and a short burst.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE / "emitting"), str(_HERE.parent / "tests")]

from bare import Bare  # noqa: E402 - they lie where the contenders' processes find them
from calls import SHAPES, ask, make_async_client, make_client  # noqa: E402
from contenders import STARTS  # noqa: E402
from emitter_venvs import build_environment  # noqa: E402
from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: E402
from receiver import Receiver  # noqa: E402

import watchpost  # noqa: E402

BURST, QUICK_BURST = 20_000, 6_000
AWAY_S = 60.0
OURS, BARE = "watchpost", "otel"
# These run here; the others in the environment that their interoperability is tested in.
_AT_HOME = (OURS, BARE)
_MEASURE = _HERE / "emitting" / "measure.py"


def make_pair(shape: str, bare: Bare) -> dict[str, Callable[[], Any]]:
    """The bare client, watchpost and bare OpenTelemetry in one shape."""
    make = make_async_client if shape == "async" else make_client
    plain, patched = make(), watchpost.patch(make())
    return {
        "client": lambda: ask(plain, shape),
        BARE: lambda: bare.ask(plain, shape),
        OURS: lambda: ask(patched, shape),
    }


async def time_blocks(
    pair: dict[str, Callable[[], Any]], *, blocks: int, calls: int, settle: Callable[[], Any]
) -> dict[str, list[list[float]]]:
    """Microseconds of every call, in interleaved blocks whose order rotates."""
    times: dict[str, list[list[float]]] = {name: [] for name in pair}
    order = list(pair)
    for block in range(blocks + 1):
        for name in order:
            call, found = pair[name], []
            for _ in range(calls):
                began = time.thread_time_ns()
                if asyncio.iscoroutine(pending := call()):
                    await pending
                found.append((time.thread_time_ns() - began) / 1000)
            if block:  # the first one warms up
                times[name].append(found)
            settle()
        order.append(order.pop(0))
    return times


def summarise(times: dict[str, list[list[float]]]) -> dict[str, Any]:
    """What each adds to the client's call in microseconds, and how they compare block by block."""
    client = statistics.median(t for block in times["client"] for t in block)
    found: dict[str, Any] = {}
    for name in _AT_HOME:
        cuts = statistics.quantiles((t for block in times[name] for t in block), n=100)
        found[name] = {"p50": round(cuts[49] - client, 1), "p99": round(cuts[98] - client, 1)}
    beside = [statistics.median(block) for block in times["client"]]
    added = {
        name: [statistics.median(b) - c for b, c in zip(times[name], beside, strict=True)]
        for name in _AT_HOME
    }
    pairs = zip(added[OURS], added[BARE], strict=True)
    found["ratio"] = round(statistics.median(ours / theirs for ours, theirs in pairs), 3)
    return found


def compare_in_one_process(url: str, *, blocks: int, calls: int) -> dict[str, Any]:
    """watchpost and bare OpenTelemetry beside each other."""
    provider = TracerProvider(resource=Resource.create({"service.name": BARE}))
    exporter = OTLPSpanExporter(f"{url}/beside/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    bare = Bare(provider.get_tracer("bench"))

    def settle() -> None:
        watchpost.flush(30)
        provider.force_flush(30_000)

    added: dict[str, Any] = {OURS: {}, BARE: {}}
    ratio: dict[str, float] = {}
    print(
        f"{'added to a call':<12}{'watchpost p50':>18}{'p99':>8}{'otel p50':>10}{'p99':>8}  ratio"
    )
    for shape in SHAPES:
        pair = make_pair(shape, bare)
        found = summarise(asyncio.run(time_blocks(pair, blocks=blocks, calls=calls, settle=settle)))
        ours, theirs, ratio[shape] = found[OURS], found[BARE], found["ratio"]
        added[OURS][shape], added[BARE][shape] = ours, theirs
        print(f"  {shape:<14}{ours['p50']:>11} us{ours['p99']:>8}", end="")
        print(f"{theirs['p50']:>10}{theirs['p99']:>8}{ratio[shape]:>7}", flush=True)
    provider.shutdown()
    return {"added_us": added, "ratio": ratio}


def measure(name: str, endpoint: str, *task: str) -> dict[str, Any]:
    """What one contender's own process prints; its error's last line where it cannot run."""
    python = Path(sys.executable) if name in _AT_HOME else build_environment(name)
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "WATCHPOST_DATA_DIR": folder, "OTEL_SERVICE_NAME": name}
        command = [str(python), str(_MEASURE), name, endpoint, *task]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def compare_costs(names: list[str], url: str) -> dict[str, Any]:
    """Every contender by itself: microseconds, import, memory, size."""
    print("\nby itself         plain p50     p99  async p50     p99  stream p50     p99", end="")
    print("  import ms  resident MB  install MB")
    found = {}
    for name in names:
        one = found[name] = measure(name, f"{url}/{name}", "cost")
        if "failed" in one:
            print(f"  {name:<14} {one['failed']}", flush=True)
            continue
        shown = "".join(
            f"{one['added_us'][shape]['p50']:>11}{one['added_us'][shape]['p99']:>8}"
            for shape in SHAPES
        )
        print(f"  {name:<14}{shown}{one['import_ms']:>11}", end="")
        print(f"{one['resident_mb']:>13}{one['install_mb']:>12}", flush=True)
    return found


def compare_bursts(names: list[str], receiver: Receiver, calls: int) -> dict[str, Any]:
    """Spans that arrive of a burst, the collector answering at once, and after 100 ms."""
    print(f"\nof {calls:,} calls arrive")
    found: dict[str, Any] = {}
    for mode, prefix in (("answering at once", ""), ("after 100 ms", "slow-")):
        for name in names:
            place = f"{prefix}{name}"
            before = receiver.count(place)
            one = measure(name, f"{receiver.url}/{place}", "burst", str(calls), "0")
            one["stored"] = receiver.count(place) - before
            found.setdefault(mode, {})[name] = one
            show_burst(mode, name, one)
    return found


def compare_while_away(names: list[str], calls: int) -> dict[str, Any]:
    """Spans that arrive of a burst when nobody listens for a minute; all contenders at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found: dict[str, Any] = {}

    def run(name: str) -> None:
        endpoint = f"http://127.0.0.1:{port}/{name}"
        found[name] = measure(name, endpoint, "burst", str(calls), str(AWAY_S + 5))

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    time.sleep(AWAY_S)
    with Receiver(port) as receiver:
        for thread in threads:
            thread.join()
        for name in names:
            found[name]["stored"] = receiver.count(name)
            show_burst("away for a minute", name, found[name])
    return found


def show_burst(mode: str, name: str, one: dict[str, Any]) -> None:
    """One line of the table of bursts."""
    if "failed" in one:
        print(f"  {mode:<18} {name:<12} {one['failed']}", flush=True)
        return
    one["lost"] = max(0, one["sent"] - one["stored"])
    share = 100 * one["lost"] / one["sent"]
    print(f"  {mode:<18} {name:<12}{one['stored']:>8,}", end="")
    print(f"{one['lost']:>8,} lost ({share:.1f} %)   calls {one['called_s']} s", flush=True)


def main() -> int:
    """Run against a receiver in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="bare OpenTelemetry only")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    chosen = parser.parse_args()
    names = [OURS, BARE] if chosen.quick else list(STARTS)
    with Receiver() as receiver:
        with tempfile.TemporaryDirectory() as folder:
            watchpost.configure(endpoint=f"{receiver.url}/beside", data_dir=folder)
            blocks = 8 if chosen.quick else 20
            found = compare_in_one_process(receiver.url, blocks=blocks, calls=150)
            watchpost.shutdown()
        if not chosen.quick:
            found["alone"] = compare_costs(names, receiver.url)
        calls = QUICK_BURST if chosen.quick else BURST
        found["burst"] = compare_bursts(names, receiver, calls)
    if not chosen.quick:
        found["burst"]["away for a minute"] = compare_while_away(names, BURST)
    if chosen.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
