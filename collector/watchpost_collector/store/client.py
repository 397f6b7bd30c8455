"""The one door to ClickHouse: embedded (`chdb:///path`) or a server (`http://user:pw@host:8123`).

Opens clients, inserts spool segments exactly once, proves they arrived, and answers queries. It
knows the driver and the settings that exactness rests on; it does not know what a span means (the
SQL in `migrations/` does) nor when to write (the flusher does).
"""

# ruff: noqa: N818 - a reader writes "except SegmentRefused": the names are the sentence.

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.store.directory import clear_stillborn, find_directory, require_room
from watchpost_collector.store.wires import Wire, find_wire
from watchpost_collector.trouble import read_code

log = logging.getLogger(__name__)

DATABASE = "watchpost"

# What a retry must repeat to the letter. A segment inserted again under other limits splits into
# other blocks, and then the same token doubles or loses rows: never change these with segments in
# the spool.
PINNED: Mapping[str, str | int] = {
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_block_size": 65409,
    "max_insert_block_size": 1048449,
    "min_insert_block_size_rows": 1048449,
    "min_insert_block_size_bytes": 268402944,
    "max_insert_threads": 1,
    "parallel_view_processing": 0,
    "async_insert": 0,
    "materialized_views_ignore_errors": 0,
    # History that is brought in late may hold years in one segment: slower, but never refused.
    "max_partitions_per_insert_block": 0,
    # ClickHouse's own logs outgrow small data many times over; nobody here reads them.
    "log_queries": 0,
    "log_query_threads": 0,
    "log_query_views": 0,
}

# The versions of a call lie in one month, by the sorting key: a question about a month need not
# merge the others.
_FINAL_BY_PARTITION = {"do_not_merge_across_partitions_select_final": 1}

# The views of an insert read nothing but the block in hand: there is no index to choose and no
# filter to push down, and looking for both in long expressions takes a sixth of a small insert.
_UNPLANNED: Mapping[str, str] = {
    "query_plan_enable_optimizations": "0",
    "compile_expressions": "0",
}

# A quarter of an insert was the kernel handing out zeroed pages the engine had just given back:
# huge pages, kept for half a minute, cost a sixth as many faults (and some memory at rest).
_ALLOCATOR = "thp:always,dirty_decay_ms:30000,oversize_threshold:0"

# Every table that holds rows of a segment, and can therefore be cleaned of one.
SEGMENT_TABLES = ("spans", "content", "verdicts", "calls", "sampled_out")


class StoreUnavailable(CollectorError):
    """Raised when the database cannot be reached or opened; the same call may succeed later."""


class SegmentRefused(CollectorError):
    """Raised when the database read a segment and refused it: the same bytes will fail again.

    The cause are envelopes whose bytes pass protobuf but not ClickHouse (a known field with the
    wrong wire type); `Store.decode_segment` refuses them as well, at a fiftieth of the price.
    """


class QuestionRefused(CollectorError):
    """Raised when the database read a question or a statement and refused a value in it.

    It says nothing about any segment's bytes; asked again it fails again.
    """


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How many rows of a segment each table holds, and how many its spans say it should hold.

    `spans` are those stored and those sampled out, which `sampled_spans` counts by themselves;
    `sampled_content` are the spans whose content was left out, whether or not they were.
    """

    spans: int
    content: int
    verdicts: int
    calls: int
    missing_content: int
    missing_verdicts: int
    missing_calls: int
    sampled_spans: int = 0
    sampled_content: int = 0

    @property
    def whole(self) -> bool:
        """True when every row that the stored spans promise is there."""
        return not (self.missing_content or self.missing_verdicts or self.missing_calls)


@dataclass(frozen=True, slots=True)
class Rows:
    """A query's answer: column names and row tuples, in the query's order."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as mappings from column name to value."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class _Session:
    """One client whose callers take turns. Lives as long as its store.

    `renewed` says whether an error ends the client; one that is asked for no rows may go on.
    """

    def __init__(
        self, dsn: str, settings: Mapping[str, str | int], *, renewed: bool = True
    ) -> None:
        self._dsn, self._settings = dsn, dict(settings)
        self._renewed = renewed and dsn.startswith("chdb:")
        self._lock = threading.Lock()
        self._client = self._connect()

    @contextmanager
    def use(self, what: str, refused: type[CollectorError] = QuestionRefused) -> Iterator[Client]:
        """The client, for one call; `what` names it in an error, `refused` is one for good."""
        with self._lock, _translated(what, refused):
            try:
                yield self._client
            except ClickHouseError:
                self._renew()
                raise

    def close(self) -> None:
        """Wait for the call under way, then close."""
        with self._lock:
            self._client.close()

    def _connect(self) -> Client:
        return clickhouse_connect.get_client(dsn=self._dsn, settings=dict(self._settings))

    def _renew(self) -> None:
        # An embedded connection that saw an error can hand the failed query's rows to the next.
        if not self._renewed:
            return
        failed, self._client = self._client, self._connect()
        failed.close()


class Store:
    """An open database. Safe to share between threads; writes and reads each take their turn."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._directory = find_directory(dsn)
        self.embedded = self._directory is not None
        # Two sessions, because a long insert must not hold up a page.
        self._writer = _Session(dsn, {**PINNED, **_FINAL_BY_PARTITION})
        self._reader = _Session(dsn, {"log_queries": 0, **_FINAL_BY_PARTITION})
        self._prober: _Session | None = None
        self._opening = threading.Lock()

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        """Insert a segment's envelopes; inserting the same segment again changes nothing.

        `segment` is the deduplication token, and the bytes under it must never differ. Raises
        SegmentRefused for bytes the engine cannot read and StoreUnavailable when it is away.
        """
        require_room(self._directory)
        wire = find_wire(segment)
        settings = {**_read_by(wire), "insert_deduplication_token": segment}
        with self._writer.use(segment, SegmentRefused) as writer:
            if isinstance(body, Path):
                with body.open("rb") as stream:
                    _insert(writer, wire.table, stream, settings)
            else:
                _insert(writer, wire.table, body, settings)

    def decode_segment(self, body: bytes, segment: str) -> None:
        """Read envelopes as an insert of the segment does, and store nothing; raises alike."""
        wire = find_wire(segment)
        with self._opening:
            # Seldom needed. Renewing it would cost three times what an answer does.
            self._prober = self._prober or _Session(self.dsn, PINNED, renewed=False)
        with self._prober.use(segment, SegmentRefused) as prober:
            _insert(prober, wire.probe, body, _read_by(wire))

    def count_segment(self, segment: str) -> SegmentCount:
        """Count a segment's rows in every table, and what is missing by the spans' own word."""
        bound = {"segment": segment}
        if count := find_wire(segment).count:
            [(records, promised, found)] = self.query(count, bound)
            return SegmentCount(records, found, 0, 0, max(promised - found, 0), 0, 0)
        [row] = self.query(_COUNT, bound)
        spans, contents, verdicts, calls, content, verdict, (call, as_came), out = row
        sampled, sampled_content, more_contents, more_verdicts, more_calls = out
        contents, verdicts, calls = (
            contents + more_contents,
            verdicts + more_verdicts,
            calls + more_calls,
        )
        missing_calls = 0
        if as_came < calls:
            [(missing_calls,)] = self.query(_MISSING_CALLS, bound)
        return SegmentCount(
            spans=spans + sampled,
            content=content,
            verdicts=verdict,
            calls=call,
            missing_content=max(contents - content, 0),
            missing_verdicts=max(verdicts - verdict, 0),
            missing_calls=int(missing_calls),
            sampled_spans=sampled,
            sampled_content=sampled_content,
        )

    def is_inserting(self, segment: str) -> bool:
        """Whether an insert of the segment runs in the database, asked for or given up."""
        [(running,)] = self.query(_RUNNING, {"segment": segment})
        return bool(running)

    def remove_segment(self, segment: str) -> None:
        """Delete every row of a segment, so that it can be sent again under another token."""
        for table in find_wire(segment).tables or SEGMENT_TABLES:
            self.command(
                f"alter table {DATABASE}.{table} delete where spool_segment = {{segment:String}}",
                {"segment": segment},
                {"mutations_sync": 2},
            )

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Rows:
        """Run a SELECT of our own and return its rows. `{name:Type}` placeholders are bound.

        Raises QuestionRefused for a value the engine cannot read, StoreUnavailable otherwise.
        """
        with self._reader.use("query") as reader:
            answer = reader.query(sql, parameters=_bound(parameters), settings=_bound(settings))
            return Rows(tuple(answer.column_names), [tuple(row) for row in answer.result_rows])

    def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Run a statement that changes something."""
        require_room(self._directory)
        with self._writer.use("statement") as writer:
            writer.command(sql, parameters=_bound(parameters), settings=_bound(settings))

    def insert_rows(self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert plain rows (prices, corrections) into one of our tables."""
        require_room(self._directory)
        # What is said again after something else was said is news, and no block sent twice.
        unlike = {"insert_deduplication_token": secrets.token_hex(8)}
        with self._writer.use(table) as writer:
            writer.insert(f"{DATABASE}.{table}", rows, column_names=names, settings=unlike)

    def close(self) -> None:
        """Close the sessions; the embedded engine writes what it holds and stops."""
        for session in (self._reader, self._prober, self._writer):
            if session is not None:
                session.close()


def open_store(dsn: str) -> Store:
    """Open `chdb:///absolute/path` or `http(s)://user:password@host:port`.

    The first embedded open of a process takes seconds and about 300 MB. One process holds one
    embedded path. Raises ConfigError for another scheme, StoreUnavailable when it cannot be opened.
    """
    if not dsn.startswith(("chdb:", "http://", "https://")):
        raise ConfigError(
            "store", dsn, "use chdb:///absolute/path or http://user:password@host:8123"
        )
    if dsn.startswith("chdb:"):
        # Read once, when the engine is loaded; whoever set it knows better.
        os.environ.setdefault("JE_MALLOC_CONF", _ALLOCATOR)
        directory = find_directory(dsn)
        require_room(directory)
        if directory is not None and clear_stillborn(directory):
            log.warning(
                "the store at %s was empty and broken by a full disk: begun anew", directory
            )
    with _translated("open"):
        return Store(dsn)


def _read_by(wire: Wire) -> dict[str, str]:
    """What makes the engine read a signal's envelopes."""
    return {
        **_UNPLANNED,
        "format_schema_source": "string",
        "format_schema": wire.schema,
        "format_schema_message_name": "Envelope",
    }


def _insert(writer: Client, table: str, body: Any, settings: Mapping[str, str]) -> None:
    writer.raw_insert(
        f"{DATABASE}.{table}", insert_block=body, fmt="Protobuf", settings=dict(settings)
    )


def _bound(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else dict(values)


@contextmanager
def _translated(what: str, refused: type[CollectorError] = QuestionRefused) -> Iterator[None]:
    """Turn the driver's errors into ours; what the engine read and refused is not worth a retry."""
    try:
        yield
    except ClickHouseError as error:
        # The engine repeats the whole query; its first words say what is wrong.
        text = str(error)[:_ERROR_CHARACTERS]
        if read_code(error) in _REFUSALS:
            raise refused(f"{what}: {text}") from error
        raise StoreUnavailable(f"{what}: {text}") from error
    except OSError as error:
        raise StoreUnavailable(f"{what}: {error}") from error


_ERROR_CHARACTERS = 600
# The engine's codes for "these bytes", not "not now": format, parse, range and end of input.
_REFUSALS = frozenset({6, 26, 27, 32, 33, 72, 117, 128, 131, 321, 407, 436, 444, 636})

_RUNNING = """
select count() from system.processes
where Settings['insert_deduplication_token'] = {segment:String}
"""

# What the spans promise, then what is there. Of `calls` also the rows as they came: one a promise.
_COUNT = """
select
    count(), countIf(has_content), sum(verdict_count),
    countIf(kind in ('generation', 'embedding')),
    (select count() from watchpost.content where spool_segment = {segment:String}),
    (select count() from watchpost.verdicts where spool_segment = {segment:String}),
    (select (count(), countIf(version = 1)) from watchpost.calls
     where spool_segment = {segment:String}) as call_rows,
    (select (sum(spans), sum(contents), sum(promised_contents), sum(promised_verdicts),
        sum(length(promised_calls))) from watchpost.sampled_out
     where spool_segment = {segment:String}) as out
from watchpost.spans where spool_segment = {segment:String}
"""

# Rows of `calls` merge away when a better version comes, so where they are fewer, keys decide.
_MISSING_CALLS = """
with promised as (
    select project, trace_id, span_id from watchpost.spans
    where spool_segment = {segment:String} and kind in ('generation', 'embedding')
)
select count() + (
    select countIf(call not in (
        select xxHash64(project, trace_id, span_id) from watchpost.calls
        where project in (
            select project from watchpost.sampled_out where spool_segment = {segment:String})))
    from watchpost.sampled_out array join promised_calls as call
    where spool_segment = {segment:String}
)
from promised
where (project, trace_id, span_id) not in (
    select project, trace_id, span_id from watchpost.calls
    where (project, trace_id) in (select project, trace_id from promised))
"""
