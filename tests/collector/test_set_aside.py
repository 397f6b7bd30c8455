from __future__ import annotations

import os
import time
from pathlib import Path

from watchpost_collector.counters import Counters
from watchpost_collector.private_files import make_private
from watchpost_collector.spool.set_aside import SetAside, SetAsideBounds
from watchpost_collector.spool.writer import Segment


def open_directory(tmp_path: Path, counters: Counters, **bounds: float) -> SetAside:
    directory = make_private(tmp_path / "set-aside", "--data")
    return SetAside(directory, counters, SetAsideBounds(**bounds))  # type: ignore[arg-type]


def make_segment(tmp_path: Path, name: str, spans: int, size_bytes: int = 100) -> Segment:
    path = tmp_path / f"{name}.spool"
    path.write_bytes(bytes(size_bytes))
    return Segment(name, path, size_bytes, spans, ())


def list_names(set_aside: SetAside) -> list[str]:
    return sorted(path.name for path in set_aside.directory.iterdir())


def test_what_is_set_aside_is_told_by_number_size_and_age(tmp_path: Path) -> None:
    set_aside = open_directory(tmp_path, Counters())

    set_aside.take_segment(make_segment(tmp_path, "one", 3), "cannot be read")
    set_aside.take_bytes("two", b"half", "torn")

    state = set_aside.read()
    assert (state.segments, state.bytes) == (2, 104)
    assert 0 <= state.oldest_s < 60


def test_beyond_the_bytes_the_oldest_go_with_their_reason_and_are_counted(tmp_path: Path) -> None:
    counters = Counters()
    set_aside = open_directory(tmp_path, counters, bytes=250)
    for number, name in enumerate(("a", "b", "c")):
        target = set_aside.take_segment(make_segment(tmp_path, name, 10 + number), "poison")
        os.utime(target, (time.time() - 100 + number, time.time() - 100 + number))

    set_aside.prune()

    assert list_names(set_aside) == sorted(
        f"{name}{end}" for name in ("b", "c") for end in (".envelopes", ".reason.json")
    )
    assert counters.read().set_aside_dropped == 10


def test_what_is_too_old_goes_and_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    set_aside = open_directory(tmp_path, counters, age_s=3600)
    target = set_aside.take_segment(make_segment(tmp_path, "old", 7), "poison")
    os.utime(target, (time.time() - 7200, time.time() - 7200))

    set_aside.prune()

    assert list_names(set_aside) == []
    assert counters.read().set_aside_dropped == 7


def test_a_reason_that_cannot_be_read_does_not_keep_its_segment(tmp_path: Path) -> None:
    counters = Counters()
    set_aside = open_directory(tmp_path, counters, bytes=0)
    set_aside.bounds = SetAsideBounds(bytes=1 << 20)
    set_aside.take_segment(make_segment(tmp_path, "one", 3), "poison")
    (set_aside.directory / "one.reason.json").write_bytes(b"\xff not json")
    set_aside.bounds = SetAsideBounds(bytes=0)

    set_aside.prune()

    assert list_names(set_aside) == []
    assert counters.read().set_aside_dropped == 0


def test_a_segment_that_was_moved_by_a_try_that_failed_is_taken_by_the_next(tmp_path: Path) -> None:
    set_aside = open_directory(tmp_path, Counters())
    segment = make_segment(tmp_path, "one", 3)

    moved = set_aside.take_segment(segment, "cannot be read")

    assert set_aside.take_segment(segment, "cannot be read") == moved
    assert set_aside.read().segments == 1
