"""The query endpoint, asked over a socket by an unmodified clickhouse-connect and by hand."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from asked_facade import ADMIN, READ, Running
from clickhouse_connect.driver.exceptions import DatabaseError

from watchpost.serving.keys import Keys, parse_keys
from watchpost_collector.store.client import Store


@pytest.fixture
def running(store: Store) -> Iterator[Running]:
    opened = Running(store, Keys())
    yield opened
    opened.close()


@pytest.fixture
def locked(store: Store) -> Iterator[Running]:
    opened = Running(store, parse_keys(f"admin:{ADMIN},read:{READ}"))
    yield opened
    opened.close()


@pytest.fixture
def client(running: Running) -> Iterator[Any]:
    opened = clickhouse_connect.get_client(host="127.0.0.1", port=running.port)
    yield opened
    opened.close()


def test_an_unmodified_client_reads_typed_rows(client: Any) -> None:
    result = client.query(
        "SELECT 1 AS i, 'é' AS s, toDecimal64('1.5', 9) AS d, ['a'] AS a, map('k', NULL) AS m, "
        "toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC') AS t, (1, 'b') AS p"
    )
    assert result.column_names == ("i", "s", "d", "a", "m", "t", "p")
    [(i, s, d, a, m, t, p)] = result.result_rows
    assert (i, s, d, a, m, p) == (1, "é", Decimal("1.5"), ["a"], {"k": None}, (1, "b"))
    assert t.replace(tzinfo=None) == datetime(2026, 1, 2, 3, 4, 5, 678000)


def test_an_unmodified_client_binds_parameters_on_the_server(client: Any) -> None:
    hostile = "it's \\ \n ; DROP TABLE spans"
    result = client.query(
        "SELECT {s:String}, {n:Int64} + 1, {a:Array(String)}",
        parameters={"s": hostile, "n": 41, "a": [hostile, "b"]},
    )
    assert result.result_rows == [(hostile, 42, [hostile, "b"])]


def test_an_unmodified_client_sends_long_parameters_as_a_form(client: Any) -> None:
    long = "é'" * 4000
    assert client.query("SELECT {s:String}", parameters={"s": long}).result_rows == [(long,)]


def test_an_unmodified_client_streams_blocks(client: Any) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(200000)") as blocks:
        assert sum(len(block) for block in blocks) == 200_000


def test_an_unmodified_client_reads_the_catalogue(client: Any) -> None:
    assert client.command("SELECT currentDatabase()") == "watchpost"
    assert ("spans",) in client.query("SHOW TABLES").result_rows
    assert client.command("EXISTS TABLE watchpost.spans") == 1
    assert "start" in {row[0] for row in client.query("DESCRIBE TABLE spans").result_rows}
    assert client.raw_query("SELECT 1 AS x", fmt="JSONEachRow") == b'{"x":1}\n'
    assert client.ping()


def test_an_unmodified_client_is_told_why_it_is_refused(client: Any) -> None:
    with pytest.raises(DatabaseError, match=r"file\(\) is not allowed"):
        client.query("SELECT file('/etc/hostname')")
    with pytest.raises(DatabaseError, match="INSERT INTO is not allowed"):
        client.command("INSERT INTO watchpost.migrations (number) SELECT 1")
    with pytest.raises(DatabaseError, match="Unknown expression"):
        client.query("SELECT nothing_of_that_name")


def test_settings_that_a_client_sends_change_nothing(running: Running) -> None:
    sent = urlencode({"max_result_rows": "1", "readonly": "0", "session_id": "x", "query": "x"})
    asked = "SELECT value FROM system.settings WHERE name = 'readonly'"
    status, _, body = running.ask(f"/?{sent.replace('query=x', '')}", asked.encode())
    assert (status, body) == (200, b"1\n")


def test_the_question_may_stand_in_the_url_the_body_or_half_in_each(running: Running) -> None:
    assert running.ask("/?query=SELECT+1")[2] == b"1\n"
    assert running.ask("/", b"SELECT 2")[2] == b"2\n"
    assert running.ask("/?query=SELECT", b"3")[2] == b"3\n"
    # curl -d says this of its text
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert running.ask("/", b"SELECT 4", **form)[2] == b"4\n"


def test_the_headers_that_clients_read_are_there(running: Running) -> None:
    _, headers, body = running.ask("/?default_format=JSON&query_id=mine", b"SELECT 1 AS x")
    assert json.loads(body)["data"] == [{"x": 1}]
    assert headers["x-clickhouse-format"] == "JSON"
    assert headers["x-clickhouse-query-id"] == "mine"
    assert headers["x-clickhouse-server-display-name"] == "watchpost"
    assert (
        running.ask("/", b"SELECT timezone()")[2].decode().strip()
        == headers["x-clickhouse-timezone"]
    )
    assert "elapsed_ns" in json.loads(headers["x-clickhouse-summary"])
    assert headers["content-type"].startswith("application/json")
    assert "access-control-allow-origin" not in headers
    status, headers, body = running.ask("/", b"SELECT 1 FORMAT CSV", X_ClickHouse_Format="JSON")
    assert (status, headers["x-clickhouse-format"], body) == (200, "CSV", b"1\n")


def test_an_answer_is_compressed_when_asked(running: Running) -> None:
    question = b"SELECT number FROM numbers(10000)"
    _, headers, body = running.ask("/", question, Accept_Encoding="gzip, deflate")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == running.ask("/", question)[2]


def test_errors_carry_clickhouses_code_and_status(running: Running) -> None:
    for question, expected_status, code in (
        (b"SELECT 1 +", 400, "62"),
        (b"SELECT * FROM no_such_table", 404, "60"),
        (b"SELECT * FROM url('http://127.0.0.1:9/')", 403, "497"),
        (b"SELECT {x:UInt8}", 400, "456"),
    ):
        status, headers, body = running.ask("/", question)
        assert (status, headers["x-clickhouse-exception-code"]) == (expected_status, code)
        assert body.startswith(b"Code: " + code.encode())


def test_what_is_not_spoken_is_refused_in_words(running: Running) -> None:
    for target, headers in (
        ("/?compress=1", {}),
        ("/?decompress=1", {}),
        ("/", {"Content_Encoding": "gzip"}),
    ):
        status, _, body = running.ask(target, b"SELECT 1", **headers)
        assert status == 403
        assert b"not" in body
    assert running.ask("/?database=system", b"SELECT 1")[0] == 404
    assert running.ask("/?database=default", b"SELECT 1")[2] == b"1\n"
    assert running.ask("/elsewhere", b"SELECT 1")[0] == 404
    assert running.ask("/", b"SELECT 1", method="PUT")[0] == 405
    assert running.ask("/", b"SELECT '" + b"a" * 300_000 + b"'")[0] == 403


def test_being_alive_needs_no_question_and_no_key(running: Running, locked: Running) -> None:
    for server in (running, locked):
        for path in ("/", "/ping", "/replicas_status"):
            assert server.ask(path)[::2] == (200, b"Ok.\n")
    status, headers, body = running.ask("/ping", method="HEAD")
    assert (status, headers["content-length"], body) == (200, "4", b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"X_ClickHouse_Key": ADMIN, "X_ClickHouse_User": "default"},
        {"Authorization": f"Bearer {ADMIN}"},
        {"Authorization": "Basic " + base64.b64encode(f"x:{ADMIN}".encode()).decode()},
    ],
)
def test_an_admin_key_opens_it_however_it_is_sent(locked: Running, headers: dict[str, str]) -> None:
    assert locked.ask("/", b"SELECT 1", **headers)[::2] == (200, b"1\n")


def test_a_client_with_the_admin_key_as_password_works(locked: Running) -> None:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=locked.port, password=ADMIN)
    assert client.query("SELECT 1").result_rows == [(1,)]
    client.close()


@pytest.mark.parametrize("key", ["", "wrong", READ])
def test_no_key_a_wrong_key_or_a_lesser_key_does_not(locked: Running, key: str) -> None:
    headers = {"X_ClickHouse_Key": key} if key else {}
    status, answered, body = locked.ask("/", b"SELECT 1", **headers)
    assert (status, answered["x-clickhouse-exception-code"]) == (401, "516")
    assert body != b"1\n"
    # A key in the URL would be written into logs: it is not read.
    assert locked.ask(f"/?query=SELECT+1&password={ADMIN}")[0] == 401
