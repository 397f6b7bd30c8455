"""Settling: which spans of a segment are the same call, where one span alone cannot tell.

The insert itself buries the parent of every call with usage. Three things only show in a whole
trace or across two: a call without usage between or beside others, the same response seen from
two traces, and what the outer span knew (prompt, session, verdicts) that the counted one lacks.
`find_doubles` decides, from plain values; the rest reads and writes. Nothing here sees text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watchpost_collector.store.client import Store

# A trace with more calls than this is settled by the insert's own rule alone.
MOST_CALLS_OF_A_TRACE = 2000
_BURIED = 2**64 - 1
# Keys go as a parameter, and over HTTP a parameter goes in the address.
_KEYS_A_QUERY = 500


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

    @property
    def key(self) -> tuple[str, str, str]:
        """What `calls` knows it by."""
        return self.project, self.trace_id, self.span_id


def find_doubles(spans: Iterable[Seen]) -> set[tuple[str, str, str]]:
    """The keys of the spans that are a call another span already counts.

    Within a trace the deepest span of a chain counts, but one with usage before one without.
    Across traces two spans are one call when they name the same response, come from different
    instrumentations, and one lies within the other in time.
    """
    unique = {span.key: span for span in spans}
    buried: set[tuple[str, str, str]] = set()
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
    return buried | _same_responses(unique.values())


def settle(store: Store, segment: str = "") -> int:
    """Settle the calls a segment touches ('' for all that came since yesterday).

    Returns the spans buried. One narrow query says that nothing in the segment can be a double, and
    then that was all. Safe to repeat: a burial is a row that says the same again.
    """
    if not _may_hold_doubles(store, segment):
        return 0
    seen = _candidates(store, segment)
    # The insert buried the direct parents of calls with usage already.
    known = {(span.project, span.trace_id, span.parent_span_id) for span in seen if span.has_usage}
    fresh = _not_yet_buried(store, sorted(find_doubles(seen) - known))
    if fresh:
        store.insert_rows(
            "calls",
            ["project", "trace_id", "span_id", "start", "spool_segment", "counted", "version"],
            [[*key, start, origin, False, _BURIED] for key, start, origin in fresh],
        )
    store.command(_CARRY, {"segment": segment})
    return len(fresh)


def _chain_above(
    span: Seen, unique: Mapping[tuple[str, str, str], Seen]
) -> list[tuple[str, str, str]]:
    """The unbroken line of LLM spans over this one; a loop of parents ends it."""
    line: list[tuple[str, str, str]] = []
    key = (span.project, span.trace_id, span.parent_span_id)
    while key in unique and key not in line and key != span.key:
        line.append(key)
        key = (span.project, span.trace_id, unique[key].parent_span_id)
    return line


def _same_responses(spans: Iterable[Seen]) -> set[tuple[str, str, str]]:
    by_response: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for span in spans:
        if span.response_id:
            by_response[span.project, span.response_id].append(span)
    buried: set[tuple[str, str, str]] = set()
    for group in by_response.values():
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


def _one_within_other(one: Seen, other: Seen) -> bool:
    return (one.start_ns <= other.start_ns and other.end_ns <= one.end_ns) or (
        other.start_ns <= one.start_ns and one.end_ns <= other.end_ns
    )


def _may_hold_doubles(store: Store, segment: str) -> bool:
    """Whether any trace or response of the segment has two spans that could be one call."""
    [(first, last)] = store.query(_TIMES, {"segment": segment})
    bound = {"segment": segment, "first": first, "last": last}
    return len(store.query(_GATE, bound)) > 0


def _candidates(store: Store, segment: str) -> list[Seen]:
    """The spans of every chain and every shared response that this segment has a part in."""
    rows = store.query(_CANDIDATES, {"segment": segment, "most": MOST_CALLS_OF_A_TRACE})
    return [
        Seen(project, trace, span, parent, scope, response, int(start), int(end), bool(usage))
        for project, trace, span, parent, scope, response, start, end, usage in rows
    ]


def _not_yet_buried(
    store: Store, keys: Sequence[tuple[str, str, str]]
) -> list[tuple[tuple[str, str, str], object, str]]:
    found: list[tuple[tuple[str, str, str], object, str]] = []
    for begin in range(0, len(keys), _KEYS_A_QUERY):
        rows = store.query(
            "select project, trace_id, span_id, start, spool_segment from watchpost.calls final "
            "where counted and (project, trace_id, span_id) "
            "in {keys:Array(Tuple(String, String, String))}",
            {"keys": keys[begin : begin + _KEYS_A_QUERY]},
        )
        found += [((str(a), str(b), str(c)), start, str(origin)) for a, b, c, start, origin in rows]
    return found


_MINE = "if({segment:String} = '', stored >= yesterday(), spool_segment = {segment:String})"
_TIMES = f"""
select toString(toStartOfTenMinutes(min(start) - interval 15 minute)),
    toString(toStartOfTenMinutes(max(start) + interval 15 minute))
from watchpost.links where {_MINE}
"""  # noqa: S608

# Reads hashes and ids only, for the many segments in which nothing is doubled: it may say yes to
# what is none (a hash that two traces share), never no. Both halves look up nothing but their key,
# because what the engine must plan costs more than what it reads.
_GATE = f"""
select 1 from watchpost.links
where toStartOfTenMinutes(start) between {{first:DateTime('UTC')}} and {{last:DateTime('UTC')}}
    and trace_key in (select trace_key from watchpost.links where {_MINE})
group by trace_key
having count() > 1 and notEmpty(arrayIntersect(groupArray(span_id), groupArray(parent_span_id)))
limit 1
union all
select 1 from watchpost.links
where toStartOfTenMinutes(start) between {{first:DateTime('UTC')}} and {{last:DateTime('UTC')}}
    and response_key != 0
    and response_key in (select response_key from watchpost.links where {_MINE})
group by response_key having uniqExact(scope_name) > 1
limit 1
"""  # noqa: S608

# What a segment brought, and the rows of its traces and responses. Spans of one call start close
# together, so a quarter of an hour around the segment is searched, by four-byte hashes.
_AROUND = f"""
with
    mine as (
        select start, trace_key, response_key from watchpost.links
        where {_MINE}
    ),
    (select (toStartOfTenMinutes(min(start) - interval 15 minute),
             toStartOfTenMinutes(max(start) + interval 15 minute)) from mine) as times,
    near as (
        select * from watchpost.links
        where toStartOfTenMinutes(start) between times.1 and times.2
    ),
    around as (select * from near where trace_key in (select trace_key from mine)),
    echoes as (
        select * from near
        where response_key in (select response_key from mine where response_key != 0)
    )
"""  # noqa: S608

_CANDIDATES = (
    _AROUND  # noqa: S608
    + """,
    chained as (
        select project, trace_id from around
        where (project, trace_id, parent_span_id) in (select project, trace_id, span_id from around)
    ),
    shared as (
        select project, response_id from echoes
        group by project, response_id having uniqExact(scope_name) > 1
    )
select
    project, trace_id, span_id, parent_span_id, scope_name, response_id,
    toUnixTimestamp64Nano(start), toUnixTimestamp64Nano(finish), has_usage
from near
where trace_key in (select trace_key from mine) and (project, trace_id) in chained
    or response_key in (select response_key from mine where response_key != 0)
        and (project, response_id) in shared
limit {most:UInt32} by project, trace_id
"""
)

# What an outer span may know and the counted one may not, with how each says that it does not.
_CARRIED = (
    *((name, "{} = ''") for name in ("prompt_name", "prompt_version", "template_hash")),
    *((name, "{} = ''") for name in ("session_id", "user_id", "guard_action")),
    *((name, "{} = ''") for name in ("content_trace_id", "content_span_id")),
    *((name, "empty({})") for name in ("tags", "segments")),
    *((name, "{} = 0") for name in ("context_use", "retries", "blocked", "streaming")),
    *((name, "{} is null") for name in ("ttft_ms", "cost_reported")),
)


def _carry_sql() -> str:
    """The insert that gives a counted call what the span around it knew.

    Only where something is missing, so that a second run writes nothing.
    """
    offered = ", ".join(f"outer.{name} as offered_{name}" for name, _ in _CARRIED)
    taken = ", ".join(
        f"if({lacks.format(f'c.{name}')}, p.offered_{name}, c.{name}) as {name}"
        for name, lacks in _CARRIED
    )
    useful = " or ".join(
        f"({lacks.format(f'c.{name}')} and not ({lacks.format(f'p.offered_{name}')}))"
        for name, lacks in _CARRIED
    )
    return f"""
insert into watchpost.calls
{_AROUND},
    pairs as (
        select inner.project as project, inner.trace_id as trace_id,
            inner.span_id as span_id, {offered}
        from around as inner
        join around as outer on inner.project = outer.project and inner.trace_id = outer.trace_id
            and inner.parent_span_id = outer.span_id
        where inner.has_usage
        union all
        select inner.project as project, inner.trace_id as trace_id,
            inner.span_id as span_id, {offered}
        from echoes as inner
        join echoes as outer on inner.project = outer.project
            and inner.response_id = outer.response_id
        where inner.has_usage and inner.trace_id != outer.trace_id
            and inner.scope_name != outer.scope_name
            and inner.start >= outer.start and inner.finish <= outer.finish
    )
select c.* replace ({taken}, toUInt64(toUnixTimestamp64Nano(now64(9))) as version)
from (
    select * from watchpost.calls final
    where counted and (project, trace_id, span_id) in (select project, trace_id, span_id from pairs)
) as c
join pairs as p on c.project = p.project and c.trace_id = p.trace_id and c.span_id = p.span_id
where {useful}
limit 1 by c.project, c.trace_id, c.span_id
"""  # noqa: S608


_CARRY = _carry_sql()
