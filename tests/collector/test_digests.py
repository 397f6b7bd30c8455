from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from chaos.disk import SmallDisk

from watchpost_collector.spool.digests import Digests, compute_digest


def open_digests(directory: Path, **bounds: Any) -> Digests:
    digests = Digests(directory / "digests", **bounds)
    digests.load()
    return digests


def test_a_second_claim_waits_for_the_first(tmp_path: Path) -> None:
    digests = open_digests(tmp_path)

    first, again_first = digests.claim(b"a" * 16)
    second, again_second = digests.claim(b"a" * 16)

    assert (again_first, again_second) == (False, True)
    assert second is first
    assert not second.done()


def test_a_forgotten_claim_may_be_made_again(tmp_path: Path) -> None:
    digests = open_digests(tmp_path)
    digests.claim(b"a" * 16)

    digests.forget(b"a" * 16)

    assert digests.claim(b"a" * 16)[1] is False


def test_kept_digests_are_known_to_the_next_process(tmp_path: Path) -> None:
    digest, now = os.urandom(16), time.time_ns()
    open_digests(tmp_path).keep("segment", [(digest, now)])

    future, again = open_digests(tmp_path).claim(digest)

    assert again
    assert future.done()


def test_digests_expire_in_memory_and_on_disk(tmp_path: Path) -> None:
    now = time.time_ns()
    old = now - 120 * 10**9
    open_digests(tmp_path, keep_s=60).keep("segment", [(b"o" * 16, old)])

    digests = open_digests(tmp_path, keep_s=60)

    assert digests.claim(b"o" * 16)[1] is False
    assert list((tmp_path / "digests").glob("*.digests")) == []


def test_the_oldest_go_first_when_there_are_too_many(tmp_path: Path) -> None:
    digests = open_digests(tmp_path, most=3)
    for number in range(4):
        digests.claim(bytes([number]) * 16)

    assert digests.claim(bytes([3]) * 16)[1] is True
    assert digests.claim(bytes([0]) * 16)[1] is False


class SetClock:
    """A clock as a test sets it."""

    def __init__(self) -> None:
        self.now_ns = time.time_ns()

    def __call__(self) -> int:
        return self.now_ns


def test_a_digest_lasts_as_long_as_its_time_goes_by_and_no_longer(tmp_path: Path) -> None:
    clock = SetClock()
    digests = open_digests(tmp_path, keep_s=60, clock=clock)
    digests.claim(b"a" * 16)

    clock.now_ns += 59 * 10**9
    assert digests.claim(b"a" * 16)[1] is True
    clock.now_ns += 2 * 10**9
    assert digests.claim(b"a" * 16)[1] is False


def test_a_stamp_of_the_future_lasts_no_longer_than_one_of_now(tmp_path: Path) -> None:
    clock = SetClock()
    digests = open_digests(tmp_path, keep_s=60, clock=clock)
    digests.restore([(b"f" * 16, clock.now_ns + 10**18)])

    assert digests.claim(b"f" * 16)[1] is True
    clock.now_ns += 61 * 10**9
    assert digests.claim(b"f" * 16)[1] is False


def test_files_are_bounded_by_number_as_memory_is(tmp_path: Path) -> None:
    digests = open_digests(tmp_path, most=4)
    for number in range(6):
        digests.keep(f"{number:020d}-a", [(bytes([number]) * 16, time.time_ns())] * 2)

    digests.prune()

    kept = sorted(path.name[:20] for path in (tmp_path / "digests").glob("*.digests"))
    assert kept == [f"{number:020d}" for number in (4, 5)]


def test_digests_are_kept_on_a_full_disk_from_what_was_held_back(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 4) as disk:
        digests = Digests(disk.place / "digests")
        digests.load()
        disk.fill(os.getpid())
        try:
            digests.keep("segment", [(b"k" * 16, time.time_ns())] * 1000)
        finally:
            disk.empty(os.getpid())
        again = Digests(disk.place / "digests")
        again.load()
        assert again.claim(b"k" * 16)[1] is True


def test_any_bytes_in_a_digests_file_are_read_without_an_error(tmp_path: Path) -> None:
    digests = open_digests(tmp_path)
    for number, content in enumerate((b"", b"short", os.urandom(24 * 7 + 5), bytes(240))):
        (tmp_path / "digests" / f"{number}.digests").write_bytes(content)
    (tmp_path / "digests" / "folder.digests").mkdir()

    digests.load()


def test_the_same_body_of_another_project_or_kind_is_another_request() -> None:
    digests = {
        compute_digest(b"body", "a", "json"),
        compute_digest(b"body", "b", "json"),
        compute_digest(b"body", "a", "protobuf"),
        compute_digest(b"body!", "a", "json"),
    }

    assert len(digests) == 4
