"""A part is gone though its token was logged: the segment's file still stands, and is stored anew.

ClickHouse logs a deduplication token before it renames the part, so a crash between the two leaves
a token for rows that are not there. Here the server dies right after an insert, and the parts are
taken away as that crash would have.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest
from otlp_bodies import build_request
from running_server import RunningServer

from watchpost_collector.store.client import SEGMENT_TABLES


def take_parts_away(store: Path, table: str) -> int:
    """Remove what an insert left of a table, but for the log of tokens."""
    parts = [
        path.parent
        for path in (store / "data" / "watchpost" / table).resolve().glob("*/columns.txt")
        if path.parent.name != "detached"
    ]
    for part in parts:
        shutil.rmtree(part)
    return len(parts)


@pytest.mark.parametrize("tables", [("content",), SEGMENT_TABLES])
def test_rows_whose_part_vanished_are_stored_again_once(
    tables: tuple[str, ...], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    faulty = RunningServer(
        data, "--flush-interval", "0.05", environ={"WATCHPOST_FAULT": "after_insert"}
    )
    faulty.start()
    trace_id = secrets.token_bytes(16)
    body = build_request(20, trace_id=trace_id).SerializeToString()
    assert faulty.send(body).status == 200
    assert faulty.wait() == -9
    assert sum(take_parts_away(data / "store", table) for table in tables) > 0

    with RunningServer(data) as running:
        assert running.flush()["stored"] == 20
        [counted] = running.query(
            "SELECT count(), uniqExact(span_id) FROM watchpost.generations WHERE trace_id = "
            f"'{trace_id.hex()}'"
        )
        [rows] = running.query(
            "SELECT count(), uniqExact(span_id) FROM watchpost.spans WHERE trace_id = "
            f"'{trace_id.hex()}'"
        )
    assert counted == rows == (20, 20)
