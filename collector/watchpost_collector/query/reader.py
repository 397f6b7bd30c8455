"""Reading the store: typed rows for our own pages, raw bytes for clients from outside.

`Reader.query` runs SQL that we wrote, `Reader.ask` SQL that anyone wrote, which the gate judges
first. Both read only, within limits, on connections apart from the writer's. A connection that saw
an error is thrown away (session.py says why). The Reader knows no HTTP and no key.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import Full
from watchpost_collector.query.gate import check_format, examine
from watchpost_collector.query.session import (
    DATABASE,
    LINES,
    Limits,
    QueryFailed,
    decode_lines,
    open_session,
    read_code,
)

DEFAULT_FORMAT = "TabSeparated"
_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: column names, ClickHouse type names, and rows of Python values."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries by column name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer, the output format they are in, and the engine's time zone."""

    body: bytes
    fmt: str
    timezone: str


class Reader:
    """Reads the store named by `dsn`, at most `slots` questions at a time. Thread-safe.

    The store is opened at the first question, not before.
    """

    def __init__(self, dsn: str, limits: Limits | None = None, slots: int = 4) -> None:
        self._dsn = dsn
        self._limits = limits or Limits()
        self._free = threading.BoundedSemaphore(slots)
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._timezone = ""

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, project: str | None = None
    ) -> Table:
        """Run trusted SQL. `{name:Type}` is bound from `parameters`; `{project:String}` too.

        Raises QueryFailed when the engine refuses, Full when all slots stay taken.
        """
        bound = dict(parameters or {})
        if project is not None:
            bound["project"] = project
        named = {name: value for name, value in bound.items() if f"{{{name}:" in _pack(sql)}
        with self._slot(), self._client() as client:
            result = client.query(sql, parameters=named or None)
            types = tuple(str(column.name) for column in result.column_types)
            return Table(tuple(result.column_names), types, result.result_set)

    def ask(
        self, sql: str, fmt: str | None = None, parameters: Mapping[str, str] | None = None
    ) -> Answer:
        """Judge and run a stranger's SQL; `fmt` is the output format when the text names none.

        Parameters are text, escaped as in `param_x` of a URL. Raises Refused, QueryFailed or Full.
        """
        given = dict(parameters or {})
        check_format(fmt or DEFAULT_FORMAT)
        with self._slot(), open_session(self._dsn, self._limits) as session:
            question = examine(session, sql, given)
            chosen = question.fmt or fmt or DEFAULT_FORMAT
            if not self._timezone:
                self._timezone = decode_lines(session.ask("SELECT timezone()", LINES, {}))[0]
            return Answer(session.ask(question.sql, chosen, given), chosen, self._timezone)

    def close(self) -> None:
        """Let go of the idle connections; a later question opens new ones."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._free.acquire(timeout=_WAIT_S):
            raise Full("too many questions are being answered", retry_after_s=1)
        try:
            yield
        finally:
            self._free.release()

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = None
        try:
            client = client or connect(self._dsn, self._limits)
            yield client
        except BaseException as error:
            if client is not None:
                client.close()
            if isinstance(error, ClickHouseError):
                raise QueryFailed(str(error), read_code(str(error))) from error
            raise
        self._idle.put(client)


def connect(dsn: str, limits: Limits) -> Any:
    """A driver's client on the store that can only read, within these limits."""
    import clickhouse_connect

    parts = urlsplit(dsn)
    if parts.scheme != "chdb":
        settings: dict[str, Any] = {**limits.as_settings(), "readonly": "1"}
        # A server's own default database is another one; embedded and served read the same names.
        database = parts.path.strip("/") or DATABASE
        return clickhouse_connect.get_client(
            dsn=dsn, database=database, settings=settings, autogenerate_session_id=False
        )
    client = clickhouse_connect.get_client(dsn=dsn, database=DATABASE)
    client.command(f"SET {', '.join(f'{k} = {v!r}' for k, v in limits.as_settings().items())}")
    client.command("SET readonly = 1")
    return client


def _pack(sql: str) -> str:
    return re.sub(r"\{\s*(\w+)\s*:", r"{\1:", sql)
