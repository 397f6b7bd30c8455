from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.disk import SmallDisk
from spool_outbox import Outbox, build_letter, leave_segment

from watchpost.errors import ConfigError, Full
from watchpost_collector.otlp.envelope import Letter, frame_head, read_envelopes
from watchpost_collector.private_files import lock_directory, make_private
from watchpost_collector.spool.segments import split_segment
from watchpost_collector.spool.writer import Limits, Spool


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path)
    yield made
    made.close()


def test_a_letter_is_on_disk_and_whole_when_its_future_settles(outbox: Outbox) -> None:
    letter = build_letter()

    outbox.open().append(letter).result(timeout=30)

    [path] = outbox.directory.iterdir()
    [found] = read_envelopes(path.read_bytes())
    assert bytes(found.body) == letter.body
    assert found.segment == path.name.removesuffix(".spool")
    assert found.whole
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_segment_is_sealed_by_age(outbox: Outbox) -> None:
    spool = outbox.open(Limits(segment_age_s=0.01))

    spool.append(build_letter(3)).result(timeout=30)

    assert outbox.next_segment().spans == 3


def test_a_segment_is_sealed_by_size(outbox: Outbox) -> None:
    spool = outbox.open(Limits(segment_bytes=500, segment_age_s=600))

    for _ in range(2):
        spool.append(build_letter(body=bytes(600))).result(timeout=30)

    first, second = outbox.next_segment(), outbox.next_segment()
    assert first.name < second.name
    assert first.size_bytes > 600


def test_a_stream_is_sealed_at_the_pace_that_was_set(outbox: Outbox) -> None:
    spool = outbox.open(Limits(segment_age_s=0.001))
    spool.append(build_letter(1)).result(timeout=30)
    assert outbox.next_segment().spans == 1

    spool.set_pace(600)
    for _ in range(4):
        spool.append(build_letter(1)).result(timeout=30)
        time.sleep(0.01)
    spool.mark()

    assert outbox.next_segment().spans == 4


def test_a_mark_comes_behind_everything_appended_before_it(outbox: Outbox) -> None:
    spool = outbox.open()
    for _ in range(20):
        spool.append(build_letter(2))

    mark = spool.mark()

    assert outbox.next_segment().spans == 40
    assert outbox.items.get(timeout=30) is mark


def test_a_full_spool_refuses_and_says_when_to_come_back(outbox: Outbox) -> None:
    spool = outbox.open(Limits(segment_age_s=600, bound_bytes=1000))
    spool.append(build_letter(body=bytes(900))).result(timeout=30)

    with pytest.raises(Full) as caught:
        spool.append(build_letter(body=bytes(200)))

    assert caught.value.retry_after_s > 0


def test_room_comes_back_when_a_segment_is_released(outbox: Outbox) -> None:
    spool = outbox.open(Limits(segment_age_s=600, bound_bytes=1000))
    spool.append(build_letter(body=bytes(900)))
    spool.mark()

    spool.release(outbox.next_segment())

    assert spool.waiting_bytes == 0
    spool.append(build_letter(body=bytes(900))).result(timeout=30)


def test_a_disk_that_fails_refuses_the_batch_and_the_spool_lives(outbox: Outbox) -> None:
    spool = outbox.open()
    away = outbox.directory.rename(outbox.directory.with_name("away"))

    with pytest.raises(Full):
        spool.append(build_letter()).result(timeout=30)

    away.rename(outbox.directory)
    spool.append(build_letter()).result(timeout=30)
    assert spool.waiting_bytes > 0


def tear(outbox: Outbox, refused: Letter) -> Path:
    """A failure in the middle: a tail behind what is synced, and a descriptor that fails.

    Nothing can be written by it nor cut: it is open for reading alone.
    """
    [path] = outbox.directory.glob("*.spool")
    with path.open("ab") as file:
        file.write(frame_head(refused, path.stem) + refused.body)
    [descriptor] = [
        int(one.name)
        for one in Path("/proc/self/fd").iterdir()
        if os.path.realpath(one) == str(path)
    ]
    reading = os.open(path, os.O_RDONLY)
    os.dup2(reading, descriptor)
    os.close(reading)
    return path


def test_a_file_that_cannot_be_cut_is_written_anew_with_what_was_acknowledged(
    outbox: Outbox,
) -> None:
    spool, kept, refused = outbox.open(), build_letter(1), build_letter(2)
    spool.append(kept).result(timeout=30)
    tear(outbox, refused)

    with pytest.raises(Full, match="Bad file descriptor"):
        spool.append(refused).result(timeout=30)
    spool.append(refused).result(timeout=30)
    spool.close()

    for letter in (kept, refused):
        segment = outbox.next_segment()
        [found] = read_envelopes(segment.path.read_bytes())
        assert bytes(found.body) == letter.body
        assert (found.end, letter.spans) == (segment.size_bytes, segment.spans)
    assert outbox.items.empty()


def test_while_a_file_cannot_be_cut_at_all_nothing_is_handed_on_and_nothing_taken(
    outbox: Outbox,
) -> None:
    spool, kept, refused = outbox.open(), build_letter(1), build_letter(2)
    spool.append(kept).result(timeout=30)
    tear(outbox, refused)
    away = outbox.directory.rename(outbox.directory.with_name("away"))
    outbox.directory.mkdir(0o700)

    for _ in range(2):
        with pytest.raises(Full):
            spool.append(refused).result(timeout=30)
    with pytest.raises(Full, match="cannot hand on"):
        spool.mark().result(timeout=30)
    assert outbox.items.empty()
    assert list(outbox.directory.iterdir()) == []

    outbox.directory.rmdir()
    away.rename(outbox.directory)
    mark = spool.mark()
    segment = outbox.next_segment()
    assert outbox.items.get(timeout=30) is mark
    [found] = read_envelopes(segment.path.read_bytes())
    assert (bytes(found.body), found.end) == (kept.body, segment.size_bytes)
    spool.append(refused).result(timeout=30)


def test_what_was_acknowledged_is_found_again_when_its_file_could_not_be_cut_to_the_end(
    outbox: Outbox,
) -> None:
    spool, kept, refused = outbox.open(), build_letter(1), build_letter(2)
    spool.append(kept).result(timeout=30)
    tear(outbox, refused)
    away = outbox.directory.rename(outbox.directory.with_name("away"))

    with pytest.raises(Full):
        spool.append(refused).result(timeout=30)
    spool.close()

    assert outbox.items.empty()
    away.rename(outbox.directory)
    [found] = outbox.recover()
    # The refused one too, whole as it is; but its digest is known, so it is taken once.
    assert found.spans == kept.spans + refused.spans
    assert {digest for digest, _ in found.digests} == {kept.digest, refused.digest}


def test_a_closed_spool_has_sealed_what_it_took_and_takes_no_more(outbox: Outbox) -> None:
    spool = outbox.open()
    spool.append(build_letter(5))

    spool.close()

    assert outbox.next_segment().spans == 5
    with pytest.raises(Full):
        spool.append(build_letter())


def test_a_spool_on_a_full_disk_refuses_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 4) as disk:
        outbox = Outbox(disk.place)
        spool = outbox.open()
        spool.append(build_letter(body=bytes(5000))).result(timeout=30)
        disk.fill(os.getpid())
        try:
            with pytest.raises(Full):
                spool.append(build_letter(body=bytes(200_000))).result(timeout=30)
        finally:
            disk.empty(os.getpid())
        spool.append(build_letter(body=bytes(6000))).result(timeout=30)
        spool.close()
        first, second = outbox.next_segment(), outbox.next_segment()
        for segment, size in ((first, 5000), (second, 6000)):
            [found] = read_envelopes(segment.path.read_bytes())
            assert (len(found.body), found.end) == (size, segment.size_bytes)


def recover_old(outbox: Outbox, when_old: str, hours: float) -> Spool:
    """A spool that recovered a segment whose name says it is so many hours old."""
    left = leave_segment(outbox, (1,))
    born_ns = time.time_ns() - int(hours * 3600 * 10**9)
    old = left.path.with_name(f"{born_ns:020d}-0000.spool")
    left.path.rename(old)
    spool = outbox.open(Limits(segment_age_s=600, bound_age_s=3600, when_old=when_old))
    for segment in outbox.recover():
        spool.adopt(segment)
    return spool


def test_the_oldest_waiting_segment_tells_its_age_after_a_restart(outbox: Outbox) -> None:
    spool = recover_old(outbox, "keep", 2)

    assert 7200 <= spool.oldest_s < 7300
    spool.append(build_letter()).result(timeout=30)


def test_past_its_age_bound_a_spool_that_is_told_to_refuses(outbox: Outbox) -> None:
    with pytest.raises(Full, match="longer than its bound"):
        recover_old(outbox, "refuse", 2).append(build_letter())


def test_a_segment_from_a_clock_ahead_is_not_old_and_new_ones_come_after_it(
    outbox: Outbox,
) -> None:
    spool = recover_old(outbox, "refuse", -48)

    assert spool.oldest_s < 60
    ahead_ns = time.time_ns() + 47 * 3600 * 10**9
    assert spool.next_name() > f"{ahead_ns:020d}"


def test_children_of_a_split_have_waited_as_long_as_their_parent(outbox: Outbox) -> None:
    spool = recover_old(outbox, "keep", 5)
    [parent] = outbox.recover()

    children = split_segment(parent, 1)
    spool.replace(parent, children)

    assert spool.read_age(children[0]) >= 5 * 3600
    assert spool.waiting_bytes == children[0].size_bytes


def test_a_segment_set_aside_leaves_with_its_reason(outbox: Outbox) -> None:
    left = leave_segment(outbox, (1,))

    target = outbox.aside.take_segment(left, "cannot be read")

    assert list(outbox.directory.iterdir()) == []
    assert target.stat().st_size == left.size_bytes
    reason = (outbox.set_aside / f"{left.name}.reason.json").read_text()
    assert "cannot be read" in reason


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)

    with pytest.raises(ConfigError, match="link"):
        make_private(tmp_path / "link", "--data")


def test_an_open_directory_is_made_private(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o755)

    assert stat.S_IMODE(make_private(loose, "--data").stat().st_mode) == 0o700


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    held = lock_directory(tmp_path, "--data")

    with pytest.raises(ConfigError, match="another watchpost"):
        lock_directory(tmp_path, "--data")

    os.close(held)
    os.close(lock_directory(tmp_path, "--data"))
