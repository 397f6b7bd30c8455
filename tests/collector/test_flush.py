from __future__ import annotations

import json
import os
from pathlib import Path

from otlp_bodies import build_request, only_spans
from running_server import RunningServer

from watchpost_collector.counters import Counters
from watchpost_collector.otlp.envelope import Letter, read_envelopes
from watchpost_collector.private_files import make_private
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.flush import Flusher
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import Limits, Spool
from watchpost_collector.store.client import SegmentCount, StoreUnavailable

# `name` is field 5 and a text; here it is a number. upb takes that for an unknown field and lets
# it pass; the engine refuses the whole insert.
POISON = b"\x28\x01"


def build_poison(spans: int) -> bytes:
    request = build_request(spans, service="poison")
    span = only_spans(request)[0]
    span.ClearField("name")
    span.MergeFromString(POISON)
    return request.SerializeToString()


def test_a_poisoned_request_is_set_aside_with_a_reason_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with RunningServer(data, "--flush-interval", "600") as running:
        for number in range(9):
            good = build_request(3, service="healthy").SerializeToString()
            assert running.send(build_poison(2) if number == 4 else good).status == 200

        counts = running.flush()

        assert (counts["stored"], counts["set_aside"], counts["waiting"]) == (24, 2, 0)
        rows = running.query("SELECT count() FROM watchpost.spans WHERE service = 'healthy'")
        assert rows == [(24,)]
        assert list((data / "spool").glob("*.spool")) == []
        [reason] = (data / "set-aside").glob("*.reason.json")
        told = json.loads(reason.read_text())
        assert told["spans"] == 2
        assert "engine error" in told["reason"]
        assert running.send(build_request(1).SerializeToString()).status == 200
        assert running.flush()["stored"] == 25


class DenyingStore:
    """Answers questions and refuses inserts, as a store whose user lost a grant; then relents."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.stored: dict[str, int] = {}

    def insert_segment(self, body: bytes | Path, segment: str) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise StoreUnavailable("Code: 497. DB::Exception: not enough privileges")
        content = body.read_bytes() if isinstance(body, Path) else body
        self.stored[segment] = 2 * len(list(read_envelopes(content)))

    def count_segment(self, segment: str) -> SegmentCount:
        return SegmentCount(self.stored.get(segment, 0), 0, 0, 0, 0, 0, 0)

    def remove_segment(self, segment: str) -> None:
        self.stored.pop(segment, None)

    def is_inserting(self, segment: str) -> bool:
        return False


def test_a_store_that_denies_is_waited_for_and_no_good_segment_is_set_aside(
    tmp_path: Path,
) -> None:
    set_aside = make_private(tmp_path / "set-aside", "--data")
    counters = Counters()
    digests = Digests(make_private(tmp_path / "digests", "--data"))
    flusher = Flusher(digests, counters, SetAside(set_aside, counters))
    spool = Spool(make_private(tmp_path / "spool", "--data"), Limits(), flusher.hand_over)
    flusher.bind(spool)
    store = DenyingStore(refusals=6)
    flusher.start(store)
    for _ in range(3):
        body = build_request(2).SerializeToString()
        letter = Letter(body, "default", 1, 2, digest=os.urandom(16))
        counters.add(waiting=2)
        spool.append(letter).result(timeout=30)

    spool.mark().result(timeout=60)

    spool.close()
    flusher.close()
    assert store.refusals == 0
    assert sum(store.stored.values()) == 6
    assert list(set_aside.iterdir()) == []
