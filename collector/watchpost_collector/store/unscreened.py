"""Calls that a policy's guards have not looked at yet, and the verdicts written on them afterwards.

What came is queued by segment as it is stored, and what the store holds says which guards have
spoken: so a restart doubles nothing. Up to where all was looked at is `mark`, which whoever
keeps it gives back at the next start. It runs no guard and knows no policy.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from watchpost.screening.decision import Ruling
from watchpost_collector.store.client import Store
from watchpost_collector.store.stored_texts import HERE, PLACE, Place, read_calls, read_messages

MOST_CHARACTERS = 1_000_000
"""Of one call's messages; a longer one is told as not checked."""
_SETTLED_S = 10.0
_SEGMENTS_AT_ONCE = 20
_PLACES_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Unread:
    """A call, its stored messages as a row of `messages` (None without any), and who spoke of it.

    `lot` is its trace's, between 0 and 1: a rule that looks at a share of them looks below that.
    """

    place: Place
    lot: float
    model: str
    messages: Mapping[str, Any] | None
    judged: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Waiting:
    sql: str
    segment: str
    since: float


class Unscreened:
    """What is left to look at; lives as long as its store. `add` from any thread.

    `mark` is the moment, as the engine tells time, up to which everything was looked at.
    """

    def __init__(self, store: Store, mark: str = "", settled_s: float = _SETTLED_S) -> None:
        self._store = store
        self._settled_s = settled_s
        self._lock = threading.Lock()
        self.mark = mark or str(store.query("select toString(now64(6))").rows[0][0])
        self.sampled_out = 0
        # What a process that died had not come to.
        self._queue = deque([_Waiting(_SINCE_MARK, "", time.monotonic())])
        self._taken: list[_Waiting] = []
        self._places: deque[tuple[Place, float]] = deque()
        self._upto = ""
        self._offset = 0

    @property
    def waiting(self) -> int:
        """Segments that were not looked into yet, and calls of the one that is being looked at."""
        with self._lock:
            return len(self._queue) + len(self._places)

    @property
    def behind_s(self) -> float:
        """Seconds since what is next came; 0 when nothing waits longer than it should."""
        with self._lock:
            oldest = min((each.since for each in (*self._taken, *self._queue)), default=None)
        return 0.0 if oldest is None else max(0.0, time.monotonic() - oldest - self._settled_s)

    def add(self, segment: str, *, logs: bool = False) -> None:
        """Look at a segment's calls when they are settled, or at those its log events speak of."""
        sql = _BY_MESSAGES if logs else _BY_SEGMENT
        with self._lock:
            self._queue.append(_Waiting(sql, segment, time.monotonic()))

    def take(self, most: int, share: float) -> list[Unread]:
        """The next calls with their texts, of those whose lot is below `share`."""
        while not self._places and self._look_into_next(share):
            pass
        with self._lock:
            taken = [self._places.popleft() for _ in range(min(most, len(self._places)))]
        try:
            return self._read(dict(taken))
        except Exception:
            self.put_back(taken)
            raise

    def put_back(self, taken: Sequence[tuple[Place, float]]) -> None:
        """Look at these again next: what was said of them could not be written."""
        with self._lock:
            self._places.extendleft(reversed(taken))

    def write(self, said: Sequence[tuple[Place, Ruling]]) -> None:
        """Write verdicts beside their calls, which says the rest of them; doing it again is safe.

        A call that was erased meanwhile gets none.
        """
        if not said:
            return
        places = sorted({place for place, _ in said})
        rows = [
            (
                *(places.index(place) + 1, ruling.verdict.guard, ruling.verdict.label),
                *(ruling.direction, ruling.action),
                *(int(ruling.verdict.tripped), int(ruling.verdict.failed)),
                *(float(ruling.verdict.probability), float(ruling.verdict.threshold)),
                *(float(ruling.verdict.duration_ms), ruling.verdict.revision),
            )
            for place, ruling in said
        ]
        bound = {"places": places, "said": rows, "keys": _keys(places), **_around(places)}
        self._store.command(_WRITE, bound)

    def _look_into_next(self, share: float) -> bool:
        """Find the calls of the next segments; False when none is due."""
        group = self._next_group()
        if not group:
            return False
        which = group[0].sql
        bound: dict[str, Any] = {"share": share}
        if which == _SINCE_MARK:
            bound["mark"] = self.mark
        else:
            bound["segments"] = [each.segment for each in group]
        page = {**bound, "most": _PLACES_AT_ONCE, "offset": self._offset}
        try:
            [(upto, left_out)] = self._store.query(_COUNT.format(which), bound).rows
            rows = self._store.query(_FIND.format(which), page).rows
        except Exception:
            with self._lock:
                self._queue.extendleft(reversed(group))
                self._taken, self._offset = [], 0
            raise
        if not self._offset:
            self.sampled_out += int(left_out)
        self._upto = max(self._upto, str(upto))
        self._offset = self._offset + len(rows) if len(rows) == _PLACES_AT_ONCE else 0
        with self._lock:
            self._places.extend(((p, int(h), t, s), float(lot)) for p, h, t, s, lot in rows)
        return True

    def _next_group(self) -> list[_Waiting]:
        """The segments to look into next: as many as one question is asked of, once settled."""
        with self._lock:
            if self._offset:
                return self._taken
            # All of what was taken last was looked at.
            self.mark = max(self.mark, self._upto)
            self._taken = []
            due = time.monotonic() - self._settled_s
            sql = self._queue[0].sql if self._queue else ""
            alike = takewhile(lambda each: each.sql == sql and each.since <= due, self._queue)
            self._taken = list(islice(alike, _SEGMENTS_AT_ONCE))
            for _ in self._taken:
                self._queue.popleft()
            return self._taken

    def _read(self, lots: Mapping[Place, float]) -> list[Unread]:
        if not lots:
            return []
        calls = read_calls(self._store, list(lots), "counted")
        messages = read_messages(self._store, calls, MOST_CHARACTERS)
        judged = self._read_judged(calls)
        found = []
        for call in calls:
            place = (call["project"], int(call["hour"]), call["trace_id"], call["span_id"])
            own = (call["project"], call["trace_id"], call["span_id"])
            held = (call["project"], call["held_trace"], call["held_span"])
            spoke = judged.get(own, frozenset()) | judged.get(held, frozenset())
            found.append(Unread(place, lots[place], call["model"], messages.get(held), spoke))
        return found

    def _read_judged(
        self, calls: Sequence[Mapping[str, Any]]
    ) -> dict[tuple[str, str, str], frozenset[str]]:
        """The guards that have spoken of these calls, or of the spans their messages lie under."""
        if not calls:
            return {}
        places = [(c["project"], int(c["hour"]), c["trace_id"], c["span_id"]) for c in calls]
        held = [(c["project"], c["held_trace"], c["held_span"]) for c in calls]
        bound = {"keys": sorted({*_keys(places), *held}), **_around(places)}
        return {
            (str(project), str(trace), str(span)): frozenset(map(str, guards))
            for project, trace, span, guards in self._store.query(_JUDGED, bound)
        }


def _keys(places: Sequence[Place]) -> list[tuple[str, str, str]]:
    return sorted({(project, trace, span) for project, _, trace, span in places})


def _around(places: Sequence[Place]) -> dict[str, int]:
    """The hours of these calls, and one more on either side for the spans around them."""
    hours = [hour for _, hour, _, _ in places]
    return {"first": min(hours) - 3600, "last": max(hours) + 7200}


# The lot of 0003_work.sql: whoever samples by it, here or there, has the same traces.
_LOT = "bitShiftRight(xxHash64(concat(project::String, '\\0', trace_id)), 11) / 9007199254740992"
_WANTED = "counted and kind = 'generation' and not hollow"
_BY_SEGMENT = f"{_WANTED} and spool_segment in {{segments:Array(String)}}"
_SINCE_MARK = (
    f"{_WANTED} and stored >= today() - 7 "
    # What was inserted at the same time may have come a little earlier.
    "and arrived >= toDateTime64({mark:String}, 6, 'UTC') - interval 10 minute"
)
_NAMED = (
    "select project, trace_id, span_id from watchpost.content "
    "where spool_segment in {segments:Array(String)}"
)
_BY_MESSAGES = f"{_WANTED} and (project, trace_id, span_id) in ({_NAMED})"
_COUNT = f"""
select toString(max(arrived)),
    uniqExactIf((project, trace_id, span_id), {_LOT} >= {{{{share:Float64}}}})
from watchpost.calls where {{0}}
"""  # noqa: S608
_FIND = f"""
select distinct project, toUnixTimestamp(toStartOfHour(start)), trace_id, span_id, {_LOT} as lot
from watchpost.calls where {{0}} and lot < {{{{share:Float64}}}}
order by project, trace_id, span_id limit {{{{most:UInt32}}}} offset {{{{offset:UInt32}}}}
"""  # noqa: S608
_SPOKEN = """
from watchpost.verdicts
where start >= fromUnixTimestamp({first:Int64}) and start < fromUnixTimestamp({last:Int64})
    and (project, trace_id, span_id) in {keys:Array(Tuple(String, String, String))}
"""
_JUDGED = f"""
select project, trace_id, span_id, groupUniqArray(guard) {_SPOKEN}
group by project, trace_id, span_id
"""
_SAID = (
    "Array(Tuple(UInt32, String, String, String, String, UInt8, UInt8, "
    "Float64, Float64, Float64, String))"
)
_WRITE = f"""
insert into watchpost.verdicts (
    project, trace_id, span_id, start, service, environment, model, prompt_name, prompt_version,
    guard, label, direction, action, tripped, failed, probability, threshold, duration_ms,
    revision, segments, weight, in_background)
with {{places:Array({PLACE})}} as places, {{said:{_SAID}}} as said
select
    project, trace_id, span_id, start, service, environment, model, prompt_name, prompt_version,
    one.2, one.3, one.4, one.5, one.6 = 1, one.7 = 1, one.8, one.9, one.10, one.11,
    segments, weight, true
from (
    select project, trace_id, span_id, start, service, environment, model, prompt_name,
        prompt_version, segments, weight, indexOf(places, {HERE}) as place
    from watchpost.calls final
    where counted and {HERE} in {{places:Array({PLACE})}}
) as call
array join arrayFilter(s -> s.1 = place, said) as one
where (project, trace_id, span_id, one.2) not in (
    select project, trace_id, span_id, guard {_SPOKEN})
"""  # noqa: S608
