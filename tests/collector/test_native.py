"""FORMAT Native for drivers of a newer protocol: walked along the types, never decoded."""

from __future__ import annotations

import pytest
from go_driver import CUSTOM_SERIALIZATION, PROTOCOL, read_blocks

from watchpost_collector.query.native import frame_blocks
from watchpost_collector.query.reader import Reader
from watchpost_collector.query.session import QueryFailed
from watchpost_collector.store.client import Store

HEAD = b"\x01\x00\x02\xff\xff\xff\xff\x00"
# One of every shape a column can have: fixed, long, null, nested, in dictionaries, empty.
VALUES = {
    "1::UInt8": 1,
    "-2::Int256": -2,
    "1.5::Float32": 1.5,
    "true": True,
    "repeat('x', 300)": "x" * 300,
    "toFixedString('ab', 2)": b"ab",
    "toDecimal64('1.25', 2) = 1.25": True,
    "toString(toDecimal256('1.5', 3))": "1.5",
    "NULL": None,
    "'a'::Enum8('a' = 1, 'b,(' = 2)": "a",
    "[[1::UInt8], []]": [[1], []],
    "[]": [],
    "map('k', 1::Nullable(UInt8))": {"k": 1},
    "(1::UInt8, 'x')": (1, "x"),
    "(1, 'x')::Tuple(`a b` UInt8, c LowCardinality(String))": {"a b": 1, "c": "x"},
    "toLowCardinality('b')": "b",
    "toLowCardinality(toNullable('b'))": "b",
    "[toLowCardinality('b')]": ["b"],
    "CAST([], 'Array(LowCardinality(String))')": [],
    "map('a', [toLowCardinality('b')])": {"a": ["b"]},
    "(1.0, 2.0)::Point": (1.0, 2.0),
    "toIntervalDay(3)": 3,
}
MANY = """SELECT number, if(number % 3 = 0, NULL, toString(number)) AS s,
    toLowCardinality(toString(number % 1000)) AS l, range(number % 4) AS a
    FROM numbers(70000)"""


@pytest.fixture(scope="module")
def reader(embedded_store: Store) -> Reader:
    return Reader(embedded_store.dsn)


@pytest.mark.parametrize("revision", [1, CUSTOM_SERIALIZATION - 1, PROTOCOL])
def test_every_shape_of_column_is_framed_and_reads_as_it_was(reader: Reader, revision: int) -> None:
    spelled = ", ".join(f"{sql} AS c{place}" for place, sql in enumerate(VALUES))
    body = reader.ask(f"SELECT {spelled}", "Native").body

    [block] = read_blocks(frame_blocks(body, revision), revision)

    found = [values[0] for values in block.columns.values()]
    assert found == list(VALUES.values())


def test_every_block_of_a_long_answer_gets_its_head(reader: Reader) -> None:
    blocks = list(read_blocks(frame_blocks(reader.ask(MANY, "Native").body, PROTOCOL), PROTOCOL))

    assert len(blocks) > 1
    rows = [row for block in blocks for row in zip(*block.columns.values(), strict=True)]
    assert rows == [
        (n, None if n % 3 == 0 else str(n), str(n % 1000), list(range(n % 4)))
        for n in range(70_000)
    ]


def test_a_client_that_names_no_protocol_gets_what_the_engine_wrote(reader: Reader) -> None:
    body = reader.ask("SELECT 1 AS x", "Native").body
    assert frame_blocks(body, 0) == body
    assert frame_blocks(body, PROTOCOL) == HEAD + body[:10] + b"\x00" + body[10:]
    assert frame_blocks(b"", PROTOCOL) == b""


def test_states_of_aggregates_are_refused_by_name(reader: Reader) -> None:
    body = reader.ask("SELECT sumState(number) AS s FROM numbers(3)", "Native").body
    with pytest.raises(QueryFailed, match=r"AggregateFunction\(sum, UInt64\).*ask for JSON"):
        frame_blocks(body, PROTOCOL)
