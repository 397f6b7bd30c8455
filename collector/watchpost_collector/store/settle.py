"""Settling: finds the stacks a segment has a part in, whenever their spans arrived, and says so.

Of the spans that are one call (`stacks.py` decides which) all but one stop counting, and that one
is given what only those around it knew (prompt, session, verdicts). Nothing here sees text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from watchpost_collector.store.client import Store
from watchpost_collector.store.stacks import LATE_SCOPES, Seen, find_doubles, find_offers

# A trace with more calls than this is settled by the insert's own rule alone.
MOST_CALLS_OF_A_TRACE = 2000
# Keys go as a parameter, and over HTTP a parameter goes in the address.
_KEYS_A_QUERY = 1000

_T = TypeVar("_T")


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


def _candidates(store: Store, segment: str) -> list[Seen]:
    """The spans of every chain, shared response and late word that this segment has a part in."""
    found: list[Seen] = []
    bound = {"segment": segment}
    rows = store.query(_STACKS, bound).rows
    traces = [(project, hour, trace) for project, hour, trace, key in rows if not key]
    responses = [(project, hour, key) for project, hour, _, key in rows if key]
    usages = store.query(_TOLD_LATE, bound).rows if store.query(_IS_TOLD_LATE, bound).rows else []
    for sql, keys in ((_OF_TRACES, traces), (_OF_RESPONSES, responses), (_OF_USAGES, usages)):
        for chunk in _chunks(keys):
            spans = store.query(sql, {"keys": chunk, "most": MOST_CALLS_OF_A_TRACE})
            found += [
                Seen(
                    project,
                    trace,
                    span,
                    parent,
                    scope,
                    response,
                    start,
                    end,
                    bool(count),
                    count,
                    *of,
                )
                for project, trace, span, parent, scope, response, start, end, count, of in spans
            ]
    return found


_MINE = "if({segment:String} = '', stored >= yesterday(), spool_segment = {segment:String})"
# The hours in which the other spans of a call may have started: from a quarter of an hour before it
# to its end, a day at most. (Hours rather than moments, because they stand in the table's key.)
_HOURS = """arrayJoin(arrayMap(
    i -> toStartOfHour(start - interval 15 minute) + i * 3600,
    range(1 + toUInt32(least(23, dateDiff('hour', start - interval 15 minute,
        start + toIntervalMillisecond(greatest(toInt64(duration_ms), 900000))))))))"""
# Both counts as one number; what we counted ourselves gives way to what any emitter reports.
_TOKENS = "if(tokens_estimated, 0, input_tokens * 4294967296 + output_tokens)"
_TRACES = f"select project, {_HOURS} as hour, trace_id from watchpost.calls where {_MINE}"  # noqa: S608
_RESPONSES = (
    f"select project, {_HOURS} as hour, response_key from watchpost.calls "  # noqa: S608
    f"where {_MINE} and response_key != 0"
)
_USAGES = f"select project, {_HOURS} as hour, {_TOKENS} from watchpost.calls where {_MINE}"  # noqa: S608
_IS_LATE = f"startsWith(scope_name, '{LATE_SCOPES}') and response_key = 0"

# Traces in which one call lies over another or beside a hollow one, and responses that two
# instrumentations name; with the hours (Unix seconds) in which their spans are. Reads ids and
# hashes only: it may name what is no double (a hash that two responses share), never leave one out.
_STACKS = f"""
select project, arrayJoin(groupUniqArray(toUnixTimestamp(toStartOfHour(start)))) as hour, trace_id,
    toUInt32(0) as response_key
from watchpost.calls
where (project, toStartOfHour(start), trace_id) in ({_TRACES})
group by project, trace_id
having count() > 1 and (
    notEmpty(arrayIntersect(groupArray(span_id), groupArray(parent_span_id)))
    or max(hollow) or (uniqExact(scope_name) > 1 and max({_IS_LATE})))
union all
select project, arrayJoin(groupUniqArray(toUnixTimestamp(toStartOfHour(start)))) as hour, '',
    response_key
from watchpost.calls
where (project, toStartOfHour(start), response_key) in ({_RESPONSES})
group by project, response_key having uniqExact(scope_name) > 1
"""  # noqa: S608
# Late words in traces of their own, and whether there is any around: mostly there is none.
_LATE = f"""
from watchpost.calls prewhere {_IS_LATE} and parent_span_id = ''
where (project, toStartOfHour(start)) in (
    select distinct project, arrayJoin([at - 3600, at, at + 3600])
    from (select distinct project, toStartOfHour(start) as at from watchpost.calls where {_MINE}))
"""  # noqa: S608
_IS_TOLD_LATE = f"select 1 {_LATE} limit 1"
_TOLD_LATE = f"""
select distinct project, arrayJoin([hour - 3600, hour, hour + 3600]), tokens
from (
    select project, toUnixTimestamp(toStartOfHour(start)) as hour, {_TOKENS} as tokens {_LATE}
    and tokens != 0 and (project, toStartOfHour(start), tokens) in ({_USAGES})
)
"""  # noqa: S608

_SEEN = f"""
select
    project, trace_id, span_id, parent_span_id, scope_name, response_id,
    toUnixTimestamp64Nano(start), toUnixTimestamp64Nano(start) + toInt64(duration_ms * 1000000),
    {_TOKENS}, (request_model, hollow)
from watchpost.calls
where (project, toStartOfHour(start), {{0}}) in {{{{keys:Array(Tuple(String, DateTime, {{1}}))}}}}
limit {{{{most:UInt32}}}} by project, {{0}}
"""  # noqa: S608
_OF_TRACES = _SEEN.format("trace_id", "String")
_OF_RESPONSES = _SEEN.format("response_key", "UInt32")
_OF_USAGES = _SEEN.format(_TOKENS, "UInt64")

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
