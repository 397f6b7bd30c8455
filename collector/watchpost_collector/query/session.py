"""Read-only sessions on the engine, for text in and bytes out: one session, one question.

A session can be neither told to write nor to take more than its limits. It is thrown away after its
question, because the embedded engine was seen to hand the rows of a failed query to the next one on
the same connection, and because nothing that one caller sets may reach another. This file does not
know which questions are allowed: that is the gate's.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from watchpost.errors import CollectorError, ConfigError

DATABASE = "watchpost"
LINES = "JSONCompactEachRow"
_ACCESS_DENIED = 497
_UNKNOWN = 1002


class QueryFailed(CollectorError):  # noqa: N818 - a sentence reads "except QueryFailed"
    """Raised when the engine answers a question with an error; `code` is ClickHouse's own."""

    def __init__(self, reason: str, code: int = _UNKNOWN, cure: str = "") -> None:
        self.code = code
        super().__init__(reason, cure)


class Refused(QueryFailed):
    """Raised when a question may not be asked here; the engine was not asked it."""

    def __init__(self, reason: str, cure: str = "only reading the watchpost tables is") -> None:
        super().__init__(reason, _ACCESS_DENIED, cure)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may take: seconds, bytes of memory, and rows and bytes of its answer.

    Not for the caller to change either: how small a reading is shared among the cores.
    """

    execution_s: float = 30.0
    memory_bytes: int = 1 << 30
    result_rows: int = 2_000_000
    result_bytes: int = 256 << 20

    def as_settings(self) -> dict[str, str]:
        """The engine's names for these limits, and what else a reader may not do."""
        return {
            "max_execution_time": f"{self.execution_s:g}",
            "timeout_overflow_mode": "throw",
            "max_memory_usage": str(self.memory_bytes),
            "max_result_rows": str(self.result_rows),
            "max_result_bytes": str(self.result_bytes),
            "result_overflow_mode": "throw",
            "allow_ddl": "0",
            "allow_introspection_functions": "0",
            # The engine's own bounds (163,840 rows, 240 MB) leave all but one core idle in a list
            # of traces and in a month of days.
            "merge_tree_min_rows_for_concurrent_read": "8192",
            "merge_tree_min_bytes_for_concurrent_read": "1048576",
        }


class Session(Protocol):
    """Whatever answers `ask`."""

    def ask(self, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        """The answer in the output format `fmt`; parameters are text as in `param_x` of a URL."""


@contextmanager
def open_session(dsn: str, limits: Limits) -> Iterator[Session]:
    """A read-only session on the store that `dsn` names (`chdb:///path` or `http://...`)."""
    parts = urlsplit(dsn)
    if parts.scheme == "chdb":
        with _open_embedded(parts.path, limits) as session:
            yield session
    elif parts.scheme in ("http", "https"):
        yield _Server(parts, limits)
    else:
        raise ConfigError("store", dsn, "write chdb:///path or http://user:password@host:8123/db")


def read_code(message: str) -> int:
    """ClickHouse's number of the error this message tells of."""
    found = re.search(r"Code: (\d+)", message)
    return int(found[1]) if found else _UNKNOWN


@contextmanager
def _open_embedded(path: str, limits: Limits) -> Iterator[Session]:
    import chdb

    # The engine compares paths as they are spelled: this is how its other users spell theirs.
    connect: Callable[[str], Any] = chdb.connect
    connection = connect(os.path.realpath(path))
    try:
        session = _Embedded(connection)
        session.ask(f"USE {DATABASE}", "Null", {})
        settings = ", ".join(f"{k} = '{v}'" for k, v in limits.as_settings().items())
        session.ask(f"SET {settings}", "Null", {})
        session.ask("SET readonly = 1", "Null", {})
        yield session
    finally:
        connection.close()


class _Embedded:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def ask(self, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        try:
            result = self._connection.query(sql, fmt, params=dict(parameters))
        except RuntimeError as error:
            message = str(error)
            raise QueryFailed(message, read_code(message)) from None
        return bytes(result.bytes())


class _Server:
    def __init__(self, parts: SplitResult, limits: Limits) -> None:
        self._parts = parts
        self._settings = {**limits.as_settings(), "readonly": "1"}
        self._timeout_s = limits.execution_s + 10

    def ask(self, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        database = self._parts.path.strip("/") or DATABASE
        fields = {"database": database, "default_format": fmt, **self._settings}
        fields |= {f"param_{name}": value for name, value in parameters.items()}
        status, body = self._post(f"/?{urlencode(fields)}", sql.encode())
        if status != http.client.OK:
            message = body.decode("utf-8", "replace").strip()
            raise QueryFailed(message, read_code(message))
        return body

    def _post(self, target: str, body: bytes) -> tuple[int, bytes]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        port = self._parts.port or (8443 if secure else 8123)
        headers = {
            "X-ClickHouse-User": unquote(self._parts.username or "default"),
            "X-ClickHouse-Key": unquote(self._parts.password or ""),
            "Content-Type": "text/plain; charset=utf-8",
        }
        connection = kind(self._parts.hostname or "", port, timeout=self._timeout_s)
        try:
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError as error:
            where = f"{self._parts.hostname}:{port}"
            raise QueryFailed(f"ClickHouse at {where} does not answer ({error})") from error
        finally:
            connection.close()


def decode_lines(answer: bytes) -> list[str]:
    """The only column of an answer in JSONCompactEachRow, one string a row."""
    return [str(json.loads(line)[0]) for line in answer.splitlines() if line]
