"""How ClickHouse's Go driver, and so Grafana's ClickHouse plugin, asks over HTTP and reads FORMAT
Native: after its sources (clickhouse-go v2: conn_http.go, lib/proto/block.go; the plugin's
pkg/plugin/driver.go), not after the endpoint. Columns are read by clickhouse-connect's types."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.exceptions import StreamCompleteException
from clickhouse_connect.driver.query import QueryContext
from clickhouse_connect.driverc.buffer import ResponseBuffer

# DBMS_TCP_PROTOCOL_VERSION and DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION of lib/proto/const.go.
PROTOCOL, CUSTOM_SERIALIZATION = 54_459, 54_454


class _Source:
    """Bytes as clickhouse-connect takes them in."""

    def __init__(self, body: bytes) -> None:
        self.gen = iter([body])

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Block:
    """One block: a dictionary of columns by name, and their types."""

    types: Mapping[str, str]
    columns: Mapping[str, list[Any]]


class GoDriver:
    """A pool of one connection: the settings of the data source, sent with every question."""

    def __init__(self, port: int, password: str = "", **settings: str) -> None:
        self._port = port
        self._headers = {
            "User-Agent": "grafana/12.2.0 clickhouse-datasource/4.11.1 clickhouse-go/2.40.3",
            "X-ClickHouse-User": "grafana",
            "X-ClickHouse-Key": password,
            "Accept-Encoding": "gzip",
            "Content-Type": "text/plain",
        }
        self._fields = {
            **settings,
            "database": "watchpost",
            "default_format": "Native",
            "client_protocol_version": str(PROTOCOL),
            "enable_http_compression": "1",
        }
        self.revision = PROTOCOL
        [hello] = self.ask("SELECT displayName(), version(), revision(), timezone()")
        self.revision = int(hello.columns["revision()"][0])
        self.timezone = hello.columns["timezone()"][0]

    def ask(self, sql: str) -> list[Block]:
        """The blocks of the answer; AssertionError with the body where it is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("POST", f"/?{urlencode(self._fields)}", sql.encode(), self._headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert response.status == 200, body
        return list(read_blocks(body, self.revision))


def read_blocks(body: bytes, revision: int) -> Iterator[Block]:
    """Block.Decode until the end of the body."""
    source = ResponseBuffer(_Source(body))
    context = QueryContext()

    def take(size: int) -> bytes:
        return bytes(source.read_bytes(size))

    while True:
        try:
            first = source.read_leb128()
        except StreamCompleteException:
            return
        # decodeBlockInfo: field 1, a truth; field 2, an Int32; the end.
        assert (first, take(1), source.read_leb128(), take(4)) == (1, b"\x00", 2, b"\xff" * 4)
        assert source.read_leb128() == 0
        columns, rows = source.read_leb128(), source.read_leb128()
        types: dict[str, str] = {}
        values: dict[str, list[Any]] = {}
        for _ in range(columns):
            name = source.read_leb128_str()
            types[name] = source.read_leb128_str()
            if revision >= CUSTOM_SERIALIZATION:
                assert take(1) == b"\x00", f"column {name} is written in a way of its own"
            column = get_from_name(types[name]).read_column(source, rows, context) if rows else []
            values[name] = list(column)
        yield Block(types, values)
