from __future__ import annotations

import os
import time
from pathlib import Path

from watchpost_collector.digests import Digests, compute_digest


def open_digests(directory: Path, **bounds: float) -> Digests:
    digests = Digests(directory / "digests", **bounds)  # type: ignore[arg-type]
    digests.load()
    return digests


def test_a_second_claim_waits_for_the_first(tmp_path: Path) -> None:
    digests = open_digests(tmp_path)
    now = time.time_ns()

    first, again_first = digests.claim(b"a" * 16, now)
    second, again_second = digests.claim(b"a" * 16, now)

    assert (again_first, again_second) == (False, True)
    assert second is first
    assert not second.done()


def test_a_forgotten_claim_may_be_made_again(tmp_path: Path) -> None:
    digests = open_digests(tmp_path)
    digests.claim(b"a" * 16, time.time_ns())

    digests.forget(b"a" * 16)

    assert digests.claim(b"a" * 16, time.time_ns())[1] is False


def test_kept_digests_are_known_to_the_next_process(tmp_path: Path) -> None:
    digest, now = os.urandom(16), time.time_ns()
    open_digests(tmp_path).keep("segment", [(digest, now)])

    future, again = open_digests(tmp_path).claim(digest, now)

    assert again
    assert future.done()


def test_digests_expire_in_memory_and_on_disk(tmp_path: Path) -> None:
    now = time.time_ns()
    old = now - 120 * 10**9
    open_digests(tmp_path, keep_s=60).keep("segment", [(b"o" * 16, old)])

    digests = open_digests(tmp_path, keep_s=60)

    assert digests.claim(b"o" * 16, now)[1] is False
    assert list((tmp_path / "digests").iterdir()) == []


def test_the_oldest_go_first_when_there_are_too_many(tmp_path: Path) -> None:
    digests = open_digests(tmp_path, most=3)
    now = time.time_ns()
    for number in range(4):
        digests.claim(bytes([number]) * 16, now)

    assert digests.claim(bytes([3]) * 16, now)[1] is True
    assert digests.claim(bytes([0]) * 16, now)[1] is False


def test_the_same_body_of_another_project_or_kind_is_another_request() -> None:
    digests = {
        compute_digest(b"body", "a", "json"),
        compute_digest(b"body", "b", "json"),
        compute_digest(b"body", "a", "protobuf"),
        compute_digest(b"body!", "a", "json"),
    }

    assert len(digests) == 4
