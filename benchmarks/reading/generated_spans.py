"""A month of traffic, made by the engine itself: traces of some four spans, straight into `work`.

The rows go through the real views, so every stored table holds what ingest would have stored there.
Each value comes from a hash of its trace's number: the same count is the same traffic. What is used
often follows Zipf's law (the rank is `n` to a uniform power), and what belongs together stays
together: a prompt and its service, a model and its prompt, a version and its week. This file knows
what traffic looks like; it does not know what is measured.
"""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

from watchpost_collector.store.client import Store

SPANS_A_TRACE = 4
TRACES_A_BLOCK = 25_000
DAYS = 30
# Where the rows go in: the one place to change should the stage be renamed.
TARGET = "watchpost.work"
PIECES = "benchmark_pieces"

_SPANS = Path(__file__).with_suffix(".sql").read_text("utf-8")


def prepare(store: Store) -> None:
    """Make what the text is drawn from."""
    words = " ".join(topics.values()).split()
    store.command(
        f"create or replace table default.{PIECES} (place UInt32, piece String) engine = Memory"
    )
    pieces = [" ".join(words[at : at + 3]) for at in range(len(words) - 3)]
    store.command(
        f"insert into default.{PIECES} select number, {{pieces:Array(String)}}[number + 1] "
        "from numbers(length({pieces:Array(String)}))",
        {"pieces": pieces},
    )


def insert_block(store: Store, first: int, count: int, begin_ns: int, step_ns: int) -> str:
    """Insert `count` traces from number `first` on; the segment they are stored under."""
    segment = f"generated-{first:012d}"
    bound: dict[str, object] = {"first": first, "count": count, "segment": segment}
    bound |= {"begin_ns": begin_ns, "step_ns": step_ns}
    # An insert goes by position unless it names its columns: the select says which it has.
    described = store.query(f"describe ({_SPANS})", bound)
    names = ", ".join(str(row[0]) for row in described)
    store.command(f"insert into {TARGET} ({names}) {_SPANS}", bound)
    return segment
