"""Settling: which spans of a segment are the same call as others, whenever those arrived.

Stacked instrumentations record one call several times: nested within a trace, or side by side in
two traces that name the same response. One span of a stack counts, the innermost; it is given what
only those around it knew (prompt, session, verdicts). `find_doubles` and `find_offers` decide, from
plain values; the rest reads and writes. Nothing here sees text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from watchpost_collector.store.client import Store

# A trace with more calls than this is settled by the insert's own rule alone.
MOST_CALLS_OF_A_TRACE = 2000
# Instrumentations that tell of a stream in a span of its own when it is over, and how long after.
_LATE_SCOPES = "logfire."
_LATE_NS = 1_000_000_000
_HOUR_S = 3600
_HOUR_NS = _HOUR_S * 10**9
# Keys go as a parameter, and over HTTP a parameter goes in the address.
_KEYS_A_QUERY = 1000

Key = tuple[str, str, str]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Seen:
    """One LLM span, as far as counting goes. Times are nanoseconds since 1970."""

    project: str
    trace_id: str
    span_id: str
    parent_span_id: str
    scope: str
    response_id: str
    start_ns: int
    end_ns: int
    has_usage: bool
    # Both counts as one number (0: none), to know the same usage by.
    tokens: int = 0

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.project, self.trace_id, self.span_id

    @property
    def place(self) -> tuple[str, int, str, str]:
        """Where it lies in `calls`: its key in the table's order, the hour in Unix seconds."""
        hour = self.start_ns // _HOUR_NS * _HOUR_S
        return self.project, hour, self.trace_id, self.span_id


def find_doubles(spans: Iterable[Seen]) -> set[Key]:
    """The keys of the spans that are a call another span already counts.

    Within a trace the deepest span of a chain counts, but one with usage before one without.
    Across traces two spans are one call when they name the same response, come from different
    instrumentations, and one lies within the other in time.
    """
    unique = {span.key: span for span in spans}
    buried: set[Key] = set()
    for span in unique.values():
        if span.has_usage:
            buried.update(_chain_above(span, unique))
    for span in sorted(unique.values(), key=lambda seen: -seen.start_ns):
        if span.has_usage or span.key in buried:
            continue
        above = _chain_above(span, unique)
        if any(unique[key].has_usage and key not in buried for key in above):
            buried.add(span.key)
        else:
            buried.update(above)
    told = {late.key for _, late in _told_late(unique.values())}
    return buried | told | _same_responses(unique.values())


def find_offers(spans: Iterable[Seen]) -> list[list[tuple[Seen, Seen]]]:
    """Who can give what it knows to whom, as (inner, outer) pairs, the nearest outer spans first.

    A span gives to every call with usage below it in its unbroken chain, and to one that lies
    within it in time, names the same response and was seen by another instrumentation.
    """
    unique = {span.key: span for span in spans}
    rounds: list[list[tuple[Seen, Seen]]] = [[]]
    for inner in unique.values():
        if not inner.has_usage:
            continue
        for distance, key in enumerate(_chain_above(inner, unique)):
            rounds.extend([] for _ in range(distance + 1 - len(rounds)))
            rounds[distance].append((inner, unique[key]))
    for group in _by_response(unique.values()):
        rounds[0] += [
            (inner, outer)
            for inner in group
            for outer in group
            if inner.has_usage
            and inner.scope != outer.scope
            and outer.start_ns <= inner.start_ns
            and inner.end_ns <= outer.end_ns
        ]
    rounds[0] += _told_late(unique.values())
    return rounds if rounds[0] else []


def settle(store: Store, segment: str = "") -> int:
    """Settle the calls a segment touches ('' for all that came since yesterday).

    Returns the spans buried. One narrow query says that nothing in the segment can be a double, and
    then that was all. Safe to repeat: what is settled already is left alone.
    """
    seen = _candidates(store, segment)
    if not seen:
        return 0
    unique = {span.key: span for span in seen}
    doubles = [unique[key].place for key in sorted(find_doubles(seen))]
    buried = sum(_bury(store, chunk) for chunk in _chunks(doubles))
    for pairs in find_offers(seen):
        for chunk in _chunks([(*inner.place, *outer.place) for inner, outer in pairs]):
            store.command(_CARRY, {"pairs": chunk})
    return buried


def _bury(store: Store, places: Sequence[object]) -> int:
    """Say of these spans, as far as they still count, that they do not; how many that were."""
    bound = {"places": places}
    [(count,)] = store.query(f"select count() {_STILL_COUNTED}", bound).rows
    if count:
        store.command(_BURY, bound)
    return int(count)


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for begin in range(0, len(items), _KEYS_A_QUERY):
        yield items[begin : begin + _KEYS_A_QUERY]


def _chain_above(span: Seen, unique: Mapping[Key, Seen]) -> list[Key]:
    """The unbroken line of LLM spans over this one; a loop of parents ends it."""
    line: list[Key] = []
    key = (span.project, span.trace_id, span.parent_span_id)
    while key in unique and key not in line and key != span.key:
        line.append(key)
        key = (span.project, span.trace_id, unique[key].parent_span_id)
    return line


def _by_response(spans: Iterable[Seen]) -> Iterator[list[Seen]]:
    """The spans that name one response, for each that several name."""
    groups: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for span in spans:
        if span.response_id:
            groups[span.project, span.response_id].append(span)
    return (group for group in groups.values() if len(group) > 1)


def _same_responses(spans: Iterable[Seen]) -> set[Key]:
    buried: set[Key] = set()
    for group in _by_response(spans):
        # Latest start first: the inner span is met before the outer one it lies in.
        group.sort(key=lambda seen: (seen.has_usage, seen.start_ns), reverse=True)
        for place, inner in enumerate(group):
            if inner.key in buried:
                continue
            buried.update(
                outer.key
                for outer in group[place + 1 :]
                if outer.scope != inner.scope and _one_within_other(outer, inner)
            )
    return buried


def _told_late(spans: Iterable[Seen]) -> list[tuple[Seen, Seen]]:
    """Pairs of a call and Logfire's word of it after its stream, which names no response.

    That word stands beside the call, not above it: the same counts, in the same trace, from another
    instrumentation, and the call ended as it was given. Each call is told once.
    """
    ordered = sorted(spans, key=lambda seen: seen.end_ns)
    pairs: list[tuple[Seen, Seen]] = []
    for late in ordered:
        if not late.scope.startswith(_LATE_SCOPES) or late.response_id or not late.tokens:
            continue
        known = {inner.key for inner, _ in pairs}
        for inner in ordered:
            if (
                inner.scope != late.scope
                and inner.key not in known
                and (inner.project, inner.trace_id) == (late.project, late.trace_id)
                and inner.tokens == late.tokens
                and inner.start_ns <= late.end_ns
                and abs(late.end_ns - inner.end_ns) <= _LATE_NS
            ):
                pairs.append((inner, late))
                break
    return pairs


def _one_within_other(one: Seen, other: Seen) -> bool:
    return (one.start_ns <= other.start_ns and other.end_ns <= one.end_ns) or (
        other.start_ns <= one.start_ns and one.end_ns <= other.end_ns
    )


def _candidates(store: Store, segment: str) -> list[Seen]:
    """The spans of every chain and every shared response that this segment has a part in."""
    found: list[Seen] = []
    rows = store.query(_STACKS, {"segment": segment}).rows
    traces = [(project, hour, trace) for project, hour, trace, key in rows if not key]
    responses = [(project, hour, key) for project, hour, _, key in rows if key]
    for sql, keys in ((_OF_TRACES, traces), (_OF_RESPONSES, responses)):
        for chunk in _chunks(keys):
            spans = store.query(sql, {"keys": chunk, "most": MOST_CALLS_OF_A_TRACE})
            found += [
                Seen(project, trace, span, parent, scope, response, start, end, bool(count), count)
                for project, trace, span, parent, scope, response, start, end, count in spans
            ]
    return found


_MINE = "if({segment:String} = '', stored >= yesterday(), spool_segment = {segment:String})"
# The hours in which the other spans of a call may have started: from a quarter of an hour before it
# to its end, a day at most. (Hours rather than moments, because they stand in the table's key.)
_HOURS = """arrayJoin(arrayMap(
    i -> toStartOfHour(start - interval 15 minute) + i * 3600,
    range(1 + toUInt32(least(23, dateDiff('hour', start - interval 15 minute,
        start + toIntervalMillisecond(greatest(toInt64(duration_ms), 900000))))))))"""
_TRACES = f"select project, {_HOURS} as hour, trace_id from watchpost.calls where {_MINE}"  # noqa: S608
_RESPONSES = (
    f"select project, {_HOURS} as hour, response_key from watchpost.calls "  # noqa: S608
    f"where {_MINE} and response_key != 0"
)

# Traces in which one call lies over another, and responses that two instrumentations name; with the
# hours (Unix seconds) in which their spans are. Reads ids and hashes only: it may name what is no
# double (a hash that two responses share), never leave one out.
_STACKS = f"""
select project, arrayJoin(groupUniqArray(toUnixTimestamp(toStartOfHour(start)))) as hour, trace_id,
    toUInt32(0) as response_key
from watchpost.calls
where (project, toStartOfHour(start), trace_id) in ({_TRACES})
group by project, trace_id
having count() > 1 and (
    notEmpty(arrayIntersect(groupArray(span_id), groupArray(parent_span_id)))
    or (uniqExact(scope_name) > 1
        and max(startsWith(scope_name, '{_LATE_SCOPES}') and response_key = 0)))
union all
select project, arrayJoin(groupUniqArray(toUnixTimestamp(toStartOfHour(start)))) as hour, '',
    response_key
from watchpost.calls
where (project, toStartOfHour(start), response_key) in ({_RESPONSES})
group by project, response_key having uniqExact(scope_name) > 1
"""  # noqa: S608

_SEEN = """
select
    project, trace_id, span_id, parent_span_id, scope_name, response_id,
    toUnixTimestamp64Nano(start), toUnixTimestamp64Nano(start) + toInt64(duration_ms * 1000000),
    -- What we counted ourselves gives way to what any emitter reports.
    if(tokens_estimated, 0, input_tokens * 4294967296 + output_tokens)
from watchpost.calls
where (project, toStartOfHour(start), {0}) in {{keys:Array(Tuple(String, DateTime, {1}))}}
limit {{most:UInt32}} by project, {0}
"""
_OF_TRACES = _SEEN.format("trace_id", "String")
_OF_RESPONSES = _SEEN.format("response_key", "UInt32")

_PLACE = "Tuple(String, DateTime, String, String)"
_PAIR = f"Tuple({_PLACE[6:-1]}, {_PLACE[6:-1]})"
_STILL_COUNTED = f"""
from watchpost.calls final
where counted and (project, toStartOfHour(start), trace_id, span_id) in {{places:Array({_PLACE})}}
"""
# The highest version there is: nothing that comes later counts this span again.
_BURY = f"""
insert into watchpost.calls
select * replace (false as counted, 18446744073709551615 as version)
from (select * {_STILL_COUNTED})
"""  # noqa: S608

# What an outer span may know and the counted one may not, with how each says that it does not.
_CARRIED = (
    *((name, "{} = ''") for name in ("prompt_name", "prompt_version", "template_hash")),
    *((name, "{} = ''") for name in ("session_id", "user_id", "guard_action")),
    *((name, "empty({})") for name in ("tags", "segments")),
    *((name, "{} = 0") for name in ("context_use", "retries", "blocked", "streaming")),
    *((name, "{} is null") for name in ("ttft_ms", "cost_reported")),
)


def _carry_sql() -> str:
    """The insert that gives a counted call what a span around it knew.

    Only where something is missing, so that a second run writes nothing.
    """
    taken = [
        f"if({lacks.format(f'c.{name}')}, o.{name}, c.{name}) as {name}" for name, lacks in _CARRIED
    ]
    useful = [
        f"({lacks.format(f'c.{name}')} and not ({lacks.format(f'o.{name}')}))"
        for name, lacks in _CARRIED
    ]
    # Messages stay where they are: the counted call learns whose row holds them.
    # An outer span of the same trace that has none yet is pointed at without its trace, until one
    # with messages is met: they may come as events, from somewhere else and later.
    lacks_content = "not c.has_content and c.other_trace_id = ''"
    offered = "o.has_content or o.other_trace_id != ''"
    hopeful = "c.other_span_id = '' and o.trace_id = c.trace_id"
    for name in ("trace_id", "span_id"):
        taken.append(
            f"multiIf(not ({lacks_content}), c.other_{name}, o.has_content, o.{name}, "
            f"o.other_trace_id != '', o.other_{name}, "
            + (f"{hopeful}, o.span_id, " if name == "span_id" else "")
            + f"c.other_{name}) as other_{name}"
        )
    useful.append(f"({lacks_content} and ({offered} or ({hopeful})))")
    return f"""
insert into watchpost.calls
with {{pairs:Array({_PAIR})}} as given
select c.* replace (
    {", ".join(taken)}, toUInt64(toUnixTimestamp64Nano(now64(9))) as version)
from (select arrayJoin(given) as pair) as pairs
join (
    select * from watchpost.calls final
    where counted and (project, toStartOfHour(start), trace_id, span_id) in (
        select pair.1, pair.2, pair.3, pair.4 from (select arrayJoin(given) as pair))
) as c on c.project = pair.1 and c.trace_id = pair.3 and c.span_id = pair.4
join (
    select * from watchpost.calls final
    where (project, toStartOfHour(start), trace_id, span_id) in (
        select pair.5, pair.6, pair.7, pair.8 from (select arrayJoin(given) as pair))
) as o on o.project = pair.5 and o.trace_id = pair.7 and o.span_id = pair.8
where {" or ".join(useful)}
limit 1 by c.project, c.trace_id, c.span_id
"""  # noqa: S608


_CARRY = _carry_sql()
