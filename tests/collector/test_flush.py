from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from otlp_bodies import build_poison, build_request
from running_server import RunningServer

from watchpost_collector.counters import Counters
from watchpost_collector.otlp.envelope import Letter, read_envelopes
from watchpost_collector.private_files import make_private, sync_directory
from watchpost_collector.spool import flush
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.flush import Flusher
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import DROP, Limits, Segment, Spool
from watchpost_collector.store.client import SegmentCount, SegmentRefused, StoreUnavailable


def test_a_poisoned_request_is_set_aside_with_a_reason_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with RunningServer(data, "--flush-interval", "600") as running:
        for number in range(9):
            good = build_request(3, service="healthy").SerializeToString()
            assert running.send(build_poison(1) if number in (4, 6) else good).status == 200

        counts = running.flush()

        assert (counts["stored"], counts["set_aside"], counts["waiting"]) == (21, 2, 0)
        rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'healthy'")
        assert rows == [(21,)]
        assert list((data / "spool").glob("*.spool")) == []
        [reason] = (data / "set-aside").glob("*.reason.json")
        told = json.loads(reason.read_text())
        assert told["spans"] == 2
        assert "engine error" in told["reason"]
        assert running.send(build_request(1).SerializeToString()).status == 200
        assert running.flush()["stored"] == 22


class FakeStore:
    """Refuses inserts `refusals` times as `refusal` says; else those that hold `bad` requests.

    Requests are known by their digests. What is `unreadable` it cannot decode either. Of `lost`
    inserts nobody hears that they succeeded.
    """

    def __init__(self, refusals: int = 0, refusal: str = "") -> None:
        self.refusals, self.refusal = refusals, refusal
        self.bad: set[bytes] = set()
        self.unreadable: set[bytes] = set()
        self.stored: dict[str, list[bytes]] = {}
        self.followed: list[str] = []
        self.inserts = self.unanswered = self.lost = 0

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        self.inserts += 1
        if self.refusals > 0:
            self.refusals -= 1
            raise StoreUnavailable(self.refusal)
        content = body.read_bytes() if isinstance(body, Path) else body
        self._refuse(content, self.bad | self.unreadable)
        self.stored[segment] = list_digests(content)
        if self.lost > 0:
            self.lost -= 1
            raise StoreUnavailable("timed out")
        self.follow_up(segment)

    def follow_up(self, segment: str) -> None:
        self.followed.append(segment)

    def decode_segment(self, body: bytes, segment: str) -> None:
        self._refuse(body, self.unreadable)

    def count_segment(self, segment: str) -> SegmentCount:
        if self.unanswered > 0:
            self.unanswered -= 1
            raise StoreUnavailable("connection refused")
        return SegmentCount(2 * len(self.stored.get(segment, ())), 0, 0, 0, 0, 0, 0)

    def remove_segment(self, segment: str) -> None:
        self.stored.pop(segment, None)

    def is_inserting(self, segment: str) -> bool:
        return False

    def _refuse(self, content: bytes, refused: set[bytes]) -> None:
        if refused.intersection(list_digests(content)):
            raise SegmentRefused("Code: 444. DB::Exception: (UNKNOWN_PROTOBUF_FORMAT)")


def list_digests(content: bytes) -> list[bytes]:
    return [framed.digest for framed in read_envelopes(content)]


class Flushing:
    """A spool and its flusher before a store; lives in a `with` block."""

    def __init__(self, directory: Path) -> None:
        self.counters = Counters()
        self._digests = make_private(directory / "digests", "--data")
        self.set_aside = make_private(directory / "set-aside", "--data")
        aside = SetAside(self.set_aside, self.counters)
        self._flusher = Flusher(Digests(self._digests), self.counters, aside)
        self.spooled = make_private(directory / "spool", "--data")
        self._spool = Spool(self.spooled, Limits(segment_age_s=600), self._flusher.hand_over)
        self._flusher.bind(self._spool)

    def __enter__(self) -> Flushing:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
        self._flusher.close()

    def send(self, requests: int) -> list[bytes]:
        """Append requests of two spans to a segment; their digests."""
        sent = [os.urandom(16) for _ in range(requests)]
        for digest in sent:
            self.counters.add(received=2, waiting=2)
            body = build_request(2).SerializeToString()
            letter = Letter(body, "default", time.time_ns(), 2, digest=digest)
            self._spool.append(letter).result(timeout=30)
        return sent

    def flush(self, store: FakeStore) -> None:
        """Hand everything to the store, and wait until all of it is settled."""
        self._flusher.start(store)
        self._spool.mark().result(timeout=60)

    def is_known(self, digest: bytes) -> bool:
        """Whether a collector started on these files takes the request for one sent again."""
        restarted = Digests(self._digests)
        restarted.load()
        return restarted.claim(digest)[1]

    def list_aside(self) -> list[list[bytes]]:
        """The digests of the requests in each file set aside."""
        return [list_digests(path.read_bytes()) for path in self.set_aside.glob("*.envelopes")]


def test_a_store_that_denies_is_waited_for_and_no_good_segment_is_set_aside(
    tmp_path: Path,
) -> None:
    store = FakeStore(6, "Code: 497. DB::Exception: not enough privileges")
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(3)

        flushing.flush(store)

        assert store.refusals == 0
        assert list(store.stored.values()) == [sent]
        assert list(flushing.set_aside.iterdir()) == []


def test_however_many_are_poisoned_the_others_are_stored_by_one_insert_in_their_order(
    tmp_path: Path,
) -> None:
    store = FakeStore()
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(40)
        poisoned = [sent[0], *sent[7:9], sent[30], sent[39]]
        store.unreadable = set(poisoned)

        flushing.flush(store)

        assert store.inserts == 2
        assert list(store.stored.values()) == [[one for one in sent if one not in poisoned]]
        assert flushing.list_aside() == [poisoned]
        counts = flushing.counters.read()
        assert (counts.stored, counts.set_aside, counts.waiting) == (70, 10, 0)


def test_a_segment_of_poison_alone_is_set_aside_as_it_is(tmp_path: Path) -> None:
    store = FakeStore()
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(5)
        store.unreadable = set(sent)

        flushing.flush(store)

        assert (store.inserts, store.stored) == (1, {})
        assert flushing.list_aside() == [sent]


def test_what_was_stored_and_what_was_set_aside_is_known_when_it_is_sent_again(
    tmp_path: Path,
) -> None:
    store = FakeStore()
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(3)
        store.unreadable = {sent[1]}

        flushing.flush(store)

        assert [flushing.is_known(digest) for digest in sent] == [True] * 3
        assert not flushing.is_known(os.urandom(16))


def test_what_can_be_read_and_is_refused_all_the_same_is_found_by_halves(tmp_path: Path) -> None:
    store = FakeStore()
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(8)
        store.bad, store.unreadable = {sent[2]}, {sent[6]}

        flushing.flush(store)

        kept = [one for stored in store.stored.values() for one in stored]
        assert sorted(kept) == sorted(set(sent) - {sent[2], sent[6]})
        assert sorted(flushing.list_aside()) == sorted([[sent[2]], [sent[6]]])


def test_a_store_that_goes_away_amid_the_search_is_waited_for(tmp_path: Path) -> None:
    store = FakeStore()
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(4)
        store.unreadable = {sent[1]}
        store.unanswered = 2

        flushing.flush(store)

        assert list(store.stored.values()) == [[sent[0], *sent[2:]]]
        assert flushing.list_aside() == [[sent[1]]]


def test_what_follows_an_insert_is_done_also_where_nobody_heard_that_it_succeeded(
    tmp_path: Path,
) -> None:
    store = FakeStore()
    store.lost = 1
    with Flushing(tmp_path) as flushing:
        sent = flushing.send(3)

        flushing.flush(store)

        [(segment, stored)] = store.stored.items()
        assert (stored, store.inserts, store.followed) == (sent, 1, [segment])
        assert flushing.counters.read().stored == 6


def test_a_segment_whose_file_is_gone_when_its_deletion_fails_is_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("the disk says no")]

    def fail_once(directory: Path) -> None:
        sync_directory(directory)
        if failures:
            raise failures.pop()

    with Flushing(tmp_path) as flushing:
        flushing.send(2)
        monkeypatch.setattr(flush, "sync_directory", fail_once)

        flushing.flush(FakeStore())

        counts = flushing.counters.read()
        assert (counts.stored, counts.waiting, failures) == (4, 0, [])
        assert list(flushing.spooled.iterdir()) == []


def test_what_cannot_be_dropped_is_kept_and_counted_as_waiting(tmp_path: Path) -> None:
    counters = Counters()
    counters.add(received=3, waiting=3)
    flusher = Flusher(Digests(tmp_path), counters, SetAside(tmp_path, counters))
    limits = Limits(bound_age_s=-1.0, when_old=DROP)
    spool = Spool(make_private(tmp_path / "spool", "--data"), limits, flusher.hand_over)
    flusher.bind(spool)
    # A folder in the place of the file: it cannot be unlinked.
    segment = Segment(spool.next_name(), make_private(tmp_path / "folder", "--data"), 9, 3, ())
    spool.adopt(segment)
    flusher.hand_over(segment)

    flusher.drop_old()

    assert (counters.read().waiting, counters.read().dropped) == (3, 0)
    assert spool.waiting_segments == 1
    segment.path.rmdir()
    flusher.drop_old()
    assert (counters.read().waiting, counters.read().dropped) == (0, 3)
    spool.close()
