"""A person is erased from a running watchpost, and then looked for in every byte it keeps.

The database keeps its columns uncompressed here, so that a search of its files means something.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from known_calls import PlainSpan, build_request
from running_clickhouse import RunningClickHouse
from running_server import RunningServer

from watchpost_collector.otlp.envelope import Letter, frame_head
from watchpost_collector.store.client import open_store
from watchpost_collector.store.migrate import migrate

USER, SESSION = "canary-person-7f3a@example.org", "canary-session-91c2"
TEXT = "the canary sang only to me at midnight"
TRACE = "7fca" * 8
TORN = "canary-person-7f3a@example.org stands in bytes nobody can read"
SIGNS = [text.encode() for text in (USER, SESSION, TEXT, TRACE)]
TRACES = f"('{TRACE}', '{'8fca' * 8}', '{'9fca' * 8}')"
SPANS = f"SELECT count() FROM watchpost.spans WHERE trace_id IN {TRACES}"
NAMELESS = "SELECT count() FROM watchpost.generations WHERE user_id = ''"
SUMS = "SELECT sum(calls), sum(input_tokens), sum(cost) FROM watchpost.usage_hourly"


def make_span(number: int, user: str, trace_id: str, text: str, **more: object) -> PlainSpan:
    started = time.time_ns() - 3 * 3_600_000_000_000
    return PlainSpan(
        "chat",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100,
            "gen_ai.input.messages": json.dumps([{"role": "user", "content": text}]),
            "user.id": user,
            **more,
        },
        f"{number:016x}",
        "",
        trace_id,
        started,
        started + 1_000_000,
    )


def list_spans() -> list[PlainSpan]:
    """Four calls: two of the person's, one of them by an attribute alone; two of others."""
    return [
        make_span(1, USER, TRACE, TEXT, **{"session.id": SESSION}),
        make_span(2, "", "8fca" * 8, TEXT, **{"app.customer.email": USER}),
        make_span(3, "somebody-else", "9fca" * 8, "an innocent question"),
        make_span(4, "somebody-else", TRACE, "asked in the same trace"),
    ]


def store_uncompressed(dsn: str) -> None:
    """Make the tables, and let them keep every byte as it is."""
    store = open_store(dsn)
    migrate(store)
    columns = store.query(
        "select table, name, type, compression_codec from system.columns "
        "where database = 'watchpost' and compression_codec != ''"
    )
    for table, name, kind, _ in columns:
        store.command(f"alter table watchpost.{table} modify column {name} {kind} codec(NONE)")
    for (table,) in store.query(
        "select name from system.tables where database = 'watchpost' and engine like '%MergeTree'"
    ):
        store.command(
            f"alter table watchpost.{table} modify setting default_compression_codec = 'NONE'"
        )
    store.close()


def plant_set_aside(directory: Path) -> None:
    body = build_request(list_spans()).SerializeToString()
    letter = Letter(body, "default", time.time_ns(), 4)
    (directory / "poison.envelopes").write_bytes(frame_head(letter, "poison") + body)
    (directory / "torn.envelopes").write_bytes(b"\xff\xff" + TORN.encode())
    (directory / "torn.reason.json").write_text("{}")


def find_signs(*directories: Path) -> set[tuple[str, bytes]]:
    """Where anything of the person stands on the disk."""
    found = set()
    for directory in directories:
        for path in directory.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found |= {(path.name, sign) for sign in SIGNS if sign in content}
    return found


def erase(running: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("watchpost")), "erase"]
    return subprocess.run(
        [*command, "--url", running.otlp_url, *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A collector with a database of its own, and the database's directory."""
    root = tmp_path_factory.mktemp("erase")
    with RunningClickHouse(root / "clickhouse") as clickhouse:
        store_uncompressed(clickhouse.dsn)
        with RunningServer(root / "data", "--store", clickhouse.dsn) as running:
            yield running, root / "clickhouse"


def test_a_person_is_erased_from_every_byte_and_the_sums_stay(
    place: tuple[RunningServer, Path],
) -> None:
    running, database = place
    assert running.send(build_request(list_spans()).SerializeToString()).status == 200
    scores = [
        {"trace": TRACE, "name": "helpful", "value": True, "comment": TEXT},
        {"trace": "9fca" * 8, "name": "helpful", "value": 1, "comment": TEXT, "author": USER},
        {"trace": "9fca" * 8, "name": "helpful", "value": 1, "comment": "by somebody else"},
    ]
    headers = {"content-type": "application/json"}
    sent = running.request("POST", "/api/v1/scores", json.dumps(scores).encode(), headers)
    assert sent.status == 200
    running.flush()
    plant_set_aside(running.data / "set-aside")
    sums, [(nameless,)] = running.query(SUMS), running.query(NAMELESS)
    before = {sign for _, sign in find_signs(database, running.data)}
    assert before == set(SIGNS), "the search must be able to find what it looks for"

    trial = erase(running, "--user", USER, "--dry-run", "--json")
    assert running.query(SPANS) == [(4,)]
    refused = erase(running, "--user", USER)
    done = erase(running, "--user", USER, "--yes", "--json")

    assert json.loads(trial.stdout)["traces"] == 2
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)["report"]
    assert report["tables"]["spans"] == {"before": 2, "after": 0}
    assert report["tables"]["content"] == {"before": 2, "after": 0}
    assert report["tables"]["score_comments"] == {"before": 2, "after": 0}
    assert (report["found_again"], report["old_parts"], report["detached_parts"]) == (0, 0, 0)
    assert report["set_aside"] == {"rewritten": 1, "deleted": 1, "spans": 3}
    assert report["calls_kept_without_ids"] == 2
    # Trace ids of a trace shared with somebody else stay with that other's span.
    left = find_signs(database, running.data)
    assert {sign for _, sign in left} <= {TRACE.encode()}
    assert running.query(SUMS) == sums
    # The second of the two named its person by an attribute alone.
    assert running.query(NAMELESS) == [(nameless + 1,)]
    assert running.query(SPANS) == [(2,)]
    assert USER not in running.output
    comments = running.query("SELECT comment FROM watchpost.scores")
    assert comments == [("by somebody else",)]


def test_what_comes_late_is_erased_on_arrival_and_what_starts_later_is_not(
    place: tuple[RunningServer, Path],
) -> None:
    running, _ = place
    person = "canary-late-person"
    assert erase(running, "--user", person, "--yes").returncode == 0
    late = make_span(11, person, "afca" * 8, "sent before, arrived after")
    fresh = make_span(12, person, "bfca" * 8, "said after coming back")
    now = time.time_ns() + 1_000_000_000
    object.__setattr__(fresh, "start_ns", now)
    object.__setattr__(fresh, "end_ns", now + 1_000_000)

    running.send(build_request([late, fresh]).SerializeToString())
    running.flush()

    rows = running.query(f"SELECT trace_id FROM watchpost.spans WHERE user_id = '{person}'")
    assert rows == [("bfca" * 8,)]


def test_an_erasure_that_was_cut_short_is_ended_after_the_next_start(
    place: tuple[RunningServer, Path],
) -> None:
    running, database = place
    session = "canary-cut-short"
    spans = [make_span(21, "x", "cfca" * 8, "cut", **{"session.id": session})]
    running.send(build_request(spans).SerializeToString())
    running.flush()
    order = json.dumps({"session": session, "calls": True}).encode()
    headers = {"content-type": "application/json"}
    taken = running.request("POST", "/api/erase", order, headers)
    assert taken.status == 202

    running.kill()
    running.start()

    give_up = time.monotonic() + 60
    while (told := running.request("GET", f"/api/erase/{taken.json()['name']}").json())[
        "state"
    ] != "done":
        assert time.monotonic() < give_up, told
        time.sleep(0.2)
    asked = f"SELECT count() FROM watchpost.calls WHERE trace_id = '{'cfca' * 8}'"
    assert running.query(asked) == [(0,)]
    assert {sign for _, sign in find_signs(database, running.data)} <= {TRACE.encode()}
    assert session.encode() not in b"".join(
        path.read_bytes() for path in database.rglob("*") if path.is_file()
    )


def test_an_order_needs_a_key_and_one_id(place: tuple[RunningServer, Path]) -> None:
    running, _ = place
    headers = {"content-type": "application/json"}
    for order in ({}, {"user": "a", "trace": "b"}, {"trace": "xyz"}, {"user": "a", "more": 1}, []):
        answer = running.request("POST", "/api/erase", json.dumps(order).encode(), headers)
        assert answer.status == 400, order
    assert running.request("GET", "/api/erase/none").status == 404
