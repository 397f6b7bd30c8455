"""What ingest costs: spans per CPU-second over sockets until they can be queried, beside a limit.

One run starts `watchpost up` three times: fed with gzip, fed without, and a variant that decodes
in Python. Each takes the same traffic over 32 kept connections, 100 spans a request, 20 attributes
and about 1 KB of messages a span. Spans are divided by the server's CPU seconds (all threads, user
and system) from the first request until everything can be queried and the merges are over; a
warm-up before it is not counted, nor is making the requests. The limit is the same rows already
decoded as Arrow, inserted into the same tables by the same blocks, merges included: what
ClickHouse takes when nobody decodes. Then acknowledgements are timed at half of the rate that was
sustained, on a fixed schedule, counted from when each request was due; and at that rate itself.

    python benchmarks/ingest.py [--quick] [--json]

`--quick` sends 15,000 spans and takes under a minute on two quiet cores; its figures are rougher
(its few segments are not as full as a stream's). All of it sends 200,000 and takes minutes.
Exits with 1 when a span is lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load.limit import Footprint, measure_limit, read_rows
from load.sending import CONNECTIONS, RefusedError, Sent, send
from load.server import MeasuredServer, wait_until_quiet
from load.stages import measure_stages
from load.traffic import SPANS_A_REQUEST, Load, build_load

WARM_REQUESTS = 8
DECODING = [sys.executable, "-m", "load.decoding", "up"]
RECEIVING = ("main loop (HTTP)", "admission threads", "spool writer")


@dataclass(frozen=True, slots=True)
class Size:
    """Requests of a throughput run, and seconds of each schedule."""

    requests: int
    scheduled_s: float


QUICK, FULL = Size(150, 3.0), Size(2000, 20.0)


@dataclass(frozen=True, slots=True)
class Run:
    """What one server took for the load."""

    spans_per_cpu_s: float
    spans_per_s: float
    sent: Sent
    cpu_s: dict[str, float]
    warm_segments: frozenset[str]


class LostError(Exception):
    """Raised when a server does not hold exactly what it acknowledged."""


def run_load(server: MeasuredServer, warm: Load, load: Load, *, gzip: bool) -> Run:
    """Warm a server up, send it the load, wait until all of it is queryable and quiet."""
    server.wait_until_ready()
    send(server.otlp, warm.bodies(gzip), gzip=gzip)
    server.flush()
    wait_until_quiet(server.pid)
    segments = server.query("SELECT DISTINCT spool_segment FROM watchpost.spans")
    with server.time_threads() as times:
        started = time.perf_counter()
        sent = send(server.otlp, load.bodies(gzip), gzip=gzip)
        server.flush()
        took_s = time.perf_counter() - started
        wait_until_quiet(server.pid)
    check_spans(server, warm.spans + load.spans)
    return Run(
        load.spans / times.cpu_s,
        load.spans / took_s,
        sent,
        times.groups(),
        frozenset(segment for (segment,) in segments),
    )


def check_spans(server: MeasuredServer, sent: int) -> None:
    """Raise LostError unless the server holds that many spans, each once."""
    counted = "SELECT count(), uniqExact(trace_id, span_id) FROM watchpost.spans"
    [(found, distinct)] = server.query(counted)
    if not int(found) == int(distinct) == sent:
        raise LostError(
            f"{server.data.name}: {sent} spans sent, {found} found, {distinct} of them once"
        )


def time_acknowledgements(server: MeasuredServer, load: Load, rate_per_s: float) -> Sent:
    """Send on a schedule of that many spans a second."""
    return send(server.otlp, load.bodies(True), gzip=True, interval_s=SPANS_A_REQUEST / rate_per_s)


def find_differences(one: MeasuredServer, other: MeasuredServer) -> list[str]:
    """The columns, as table.column, in which two servers that got the same load differ.

    Their metrics are left out: nobody sends any, each measures itself.
    """
    columns = one.query(
        "SELECT table, groupArray(name) FROM system.columns WHERE database = 'watchpost' AND "
        "table IN (SELECT c.table FROM system.columns c JOIN system.tables t ON c.table = t.name "
        "AND c.database = t.database WHERE c.database = 'watchpost' AND c.name = 'spool_segment' "
        "AND t.engine LIKE '%MergeTree') AND table != 'metrics' "
        "AND name NOT IN ('spool_segment', 'stored', 'arrived') "
        "GROUP BY table"
    )
    different = []
    for table, listed in columns:
        names = json.loads(listed.replace("'", '"'))
        sums = ", ".join(f"sum(cityHash64(toString({name})))" for name in names)
        final = "FINAL" if table == "calls" else ""
        sql = f"SELECT {sums} FROM watchpost.{table} {final}"
        [ours], [theirs] = one.query(sql), other.query(sql)
        different += [
            f"{table}.{name}" for name, a, b in zip(names, ours, theirs, strict=True) if a != b
        ]
    return different


def measure(size: Size) -> dict[str, Any]:
    """The whole benchmark; its keys are a contract."""
    with tempfile.TemporaryDirectory(prefix="watchpost-bench-") as name, ExitStack() as stack:
        place = Path(name)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
        )
        servers = {
            "gzip": MeasuredServer(place / "gzip"),
            "plain": MeasuredServer(place / "plain"),
            "python": MeasuredServer(place / "python", DECODING),
        }
        for server in servers.values():
            stack.callback(server.stop)
            server.launch()
        now_ns = time.time_ns()
        warm, load = build_load(WARM_REQUESTS, now_ns, 1), build_load(size.requests, now_ns)
        runs = {
            name: run_load(server, warm, load, gzip=name != "plain")
            for name, server in servers.items()
        }
        acks = {"saturated": runs["gzip"].sent}
        rate = runs["gzip"].spans_per_s
        sent = warm.spans + load.spans
        for number, share in enumerate((0.5, 1.0)):
            requests = max(int(rate * share * size.scheduled_s) // SPANS_A_REQUEST, CONNECTIONS)
            scheduled = build_load(requests, time.time_ns(), (number + 2) * 10**6)
            acks["half" if share < 1 else "full"] = time_acknowledgements(
                servers["plain"], scheduled, rate * share
            )
            sent += scheduled.spans
            servers["plain"].flush()
            check_spans(servers["plain"], sent)
        different = find_differences(servers["gzip"], servers["python"])
        for server in servers.values():
            server.stop()
        footprint = read_rows(place / "gzip", place / "arrow")
        limit_s = measure_limit(place / "arrow", place / "limit", runs["gzip"].warm_segments)
        segments = footprint.segments - len(runs["gzip"].warm_segments)
        stages = measure_stages(place / "stages", load.spans / segments)
        limit = load.spans / limit_s
        return {
            **report(load, runs, limit, footprint, warm.spans),
            **report_acknowledgements(acks),
            "python_differs_in": different,
            "segments": segments,
            **report_profile(load.spans, runs, limit, stages),
            "load_average": os.getloadavg()[0],
        }


def report(
    load: Load, runs: dict[str, Run], limit: float, footprint: Footprint, warm_spans: int
) -> dict[str, Any]:
    """Throughput and size by name."""
    stored = load.spans + warm_spans
    by_table = {table: n / stored for table, n in footprint.bytes_by_table.items()}
    content, text = by_table.get("content", 0.0), load.text
    rates = {name: run.spans_per_cpu_s for name, run in runs.items()}
    return {
        "spans_per_cpu_second": round(rates["gzip"]),
        "limit_spans_per_cpu_second": round(limit),
        "ratio": round(rates["gzip"] / limit, 3),
        "plain_spans_per_cpu_second": round(rates["plain"]),
        "plain_ratio": round(rates["plain"] / limit, 3),
        "python_spans_per_cpu_second": round(rates["python"]),
        "python_ratio": round(rates["python"] / limit, 3),
        "spans_per_second": round(runs["gzip"].spans_per_s),
        "stored": load.spans,
        "sent": load.spans,
        "bytes_per_span": {
            "metadata": round(sum(by_table.values()) - content, 1),
            "content": round(content, 1),
        },
        "bytes_per_span_by_table": {table: round(n, 1) for table, n in by_table.items()},
        "content_text_bytes": round(footprint.content_bytes / stored, 1),
        "content_ratio": round(content * stored / footprint.content_bytes, 3),
        "content_gzip_bytes": round(text.gzip_bytes / text.spans, 1),
        "content_gzip_ratio": round(text.gzip_bytes / text.size_bytes, 3),
    }


def report_acknowledgements(acks: dict[str, Sent]) -> dict[str, Any]:
    """Percentiles by load; `ack_ms` is at half of it."""
    return {
        name: {"p50": acks[load].percentile(0.5), "p99": acks[load].percentile(0.99)}
        for name, load in (
            ("ack_ms", "half"),
            ("ack_full_ms", "full"),
            ("ack_saturated_ms", "saturated"),
        )
    }


def report_profile(
    spans: int, runs: dict[str, Run], limit: float, stages: dict[str, float]
) -> dict[str, Any]:
    """CPU microseconds a span: by thread of each server, and by stage of the way with gzip."""
    threads = {
        name: {role: round(seconds / spans * 1e6, 1) for role, seconds in run.cpu_s.items()}
        for name, run in runs.items()
    }
    receiving = sum(threads["gzip"].get(role, 0.0) for role in RECEIVING)
    writing = 1e6 / limit
    way = {
        "receive: HTTP, unpack, check, spool": receiving,
        "parse protobuf": stages["parse"],
        "decode to columns (views)": max(stages["insert"] - stages["parse"] - writing, 0.0),
        "write the rows (the limit)": writing,
        "settle and price": stages["settle"],
        "count what arrived": stages["count"],
    }
    way["merges in steps, idling, the rest"] = 1e6 / runs["gzip"].spans_per_cpu_s - sum(
        way.values()
    )
    return {
        "cpu_us_per_span": threads,
        "cpu_us_per_span_by_stage": {name: round(us, 1) for name, us in way.items()},
    }


def print_table(result: dict[str, Any]) -> None:
    """For people."""
    size, gzip = result["bytes_per_span"], result["content_gzip_ratio"]
    rows = [
        ("spans sent to each server, and found once each", f"{result['sent']:,}"),
        ("spans per CPU-second until queryable, gzip", f"{result['spans_per_cpu_second']:,}"),
        ("  without gzip", f"{result['plain_spans_per_cpu_second']:,}"),
        ("  decoded in Python", f"{result['python_spans_per_cpu_second']:,}"),
        ("  limit: the same rows as Arrow", f"{result['limit_spans_per_cpu_second']:,}"),
        ("share of the limit, gzip", f"{result['ratio']:.2f}"),
        ("  without gzip", f"{result['plain_ratio']:.2f}"),
        ("  decoded in Python", f"{result['python_ratio']:.2f}"),
        ("segments they came in, gzip", f"{result['segments']}"),
        ("spans a second on this machine until queryable", f"{result['spans_per_second']:,}"),
        *(
            (f"acknowledged (on disk) {at}, ms, median / 99 %", f"{ms['p50']} / {ms['p99']}")
            for at, ms in (
                ("at half of it", result["ack_ms"]),
                ("at all of it", result["ack_full_ms"]),
                ("unlimited", result["ack_saturated_ms"]),
            )
        ),
        ("bytes on disk a span, all but content", f"{size['metadata']}"),
        *((f"  {table}", f"{n}") for table, n in result["bytes_per_span_by_table"].items()),
        ("content: disk / text (the text by gzip -6)", f"{result['content_ratio']} ({gzip})"),
        ("bytes of text a span", f"{result['content_text_bytes']}"),
    ]
    for name, value in rows:
        print(f"{name:<56}{value:>16}")
    differs = ", ".join(result["python_differs_in"]) or "none"
    print(f"columns in which the Python variant differs: {differs}")
    print(f"{'CPU microseconds a span by stage, gzip':<38}{'gzip':>12}")
    for stage, used in result["cpu_us_per_span_by_stage"].items():
        print(f"  {stage:<36}{used:>12.1f}")
    print_profile(result["cpu_us_per_span"])
    cores = os.cpu_count() or 1
    print(f"load average at the end: {result['load_average']:.1f} on {cores} cores")
    if result["load_average"] > 2 * cores:
        print("the machine had other work: times by the clock (acknowledged, a second) show it too")


def print_profile(by_run: dict[str, dict[str, float]]) -> None:
    """Where the CPU goes, in microseconds a span by thread."""
    groups = sorted(
        {g for run in by_run.values() for g in run}, key=lambda g: -by_run["gzip"].get(g, 0)
    )
    print(f"{'CPU microseconds a span by thread':<38}" + "".join(f"{n:>12}" for n in by_run))
    for group in groups:
        used = [run.get(group, 0.0) for run in by_run.values()]
        if max(used) >= 0.5:
            print(f"  {group:<36}" + "".join(f"{n:>12.1f}" for n in used))
    totals = "".join(f"{sum(run.values()):>12.1f}" for run in by_run.values())
    print(f"  {'all':<36}{totals}")


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description="What ingest costs, beside its limit.")
    parser.add_argument("--quick", action="store_true", help="fewer spans, under a minute")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    given = parser.parse_args()
    if given.quick:
        print(f"quick: {QUICK.requests * SPANS_A_REQUEST:,} spans a server, rougher figures")
    try:
        result = measure(QUICK if given.quick else FULL)
    except LostError as error:
        print(f"spans lost or doubled: {error}", file=sys.stderr)
        return 1
    except (RefusedError, OSError, EOFError) as error:
        print(f"a server did not take its spans: {error}", file=sys.stderr)
        return 1
    print_table(result)
    if given.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
