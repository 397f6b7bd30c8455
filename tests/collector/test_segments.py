from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.disk import UNLIMITED
from spool_outbox import Outbox, build_letter, leave_segment

from watchpost_collector.otlp.envelope import frame_head, read_envelopes
from watchpost_collector.otlp.signals import LOGS, mark_segment
from watchpost_collector.spool.segments import part_segment, split_segment


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path)
    yield made
    made.close()


def test_what_a_dead_process_left_is_found_and_not_fresh(outbox: Outbox) -> None:
    left = leave_segment(outbox, (2, 3))

    [found] = outbox.recover()

    assert (found.name, found.spans, found.size_bytes) == (left.name, 5, left.size_bytes)
    assert found.digests == left.digests
    assert not found.fresh


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: content[:-7] + b"\0" * 7,
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    ],
    ids=["cut", "zeros", "flipped"],
)
def test_a_damaged_tail_is_cut_off_and_set_aside(
    outbox: Outbox, damage: Callable[[bytes], bytes]
) -> None:
    left = leave_segment(outbox, (2, 3))
    left.path.write_bytes(damage(left.path.read_bytes()))

    [found] = outbox.recover()

    assert found.spans == 2
    assert found.path.stat().st_size == found.size_bytes < left.size_bytes
    [torn] = outbox.set_aside.glob("*.envelopes")
    assert outbox.counters.read().torn_bytes == torn.stat().st_size > 0


def test_one_damaged_envelope_costs_only_itself(outbox: Outbox) -> None:
    left = leave_segment(outbox, (2, 3, 4))
    content = bytearray(left.path.read_bytes())
    [_, second, _] = read_envelopes(bytes(content))
    content[second.end - 1] ^= 1
    left.path.write_bytes(content)

    [found] = outbox.recover()

    assert (found.name, found.spans) == (left.name, 6)
    assert len(list(read_envelopes(found.path.read_bytes()))) == 2
    assert found.path.stat().st_size == found.size_bytes
    [reason] = outbox.set_aside.glob("*.reason.json")
    assert f"byte {second.start}" in reason.read_text()
    assert outbox.counters.read().torn_bytes == second.end - second.start


def test_what_was_written_whole_and_is_no_request_is_set_aside(outbox: Outbox) -> None:
    name = "00000000000000000001-0000"
    letter = build_letter(body=b"\x0a\xff\xff")
    path = outbox.directory / f"{name}.spool"
    path.write_bytes(frame_head(letter, name) + letter.body)

    assert outbox.recover() == []
    assert len(list(outbox.set_aside.glob("*.reason.json"))) == 1
    assert outbox.counters.read().torn_bytes > len(letter.body)


def test_what_cannot_be_read_does_not_keep_the_rest_from_being_found(outbox: Outbox) -> None:
    left = leave_segment(outbox, (2,))
    (outbox.directory / "00000000000000000001-dir.spool").mkdir()
    (outbox.directory / "00000000000000000002-link.spool").symlink_to(left.path)
    (outbox.directory / f"{mark_segment('00000000000000000003-dir', LOGS)}.spool").mkdir()

    [found] = outbox.recover()

    assert found.name == left.name
    assert outbox.counters.read().unrecovered_segments == 2
    assert outbox.counters.of(LOGS).read().unrecovered_segments == 1


def test_a_split_segment_keeps_every_envelope_under_new_names(outbox: Outbox) -> None:
    left = leave_segment(outbox, (1, 2, 3, 4, 5))

    children = split_segment(left, 2)

    assert [child.spans for child in children] == [6, 9]
    assert not left.path.exists()
    for child in children:
        found = list(read_envelopes(child.path.read_bytes()))
        assert {envelope.segment for envelope in found} == {child.name}


def test_a_split_that_a_crash_interrupted_is_void(outbox: Outbox) -> None:
    left = leave_segment(outbox, (1, 2))
    content = left.path.read_bytes()
    split_segment(left, 2)
    left.path.write_bytes(content)

    [found] = outbox.recover()

    assert found.name == left.name
    assert [path.name for path in outbox.directory.iterdir()] == [left.path.name]


def test_parts_of_a_segment_keep_the_order_and_the_digests_of_their_envelopes(
    outbox: Outbox,
) -> None:
    left = leave_segment(outbox, (1, 2, 3, 4, 5))

    rest, chosen = part_segment(left, {1, 4})

    assert (rest.spans, chosen.spans) == (8, 7)
    assert rest.digests == (left.digests[0], *left.digests[2:4])
    assert chosen.digests == (left.digests[1], left.digests[4])
    assert sorted(outbox.directory.iterdir()) == [rest.path, chosen.path]
    for child in (rest, chosen):
        found = list(read_envelopes(child.path.read_bytes()))
        assert tuple((framed.digest, framed.received_ns) for framed in found) == child.digests
        assert {framed.segment for framed in found} == {child.name}


def test_a_split_that_finds_no_room_leaves_the_segment_as_it_was(outbox: Outbox) -> None:
    left = leave_segment(outbox, (1, 40))
    content = left.path.read_bytes()
    resource.prlimit(os.getpid(), resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        with pytest.raises(OSError, match="File too large"):
            split_segment(left, 2)
    finally:
        resource.prlimit(os.getpid(), resource.RLIMIT_FSIZE, UNLIMITED)

    assert list(outbox.directory.glob("*.spool")) == [left.path]
    assert left.path.read_bytes() == content
