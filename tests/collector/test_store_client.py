from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost.errors import ConfigError
from watchpost_collector.store.client import (
    QuestionRefused,
    SegmentRefused,
    Store,
    StoreUnavailable,
    open_store,
)

MESSAGES = {"gen_ai__input__messages": '[{"role":"user","parts":[]}]'}


def count_rows(store: Store, table: str, project: str) -> int:
    rows = store.query(
        f"select count() from watchpost.{table} where project = {{project:String}}",
        {"project": project},
    )
    return int(rows.rows[0][0])


def test_a_segment_inserted_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    segment = name_segment()
    body = pack_segment(segment, [make_call(**MESSAGES) for _ in range(5)], segment)
    path = tmp_path / "segment"
    path.write_bytes(body)

    store.insert_segment(body, segment)
    store.insert_segment(body, segment)
    store.insert_segment(path, segment)

    for table in ("spans", "content", "calls"):
        assert count_rows(store, table, segment) == 5, table


def test_the_same_spans_in_another_segment_are_still_the_same_calls(store: Store) -> None:
    project = name_segment("project")
    spans = [make_call(f"{number:016x}") for number in range(1, 4)]
    for _ in range(2):
        segment = name_segment()
        store.insert_segment(pack_segment(segment, spans, project), segment)

    assert count_rows(store, "generations", project) == 3


def test_counting_a_segment_says_what_its_spans_promise(store: Store) -> None:
    segment = name_segment()
    spans = [make_call(**MESSAGES), make_call(), make_call(gen_ai__operation__name="execute_tool")]
    store.insert_segment(pack_segment(segment, spans, segment), segment)

    count = store.count_segment(segment)

    assert (count.spans, count.content, count.calls, count.whole) == (3, 1, 2, True)


@pytest.mark.parametrize("table", ["content", "calls"])
def test_rows_that_got_lost_are_missed(store: Store, table: str) -> None:
    segment = name_segment()
    store.insert_segment(pack_segment(segment, [make_call(**MESSAGES)], segment), segment)

    store.command(
        f"alter table watchpost.{table} delete where spool_segment = {{segment:String}}",
        {"segment": segment},
        {"mutations_sync": 2},
    )

    assert not store.count_segment(segment).whole


def test_a_removed_segment_leaves_no_row_and_can_come_again_under_another_name(
    store: Store,
) -> None:
    first, second = name_segment(), name_segment()
    spans = [make_call(**MESSAGES), make_call()]
    store.insert_segment(pack_segment(first, spans, first), first)

    store.remove_segment(first)

    assert store.count_segment(first).spans == 0
    assert all(count_rows(store, table, first) == 0 for table in ("calls", "content", "spans"))
    store.insert_segment(pack_segment(second, spans, first), second)
    assert count_rows(store, "generations", first) == 2


def test_bytes_the_engine_cannot_read_are_refused_for_good(store: Store) -> None:
    segment = name_segment()
    with pytest.raises(SegmentRefused):
        store.insert_segment(b"\x05\x0a\x0a\x0a\x0a\x0a", segment)


def test_a_question_the_engine_refuses_is_no_segments_fault(store: Store) -> None:
    bound = {"word": "a user's word"}
    with pytest.raises(QuestionRefused, match=r"^query: .*[Cc]ode: 6"):
        store.query("select toUInt8({word:String})", bound)
    with pytest.raises(QuestionRefused, match=r"^statement: .*[Cc]ode: 6"):
        store.command("create or replace view watchpost.none as select toUInt8('a word') as n")


def test_a_probe_refuses_what_an_insert_does_and_stores_nothing(store: Store) -> None:
    segment = name_segment()
    body = pack_segment(segment, [make_call(**MESSAGES)], segment)

    for _ in range(20):
        # An answer must not depend on the one before it.
        store.decode_segment(body, segment)
        with pytest.raises(SegmentRefused):
            store.decode_segment(b"\x05\x0a\x0a\x0a\x0a\x0a", segment)

    assert all(count_rows(store, table, segment) == 0 for table in ("calls", "content", "spans"))
    store.insert_segment(body, segment)
    assert store.count_segment(segment).spans == 1


def test_another_kind_of_address_is_a_config_error_that_says_which_kinds_there_are() -> None:
    with pytest.raises(ConfigError, match="chdb:///absolute/path"):
        open_store("postgres://nope")


def test_a_broken_clock_opens_no_partition_but_a_backfill_may_be_old(store: Store) -> None:
    project = name_segment("clock")
    received = 1_790_000_000_000_000_000
    for backfill in (False, True):
        segment = name_segment()
        old = make_call(start_ms=-400 * 86_400_000)
        body = pack_segment(segment, [old], project, backfill=backfill, received_ns=received)
        store.insert_segment(body, segment)

    rows = store.query(
        "select toYear(start) from watchpost.spans where project = {p:String} order by 1",
        {"p": project},
    )

    assert [row[0] for row in rows] == [2025, 2026]


# In a store of its own: a hundred partitions make every later deletion of the shared one slow.
INSERT_YEARS = """
import sys
from store_segments import make_call, pack_segment
from watchpost_collector.store.client import open_store
from watchpost_collector.store.migrate import migrate

store = open_store(sys.argv[1])
migrate(store)
weeks = [make_call(start_ms=-n * 6e8, gen_ai__input__messages="[]") for n in range(110)]
store.insert_segment(pack_segment("years", weeks, "p"), "years")
count = store.count_segment("years")
print(count.spans, count.content, count.calls, count.whole)
store.close()
"""


def test_one_segment_may_hold_years(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INSERT_YEARS, f"chdb://{tmp_path / 'store'}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert ran.stdout.split() == ["110", "110", "110", "True"]


def test_hostile_numbers_ids_and_bytes_are_absorbed(store: Store) -> None:
    segment = name_segment()
    spans = [
        make_call(gen_ai__usage__input_tokens=-5, gen_ai__usage__output_tokens="no number"),
        make_call(gen_ai__usage__input_tokens=2**62, gen_ai__usage__output_tokens=2**62),
        make_call(gen_ai__usage__input_tokens=float("nan"), watchpost__context__use="inf"),
        make_call("0102", trace_id="01" * 40),
        make_call(**{"llm.input_messages.99999999999.message.role": "x", "": "empty key"}),
    ]

    store.insert_segment(pack_segment(segment, spans, segment), segment)

    rows = store.query(
        "select max(length(trace_id)), max(length(span_id)), max(input_tokens), count() "
        "from watchpost.spans where project = {p:String}",
        {"p": segment},
    )
    assert rows.rows == [(32, 16, 10**9, 5)]


def test_a_failed_question_never_colours_the_next_answer(store: Store) -> None:
    for trial in range(40):
        with pytest.raises(StoreUnavailable, match="Code: 395"):
            store.query("select number, throwIf(number > 70000) from numbers(100000)")

        assert store.query("select {trial:UInt32}", {"trial": trial}).rows == [(trial,)]
