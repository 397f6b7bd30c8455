"""What is read, and how long it takes: bytes a span, and every query cold and warm, at ten million.

Fills an embedded store with a month of generated traffic through the real views, settles it,
closes its hours and days, waits for the merges, and prints: bytes on disk a span beside content;
content by its raw size, with the gzip ratio of its text; and the latency of the questions people
ask, of every query of the page and of every Grafana panel.

    python benchmarks/queries.py [--quick] [--json] [--store DIRECTORY]

Filling and measuring are processes of their own. Cold is the first run in a fresh process after
ClickHouse's caches were dropped and the store's files were dropped from the page cache (fadvise).
Warm is the least of five runs in which the machine had its cores to itself: a run during which the
host took CPU time away (steal, as /proc/stat tells) is made again, up to fifteen runs in all, and a
question that never had five such runs is marked `~`. The cache of which granules matched a
condition is off, so that a repeated question is not answered from memory of itself. Wall time is
what a person waits; beside it stands the CPU time. `--quick` makes one million rows. `--store`
keeps the store there, or measures the one that is there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from reading import generated_scores, generated_spans
from reading.questions import Question, list_questions

from watchpost_collector.query.session import Limits
from watchpost_collector.store.client import DATABASE, Rows, Store, open_store
from watchpost_collector.store.days import close_days
from watchpost_collector.store.migrate import migrate
from watchpost_collector.store.prices.book import PriceBook
from watchpost_collector.store.rollup import close_hours
from watchpost_collector.store.settle import settle

QUICK_SPANS, FULL_SPANS = 1_000_000, 10_000_000
WARM_RUNS, MOST_RUNS = 5, 15
# How long to stay idle after the host took CPU time: it gives it back to those who rest.
REST_S = 0.1
MERGE_WAIT_S = 900
META_BYTES, CONTENT_RATIO = 150, 0.37
DAY_NS = 86_400 * 10**9
_CACHES = (
    "mark cache", "uncompressed cache", "primary index cache", "index mark cache",
    "index uncompressed cache", "query condition cache", "text index caches",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Latency:
    """One question: milliseconds cold, warm wall and warm CPU, rows answered, and its target.

    `calm` when the host left us our cores in every warm run.
    """

    group: str
    name: str
    cold_ms: float
    warm_ms: float
    cpu_ms: float
    rows: int
    target_ms: float
    calm: bool


class MeasuredReader:
    """Reads as the page's reader does, with the settings of a measurement; lives as long as it."""

    def __init__(self, dsn: str) -> None:
        # Two cores, and no memory of which granules matched before.
        settings = {
            **Limits().as_settings(),
            "use_query_condition_cache": 0,
            "max_threads": 2,
            "log_queries": 0,
        }
        self._client = clickhouse_connect.get_client(dsn=dsn, settings=settings)
        self._client.command(f"use {DATABASE}")

    def query(self, sql: str, parameters: Mapping[str, Any], project: str = "") -> Rows:
        """Run one of the page's or the panels' texts; a text may not use every parameter."""
        named = {name: value for name, value in parameters.items() if f"{{{name}:" in sql}
        answer = self._client.query(sql, parameters=named or None)
        return Rows(tuple(answer.column_names), [tuple(row) for row in answer.result_rows])


def fill(directory: Path, spans: int) -> None:
    """Insert, settle, price and close `spans` spans of the last thirty days."""
    store = open_store(f"chdb://{directory}")
    migrate(store)
    PriceBook(store).load_packaged()
    generated_spans.prepare(store)
    traces = spans // generated_spans.SPANS_A_TRACE
    length_ns = generated_spans.DAYS * DAY_NS
    begin_ns, step_ns = time.time_ns() - length_ns, length_ns // traces
    for first in range(0, traces, generated_spans.TRACES_A_BLOCK):
        count = min(generated_spans.TRACES_A_BLOCK, traces - first)
        segment = generated_spans.insert_block(store, first, count, begin_ns, step_ns)
        settle(store, segment)
        generated_scores.insert_scores(store, segment)
        print(f"\r{(first + count) * 4:,} spans", end="", file=sys.stderr, flush=True)
    PriceBook(store).resolve()
    close_hours(store)
    close_days(store)
    _wait_for_merges(store)
    print(file=sys.stderr)
    store.close()


def _wait_for_merges(store: Store) -> None:
    give_up = time.monotonic() + MERGE_WAIT_S
    quiet = 0
    while quiet < 3 and time.monotonic() < give_up:
        [(running,)] = store.query("select count() from system.merges").rows
        quiet = 0 if running else quiet + 1
        time.sleep(1)


def measure(directory: Path) -> dict[str, Any]:
    """Sizes and latencies of a filled store."""
    store = open_store(f"chdb://{directory}")
    store.command("system stop merges")
    reader = MeasuredReader(store.dsn)
    sizes = measure_sizes(store)
    found = [
        measure_question(store, directory, question, reader) for question in list_questions(reader)
    ]
    store.close()
    return {
        "sizes": sizes,
        "latencies": [{name: getattr(row, name) for name in row.__slots__} for row in found],
    }


def measure_sizes(store: Store) -> dict[str, float]:
    """Bytes on disk a span by table, and content's ratios."""
    [(spans,)] = store.query("select count() from watchpost.spans").rows
    tables = store.query(
        "select table, sum(bytes_on_disk) from system.parts "
        "where database = 'watchpost' and active group by table order by 2 desc"
    )
    sizes = {f"{name} bytes a span": round(size / spans, 2) for name, size in tables}
    content = sizes.pop("content bytes a span", 0.0)
    [(raw,)] = store.query(
        "select sum(length(input_messages) + length(output_messages)) / {n:UInt64} "
        "from watchpost.content",
        {"n": spans},
    ).rows
    [(index, texts)] = store.query(
        "select (select sum(secondary_indices_compressed_bytes) from system.parts "
        "where database = 'watchpost' and table = 'content' and active) / {n:UInt64},"
        " (select sum(column_data_compressed_bytes) from system.parts_columns "
        "where database = 'watchpost' and table = 'content' and active "
        "and endsWith(column, '_messages')) / {n:UInt64}",
        {"n": spans},
    ).rows
    sample = store.query(
        "select input_messages, output_messages from watchpost.content limit 20000"
    )
    text = "".join(asked + answered for asked, answered in sample).encode()
    return {
        "spans": spans,
        "bytes a span beside content": round(sum(sizes.values()), 1),
        **sizes,
        "content, raw bytes a span": round(raw, 1),
        "content on disk by its raw size, ids and index too": round(content / raw, 3),
        "of it the text itself": round(texts / raw, 3),
        "of it the word index": round(index / raw, 3),
        "gzip ratio of its text": round(len(gzip.compress(text, 6)) / len(text), 3),
    }


def measure_question(
    store: Store, directory: Path, question: Question, reader: MeasuredReader
) -> Latency:
    """One cold run, then the least of the warm ones."""
    drop_caches(store, directory)
    cold_ms, _, rows = _time(question.ask, reader)
    calm: list[tuple[float, float, int]] = []
    robbed: list[tuple[float, float, int]] = []
    while len(calm) < WARM_RUNS and len(calm) + len(robbed) < MOST_RUNS:
        stolen = read_stolen_ticks()
        run = _time(question.ask, reader)
        if read_stolen_ticks() == stolen:
            calm.append(run)
        else:
            robbed.append(run)
            time.sleep(REST_S)
    warm = calm or robbed
    return Latency(
        question.group,
        question.name,
        round(cold_ms, 1),
        round(min(run[0] for run in warm), 1),
        round(min(run[1] for run in warm), 1),
        rows,
        question.target_ms,
        len(calm) == WARM_RUNS,
    )


def read_stolen_ticks() -> int:
    """Hundredths of a second that the host took from this machine's cores since it started."""
    # The eighth figure of the first line: cpu user nice system idle iowait irq softirq steal.
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8])


def _time(ask: Callable[[Any], int], reader: MeasuredReader) -> tuple[float, float, int]:
    wall, cpu = time.perf_counter(), time.process_time()
    rows = ask(reader)
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3, rows


def drop_caches(store: Store, directory: Path) -> None:
    """Forget what the engine and the kernel hold of the store's files."""
    for cache in _CACHES:
        store.command(f"system drop {cache}")
    # Parts are files behind links; a merge may remove one meanwhile, which `walk` passes over.
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                descriptor = os.open(Path(place) / name, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)


def print_report(report: Mapping[str, Any], quick: bool) -> None:
    """The tables, with a mark at what misses its target."""
    sizes = report["sizes"]
    print(f"\n{int(sizes['spans']):,} spans" + (" (--quick)" if quick else ""))
    targets = {
        "bytes a span beside content": META_BYTES,
        "content on disk by its raw size, ids and index too": CONTENT_RATIO,
    }
    for name, value in sizes.items():
        target = targets.get(name)
        note = "" if target is None else f"   target < {target}{'  MISSED' * (value >= target)}"
        print(f"  {name:52} {value:>14,}{note}")
    group = ""
    print(f"\n{'':58} {'cold ms':>9} {'warm ms':>9} {'CPU ms':>9} {'target':>7}")
    for row in report["latencies"]:
        if row["group"] != group:
            group = row["group"]
            print(group)
        missed = "  MISSED" if row["warm_ms"] >= row["target_ms"] else ""
        robbed = "" if row["calm"] else " ~"
        print(
            f"  {row['name']:56} {row['cold_ms']:>9,.1f} {row['warm_ms']:>9,.1f} "
            f"{row['cpu_ms']:>9,.1f} {row['target_ms']:>7,.0f}{robbed}{missed}"
        )


def _run(*arguments: str) -> bytes:
    own = [sys.executable, __file__, *arguments]
    return subprocess.run(own, check=True, stdout=subprocess.PIPE).stdout


def main() -> int:
    """Fill in one process, measure in another, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one million rows")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--store", type=Path, help="keep the store here, or measure this one")
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.store, given.fill)
        return 0
    if given.measure:
        json.dump(measure(given.store), sys.stdout)
        return 0
    with tempfile.TemporaryDirectory(prefix="watchpost-queries-") as place:
        store = (given.store or Path(place) / "store").absolute()
        if not store.exists():
            spans = QUICK_SPANS if given.quick else FULL_SPANS
            _run("--store", str(store), "--fill", str(spans))
        report = json.loads(_run("--store", str(store), "--measure"))
    if given.json:
        json.dump(report, sys.stdout, indent=2)
    else:
        print_report(report, given.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
