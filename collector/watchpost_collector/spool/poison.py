"""Finding the poisoned requests of a segment: what passes protobuf and the engine cannot read.

The engine itself is asked, of ever smaller stretches, to decode and keep nothing: an insert plans
the SQL of every view and costs fifty times as much. This file stores nothing and moves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watchpost_collector.otlp.envelope import Framed, read_envelopes
from watchpost_collector.private_files import read_private
from watchpost_collector.spool.blame import is_about_content
from watchpost_collector.spool.writer import Segment
from watchpost_collector.trouble import summarize

log = logging.getLogger(__name__)

# An answer costs the same for one request as for a hundred. Among so few halves save next to
# nothing where one is refused, and cost twice as many questions where all of them are.
_ONE_BY_ONE = 8


class Decoder(Protocol):
    """What is asked of a store here; it raises as an insert of the same bytes would."""

    def decode_segment(self, body: bytes, segment: str) -> None:
        """Read envelopes as an insert of the segment does, and keep nothing of them."""


def find_poison(decoder: Decoder, segment: Segment) -> Mapping[int, str]:
    """Why the engine refuses them, by the places of the envelopes it refuses one by one.

    Empty when it can read them all: the fault lies deeper. Also when it would not be asked.
    """
    content = read_private(segment.path)
    search = _Search(decoder, segment.name, content, list(read_envelopes(content)))
    try:
        search.look(0, len(search.envelopes))
    except Exception as error:  # whatever a driver raises, what was found so far is true
        log.warning("segment %s could not be searched: %s", segment.name, summarize(error))
    return search.found


@dataclass(slots=True)
class _Search:
    """One search; `found` grows as it goes."""

    decoder: Decoder
    segment: str
    content: bytes
    envelopes: Sequence[Framed]
    found: dict[int, str] = field(default_factory=dict)

    def look(self, first: int, after: int) -> None:
        """Find what is refused among the envelopes from `first` up to `after`."""
        reason = self._ask(first, after)
        if not reason:
            return
        size = after - first
        if size == 1:
            self.found[first] = reason
            return
        step = 1 if size <= _ONE_BY_ONE else -(-size // 2)
        for start in range(first, after, step):
            self.look(start, min(start + step, after))

    def _ask(self, first: int, after: int) -> str:
        start, end = self.envelopes[first].start, self.envelopes[after - 1].end
        try:
            self.decoder.decode_segment(self.content[start:end], self.segment)
        except Exception as error:
            if not is_about_content(error):
                raise
            return summarize(error)
        return ""
