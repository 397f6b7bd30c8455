"""Tokens nobody reported, counted from the stored messages in the background and marked as such.

A foreign emitter that records a stream without usage leaves a call at no cost. Where its messages
are stored, they are counted here with tiktoken and the call gets a later version, `estimated`,
priced like any other. As in the SDK, a call that answered nothing is not known to have been charged
and stays as it is. What the store holds says what is left to do, so a restart loses nothing and a
second run changes nothing. It knows messages of any dialect as texts, and no more of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from watchpost.pricing.tokens import count_tokens
from watchpost_collector.store.client import Store
from watchpost_collector.store.messages import nest
from watchpost_collector.store.stored_texts import (
    HERE,
    PLACE,
    SAID,
    Place,
    list_texts,
    read_calls,
    read_messages,
)

_CALLS_AT_ONCE = 50
_MOST_WAITING = 100_000
_SEGMENTS_AT_ONCE = 50
# Beyond this a text is not counted: one call must not take the others' time.
_MOST_CHARACTERS = 2_000_000
# The tokenizer takes more than its share of time on one endless word.
_PIECE_CHARACTERS = 10_000
# As OpenAI documents it: every message is framed by three tokens, the answer by three more.
_TOKENS_A_MESSAGE = 3
_VOCABULARY_WAIT_S = 10.0
_VOCABULARY_RETRY_S = 300.0

_ASKED = ("input_messages", "system_instructions", "tool_definitions")
# Names and descriptions of tools are read too.
_COUNTED = SAID | {"name", "description", "parameters"}


@dataclass(frozen=True, slots=True)
class EstimateState:
    """What was done since the start: calls counted, calls waiting, and why they wait."""

    counted: int = 0
    waiting: int = 0
    reason: str = ""


class Estimates:
    """The work to do, by segment; lives as long as its store. `add` from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        # The questions to ask, each of a segment; the first finds what a process that died left.
        self._segments: deque[tuple[str, str]] = deque([(_SINCE_LAST_WEEK, "")])
        self._places: deque[Place] = deque()
        self._counted = 0
        self._reason = ""
        self._retry_at = 0.0

    @property
    def state(self) -> EstimateState:
        """How far it is."""
        with self._lock:
            waiting = len(self._places)
        return EstimateState(self._counted, waiting, self._reason)

    def add(self, segment: str, *, logs: bool = False) -> None:
        """Look at a segment's calls when there is time, or at those its log events speak of."""
        with self._lock:
            self._segments.append((_BY_MESSAGES if logs else _BY_SEGMENT, segment))

    def work(self, for_s: float = 2.0) -> int:
        """Count what there is to count, for so many seconds at most; the calls counted."""
        if time.monotonic() < self._retry_at:
            return 0
        done = 0
        give_up = time.monotonic() + for_s
        while time.monotonic() < give_up and (places := self._take()):
            if not _has_vocabulary():
                self._reason = "tiktoken's vocabulary cannot be loaded: set TIKTOKEN_CACHE_DIR"
                self._retry_at = time.monotonic() + _VOCABULARY_RETRY_S
                with self._lock:
                    self._places.extendleft(reversed(places))
                break
            self._reason = ""
            try:
                done += self._count(places)
            except Exception:
                with self._lock:
                    self._places.extendleft(reversed(places))
                raise
        self._counted += done
        return done

    def _take(self) -> list[Place]:
        """The next calls to look at; segments are looked into when none are left."""
        while not self._places and (asked := self._next_segments()):
            bound = {"segments": [segment for _, segment in asked], "most": _MOST_WAITING}
            if asked[0][0] == _SINCE_LAST_WEEK:
                del bound["segments"]
            rows = self._store.query(asked[0][0], bound)
            with self._lock:
                for _ in asked:
                    self._segments.popleft()
                self._places.extend((p, int(hour), t, s) for p, hour, t, s in rows)
        with self._lock:
            number = min(len(self._places), _CALLS_AT_ONCE)
            return [self._places.popleft() for _ in range(number)]

    def _next_segments(self) -> list[tuple[str, str]]:
        """The segments to look into next: as many as one question is asked of."""
        with self._lock:
            first = next(iter(self._segments), ("", ""))[0]
            alike = takewhile(lambda asked: asked[0] == first, self._segments)
            return list(islice(alike, _SEGMENTS_AT_ONCE))

    def _count(self, places: Sequence[Place]) -> int:
        calls = read_calls(self._store, places, _WANTED)
        messages = read_messages(self._store, calls, 4 * _MOST_CHARACTERS)
        found: list[tuple[Place, int, int]] = []
        for call in calls:
            row = messages.get((call["project"], call["held_trace"], call["held_span"]))
            embedding = call["kind"] == "embedding"
            counts = row and estimate_call(row, call["model"], embedding=embedding)
            if counts:
                place = (call["project"], call["hour"], call["trace_id"], call["span_id"])
                found.append((place, *counts))
        if found:
            bound = {
                "places": [place for place, _, _ in found],
                "read": [read for _, read, _ in found],
                "written": [written for _, _, written in found],
            }
            self._store.command(_CORRECT, bound)
        return len(found)


def estimate_call(
    row: Mapping[str, Any], model: str, *, embedding: bool = False
) -> tuple[int, int] | None:
    """Input and output tokens of a call from its row of `messages`; None where nobody can tell.

    Without an answer there is nothing to tell: it may have failed before anything was charged. (An
    embedding answers with numbers, which are not stored.)
    """
    asked = [text for name in _ASKED for text in _say(row[name])]
    said = list(_say(row["output_messages"]))
    if not asked or (not said and not embedding):
        return None
    if sum(map(len, asked)) + sum(map(len, said)) > _MOST_CHARACTERS:
        return None
    read, written = _count_texts(asked, model), _count_texts(said, model)
    if read is None or written is None:
        return None
    if embedding:
        return read, 0
    messages = _count_messages(row["input_messages"]) + bool(row["system_instructions"])
    return read + _TOKENS_A_MESSAGE * (messages + 1), written


def _count_texts(texts: Sequence[str], model: str) -> int | None:
    total = 0
    for text in texts:
        for first in range(0, len(text), _PIECE_CHARACTERS):
            counted = count_tokens(text[first : first + _PIECE_CHARACTERS], model)
            if counted is None:
                return None
            total += counted
    return total


def _count_messages(stored: str) -> int:
    value = nest(stored) if stored else []
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    return len(value) if isinstance(value, list) else 1


def _say(stored: str) -> Iterator[str]:
    return (text for text, _ in list_texts(stored, keys=_COUNTED))


def _has_vocabulary() -> bool:
    return count_tokens("a", "", wait_s=_VOCABULARY_WAIT_S) is not None


_WANTED = "counted and usage_source = 'none' and not blocked and not hollow"
_WITHOUT_USAGE = f"""
select project, toUnixTimestamp(toStartOfHour(start)), trace_id, span_id from watchpost.calls
where {_WANTED} and {{0}} limit {{{{most:UInt32}}}}
"""  # noqa: S608
# One question each, because with an `or` between them no index of any would be used.
_BY_SEGMENT = _WITHOUT_USAGE.format("spool_segment in {segments:Array(String)}")
_SINCE_LAST_WEEK = _WITHOUT_USAGE.format("stored >= today() - 7")
_NAMED = "select {} from watchpost.content where spool_segment in {{segments:Array(String)}}"
_BY_MESSAGES = _WITHOUT_USAGE.format(
    f"""trace_id in ({_NAMED.format("trace_id")})
    and (project, trace_id, span_id) in ({_NAMED.format("project, trace_id, span_id")})"""
)
_THESE = f"""from watchpost.calls final
where {_WANTED}
    and {HERE} in {{places:Array({PLACE})}}"""
# What came meanwhile (a twin with usage, a burial) is seen once more as it is written.
_CORRECT = f"""
insert into watchpost.to_price
with
    {{places:Array({PLACE})}} as places,
    indexOf(places, {HERE}) as place
select * replace (
    {{read:Array(UInt64)}}[place] as input_tokens,
    {{written:Array(UInt64)}}[place] as output_tokens,
    'estimated' as usage_source, true as tokens_estimated,
    toUInt64(toUnixTimestamp64Nano(now64(9))) as version)
from (select * {_THESE})
"""  # noqa: S608
