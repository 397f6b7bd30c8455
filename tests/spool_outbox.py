"""Spools under test, what they hand on, and what their processes leave behind."""

from __future__ import annotations

import os
import queue
from concurrent.futures import Future
from pathlib import Path

from otlp_bodies import build_request

from watchpost_collector.counters import Counters
from watchpost_collector.otlp.envelope import Letter
from watchpost_collector.private_files import make_private
from watchpost_collector.spool.segments import recover_segments
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import Limits, Segment, Spool

SLOW = Limits(segment_age_s=600)
Item = Segment | Future[None]


def build_letter(spans: int = 1, body: bytes | None = None) -> Letter:
    """A letter with a digest of its own."""
    encoded = build_request(spans).SerializeToString() if body is None else body
    return Letter(encoded, "default", 1, spans, digest=os.urandom(16))


class Outbox:
    """Spools under test and what they hand on."""

    def __init__(self, directory: Path) -> None:
        self.directory = make_private(directory / "spool", "--data")
        self.set_aside = make_private(directory / "set-aside", "--data")
        self.counters = Counters()
        self.aside = SetAside(self.set_aside, self.counters)
        self.items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.spools: list[Spool] = []

    def open(self, limits: Limits = SLOW) -> Spool:
        """A spool over the directory."""
        self.spools.append(Spool(self.directory, limits, self.items.put))
        return self.spools[-1]

    def next_segment(self) -> Segment:
        """The next that was handed on, and it is a segment."""
        item = self.items.get(timeout=30)
        assert isinstance(item, Segment)
        return item

    def recover(self) -> list[Segment]:
        """What a start finds in the directory."""
        return recover_segments(self.directory, self.aside.take_bytes, self.counters)

    def close(self) -> None:
        """Close every spool."""
        for spool in self.spools:
            spool.close()


def leave_segment(outbox: Outbox, spans: tuple[int, ...]) -> Segment:
    """A sealed segment with a request of so many spans each."""
    spool = outbox.open()
    for count in spans:
        spool.append(build_letter(count))
    spool.close()
    return outbox.next_segment()
