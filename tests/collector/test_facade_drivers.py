"""The query endpoint as Grafana's ClickHouse plugin and clickhouse-connect use it, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import clickhouse_connect
import pyarrow as arrow
import pytest
from asked_facade import ADMIN, Running
from go_driver import GoDriver

from watchpost.serving.keys import parse_keys
from watchpost_collector.store.client import Store

# What a data source's own settings, a deadline of Grafana's and a person's custom settings become.
SETTINGS = {
    "max_execution_time": "60",
    "max_result_rows": "5",
    "readonly": "0",
    "limit": "1",
    "session_timezone": "Asia/Tokyo",
    "output_format_native_write_json_as_string": "1",
}
TYPED = """SELECT toDateTime(60 * number, 'UTC') AS time, toLowCardinality('m') AS model,
    number / 4 AS value, if(number = 0, NULL, toDecimal64(number, 9)) AS cost
    FROM numbers(3000) ORDER BY time"""


@pytest.fixture(scope="module")
def locked(embedded_store: Store) -> Iterator[Running]:
    opened = Running(embedded_store, parse_keys(f"admin:{ADMIN}"))
    yield opened
    opened.close()


def test_the_plugins_driver_greets_the_endpoint_and_pings_it(locked: Running) -> None:
    driver = GoDriver(locked.port, ADMIN, **SETTINGS)
    assert driver.revision > 54_454
    assert driver.timezone
    [block] = driver.ask("SELECT 1")
    assert block.columns == {"1": [1]}


def test_the_plugins_driver_reads_typed_columns_compressed(locked: Running) -> None:
    blocks = GoDriver(locked.port, ADMIN, **SETTINGS).ask(TYPED)

    rows = [row for block in blocks for row in zip(*block.columns.values(), strict=True)]
    # Neither its row limit nor its time zone was taken: a session here has the limits it has.
    assert len(rows) == 3000
    assert [int(row[0].timestamp()) for row in rows[:2]] == [0, 60]
    assert [row[1:] for row in rows[:2]] == [("m", 0.0, None), ("m", 0.25, 1)]
    assert dict(blocks[0].types) == {
        "time": "DateTime",
        "model": "LowCardinality(String)",
        "value": "Float64",
        "cost": "Nullable(Decimal(18, 9))",
    }


def test_the_plugins_driver_reads_an_empty_answer_and_errors(locked: Running) -> None:
    driver = GoDriver(locked.port, ADMIN)
    assert driver.ask("SELECT trace_id FROM spans WHERE false") == []
    with pytest.raises(AssertionError, match=r"Code: 62\. DB::Exception"):
        driver.ask("SELECT 1 +")
    with pytest.raises(AssertionError, match="Code: 516"):
        GoDriver(locked.port, "wrong")


def test_clickhouse_connect_speaks_the_newer_protocol_in_a_session_of_its_own(
    locked: Running,
) -> None:
    with clickhouse_connect.get_client(
        host="127.0.0.1",
        port=locked.port,
        password=ADMIN,
        settings={"session_timeout": 30},
        session_id="mine",
        compress="gzip",
    ) as client:
        assert client.protocol_version == 54_405
        result = client.query(f"{TYPED} LIMIT {{n:UInt8}}", parameters={"n": 2})
        assert [row[1:] for row in result.result_rows] == [("m", 0.0, None), ("m", 0.25, 1)]
        assert client.query(TYPED).row_count == 3000
        assert client.query_arrow(TYPED).num_rows == 3000


@pytest.mark.parametrize("version", ["", "-1", "x", "9" * 40, "٣"])
def test_a_protocol_that_is_none_is_answered_as_the_engine_writes(
    locked: Running, version: str
) -> None:
    headers = {"X_ClickHouse_Key": ADMIN, "X_ClickHouse_Format": "Native"}
    plain = locked.ask("/", b"SELECT 1 AS x", **headers)[2]
    asked = f"/?client_protocol_version={quote(version)}"
    assert locked.ask(asked, b"SELECT 1 AS x", **headers)[2] == plain


@pytest.mark.parametrize("fmt", ["JSON", "ArrowStream", "Native"])
def test_formats_are_chosen_by_header_by_field_and_in_the_text(locked: Running, fmt: str) -> None:
    def read(body: bytes) -> object:
        if fmt == "JSON":
            return json.loads(body)["data"]
        if fmt == "ArrowStream":
            with arrow.ipc.open_stream(body) as stream:
                return stream.read_all().to_pylist()
        return body

    key = {"X_ClickHouse_Key": ADMIN}
    by_header = locked.ask("/", b"SELECT 1 AS x", X_ClickHouse_Format=fmt, **key)
    by_field = locked.ask(f"/?default_format={fmt}", b"SELECT 1 AS x", **key)
    in_text = locked.ask("/", f"SELECT 1 AS x FORMAT {fmt}".encode(), **key)
    answers = [read(body) for _, _, body in (by_header, by_field, in_text)]
    assert answers[0] == (b"\x01\x01\x01x\x05UInt8\x01" if fmt == "Native" else [{"x": 1}])
    assert answers[0] == answers[1] == answers[2]
    assert {headers["x-clickhouse-format"] for _, headers, _ in (by_header, by_field, in_text)} == {
        fmt
    }
