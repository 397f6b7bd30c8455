"""Where the segments of each signal go in: wire table and schema, and the tables their rows end in.

Also how the rows of logs and metrics are counted, which is simple; tables and counts of spans are
the store's own. This file knows names and SQL; it opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from watchpost_collector.otlp.signals import LOGS, METRICS, TRACES, read_signal


@dataclass(frozen=True, slots=True)
class Wire:
    """A signal's way in. `count` is of rows, of the rows elsewhere they promise, and of those."""

    table: str
    schema_file: str
    tables: tuple[str, ...] = ()
    count: str = ""

    @property
    def probe(self) -> str:
        """The table that takes what the wire takes, and passes it on to nobody."""
        return f"{self.table}_probe"

    @property
    def schema(self) -> str:
        """The protobuf schema the engine reads its envelopes by."""
        return _read_schema(self.schema_file)


_WIRES: Mapping[str, Wire] = {
    TRACES.name: Wire("wire", "envelope.proto"),
    LOGS.name: Wire(
        "log_wire",
        "logs.proto",
        ("logs", "content", "score_events", "score_comments", "settled_scores"),
        "select count(), countIf(has_content) + countIf(has_score) + countIf(has_comment), "
        "(select count() from watchpost.content where spool_segment = {segment:String}) + "
        "(select count() from watchpost.score_events where spool_segment = {segment:String}) + "
        "(select count() from watchpost.score_comments where spool_segment = {segment:String}) "
        "from watchpost.logs where spool_segment = {segment:String}",
    ),
    METRICS.name: Wire(
        "metric_wire",
        "metrics.proto",
        ("metrics",),
        "select count(), 0, 0 from watchpost.metrics where spool_segment = {segment:String}",
    ),
}


def find_wire(segment: str) -> Wire:
    """The way in of a segment, by its name."""
    return _WIRES[read_signal(segment).name]


@cache
def _read_schema(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
