from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from otlp_bodies import build_poison, build_request
from otlp_signals import Logs, Metrics
from store_segments import name_segment

from watchpost_collector.otlp.envelope import Letter, frame_head, read_envelopes
from watchpost_collector.otlp.signals import SIGNALS, Signal, mark_segment
from watchpost_collector.spool.poison import find_poison
from watchpost_collector.spool.writer import Segment
from watchpost_collector.store.client import SegmentRefused, Store, StoreUnavailable


def build_body(signal: Signal, *, poisoned: bool = False) -> bytes:
    """One span, record or point; poisoned, what should be a text in it is a number."""
    if signal.name == "logs":
        logs = Logs()
        logs.add("", "words")
        record = logs.request.resource_logs[0].scope_logs[0].log_records[0]
        record.ClearField("severity_text")
        record.MergeFromString(b"\x18\x01" if poisoned else b"")
        return logs.encode()
    if signal.name == "metrics":
        metrics = Metrics()
        metric = metrics.add("load", "")
        metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
        metric.MergeFromString(b"\x18\x01" if poisoned else b"")
        return metrics.encode()
    return build_poison() if poisoned else build_request().SerializeToString()


def write_segment(directory: Path, signal: Signal, bodies: Sequence[bytes]) -> Segment:
    """A segment file with these bodies, as the spool leaves it."""
    name = mark_segment(name_segment(), signal)
    path = directory / f"{name}.spool"
    content = b""
    for number, body in enumerate(bodies):
        letter = Letter(body, name, time.time_ns(), 1, digest=number.to_bytes(16, "big"))
        content += frame_head(letter, name) + body
    path.write_bytes(content)
    return Segment(name, path, len(content), len(bodies), ())


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_the_engine_points_at_each_request_it_cannot_read_and_stores_none(
    store: Store, tmp_path: Path, signal: Signal
) -> None:
    bodies = [build_body(signal, poisoned=number in (0, 4, 5, 8)) for number in range(9)]
    segment = write_segment(tmp_path, signal, bodies)

    found = find_poison(store, segment)

    assert list(found) == [0, 4, 5, 8]
    assert {reason[:13] for reason in found.values()} == {"engine error "}
    assert store.count_segment(segment.name).spans == 0
    assert segment.path.exists()


def test_a_segment_that_the_engine_can_read_holds_no_poison(store: Store, tmp_path: Path) -> None:
    segment = write_segment(tmp_path, SIGNALS[0], [build_body(SIGNALS[0])] * 3)

    assert find_poison(store, segment) == {}


class Decoder:
    """Refuses whatever holds one of the poisoned; goes away after so many answers."""

    def __init__(self, poisoned: set[int], answers: float = math.inf) -> None:
        self.poisoned = poisoned
        self.left = answers
        self.asked = 0

    def decode_segment(self, body: bytes, segment: str) -> None:
        self.asked += 1
        if self.asked > self.left:
            raise StoreUnavailable("connection refused")
        places = {int.from_bytes(framed.digest, "big") for framed in read_envelopes(body)}
        if places & self.poisoned:
            raise SegmentRefused("Code: 444. DB::Exception: (UNKNOWN_PROTOBUF_FORMAT)")


@pytest.mark.parametrize("seed", range(20))
def test_every_poisoned_request_is_found_and_none_beside_them_in_few_questions(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    size = dice.randrange(1, 300)
    poisoned = set(dice.sample(range(size), dice.randrange(min(size, 6) + 1)))
    decoder = Decoder(poisoned)

    found = find_poison(decoder, write_segment(tmp_path, SIGNALS[0], [b"body"] * size))

    assert set(found) == poisoned
    assert decoder.asked <= 1 + len(poisoned) * (8 + 2 * math.ceil(math.log2(size)))


def test_where_all_is_poison_a_request_costs_little_more_than_one_question(tmp_path: Path) -> None:
    decoder = Decoder(set(range(500)))

    found = find_poison(decoder, write_segment(tmp_path, SIGNALS[0], [b"body"] * 500))

    assert len(found) == 500
    assert decoder.asked < 700


def test_a_store_that_goes_away_meanwhile_leaves_what_was_found(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, SIGNALS[0], [b"body"] * 8)

    assert set(find_poison(Decoder({0, 7}, answers=5), segment)) == {0}
    assert find_poison(Decoder({0, 7}, answers=0), segment) == {}
