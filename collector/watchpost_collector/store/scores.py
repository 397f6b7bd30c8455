"""Settling scores: which is the last of its author, and what it is about, in any order of arrival.

A score is of its span's prompt, model and deployment, or of its response's; what that span does not
say, the first of its trace that does says. Every insert of scores or of spans settles those it
has a part in anew, whole, under a later version: so the last one saw all there was. What was
known once is kept when its spans have expired. Nothing here sees a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchpost_collector.store.client import Store

# Keys go as a parameter, and over HTTP a parameter goes in the address.
_KEYS_A_QUERY = 500

Key = tuple[str, str]


def settle_new(store: Store, segment: str = "") -> int:
    """Settle the scores that a segment of logs brought ('' for all that came since yesterday).

    Returns how many traces and responses they are about. Safe to repeat.
    """
    return _settle(store, store.query(_BROUGHT_SCORES, {"segment": segment}).rows)


def settle_again(store: Store, segment: str = "", *, stacked: bool = True) -> int:
    """Settle the scores that the spans of a segment tell something about, as `settle_new`.

    One narrow query says that none of them was scored, and then that was all. `stacked` says that
    calls were found to be the same as others: then calls of other traces may have been told
    something.
    """
    bound = {"segment": segment}
    news = f"({_BROUGHT_SPANS} union all {_TOLD_CALLS})" if stacked else f"({_BROUGHT_SPANS})"
    found = store.query(_SCORED.replace("<news>", news), bound).rows
    rows: list[tuple[str, str, str]] = []
    for chunk in _chunk([subject for _, subject in found]):
        touched = _TOUCHED.replace("<news>", news)
        rows += store.query(touched, {**bound, "subjects": chunk}).rows
    return _settle(store, rows)


def _settle(store: Store, rows: Sequence[tuple[str, str, str]]) -> int:
    """Settle by project, trace and response; a score names one or the other."""
    traces = sorted({(project, trace) for project, trace, _ in rows if trace})
    responses = sorted({(project, response) for project, _, response in rows if response})
    for sql, keys in ((_OF_TRACES, traces), (_OF_RESPONSES, responses)):
        for chunk in _chunk(keys):
            store.command(sql, {"keys": chunk})
    return len(traces) + len(responses)


def _chunk(items: Sequence[object]) -> Iterator[Sequence[object]]:
    for begin in range(0, len(items), _KEYS_A_QUERY):
        yield items[begin : begin + _KEYS_A_QUERY]


_MINE = "if({segment:String} = '', stored >= yesterday(), spool_segment = {segment:String})"

# What a segment of logs brought. An event that names its trace is about that alone.
_BROUGHT_SCORES = f"""
select distinct project, trace_id, if(trace_id = '', response_id, '')
from watchpost.score_events where {_MINE}
"""  # noqa: S608

# The spans a segment brought (of one that is sampled out the call is there), and the calls that
# settling has told something since: such a call may be of another trace.
_BROUGHT_SPANS = f"""
    select project, trace_id, response_id from watchpost.spans where {_MINE}
    union all
    select project, trace_id, response_id from watchpost.calls where {_MINE}
"""  # noqa: S608
_OF_MINE = f"from watchpost.calls where {_MINE}"
_TOLD_CALLS = f"""
    select project, trace_id, response_id from watchpost.calls
    where project in (select project {_OF_MINE})
        and start >= (select min(start) - interval 1 day {_OF_MINE})
        and start < (select max(start) + interval 1 day {_OF_MINE})
        and version >= (select toUInt64(toUnixTimestamp64Nano(min(arrived))) {_OF_MINE})
        and version < 18446744073709551615
"""  # noqa: S608

_SCORED = """
select distinct project, subject from watchpost.scored where (project, subject) in (
    select project, arrayJoin([xxHash64(trace_id), xxHash64(response_id)]) from <news>)
"""

_TOUCHED = """
select distinct project, if(xxHash64(trace_id) in {subjects:Array(UInt64)}, trace_id, ''),
    if(xxHash64(response_id) in {subjects:Array(UInt64)}, response_id, '')
from <news>
where xxHash64(trace_id) in {subjects:Array(UInt64)}
    or xxHash64(response_id) in {subjects:Array(UInt64)}
"""

_KEYS = "{keys:Array(Tuple(String, String))}"
_PLACE = (
    "(prompt_name::String, prompt_version::String, model::String, service::String, "
    "service_version::String, environment::String, segments)"
)


def _write_settling(about: str, known: str, join: str, words: str) -> str:
    """The insert that settles the scores `about` is true of.

    `known` is what their spans say, joined by `join`, and `words` names in it what is a score's own
    and what is said around it.
    """
    return f"""
insert into watchpost.settled_scores (
    project, name, time, trace_id, span_id, response_id, kind, value, label, source, author,
    prompt_name, prompt_version, model, service, service_version, environment, segments,
    has_comment, counted, version, spool_segment, stored)
with
said as (
    select project, name, time, trace_id, span_id, if(trace_id = '', response_id, '') as response,
        kind, value, label, source, author, service, environment, has_comment, spool_segment,
        stored
    from watchpost.score_events where {about}
    order by arrived desc
    limit 1 by project, trace_id, span_id, response, name, source, author, time
),
known as ({known}),
before as (
    select project, trace_id, span_id, response_id as response, argMax({_PLACE}, version) as place
    from watchpost.settled_scores where {about}
    group by project, trace_id, span_id, response
),
    {words}
select
    said.project, said.name, said.time, said.trace_id, said.span_id, said.response, said.kind,
    said.value, said.label, said.source, said.author,
    multiIf(own.1 != '', own.1, prompted.1 != '', prompted.1, before.place.1),
    multiIf(own.1 != '', own.2, prompted.1 != '', prompted.2, before.place.2),
    multiIf(own.3 != '', own.3, called.3 != '', called.3, before.place.3),
    coalesce(nullIf(own.4, ''), nullIf(root.4, ''), nullIf(before.place.4, ''), said.service),
    coalesce(nullIf(own.5, ''), nullIf(root.5, ''), before.place.5),
    coalesce(nullIf(own.6, ''), nullIf(root.6, ''), nullIf(before.place.6, ''), said.environment),
    -- Those of a span are its own: another's may name somebody else.
    multiIf(notEmpty(own.7), own.7, said.span_id = '' and notEmpty(root.7), root.7, before.place.7),
    said.has_comment,
    row_number() over (
        partition by said.project, said.trace_id, said.span_id, said.response, said.name,
            said.source, said.author
        order by said.time desc) = 1,
    toUInt64(toUnixTimestamp64Nano(now64(9))), said.spool_segment, said.stored
from said
left join known on {join}
left join before on before.project = said.project and before.trace_id = said.trace_id
    and before.span_id = said.span_id and before.response = said.response
"""  # noqa: S608


# Of a call the latest version knows most; what is no call is a span alone.
_OF_TRACES = _write_settling(
    about=f"(project, trace_id) in {_KEYS}",
    known=f"""
    select project, trace_id,
        groupArrayIf((span_id, place), (project, trace_id, span_id) in (
            select project, trace_id, span_id from watchpost.score_events
            where (project, trace_id) in {_KEYS})) as scored,
        argMinIf(place, begun, place.1 != '') as prompted,
        argMinIf(place, begun, place.3 != '') as called,
        argMin(place, (inner, begun)) as root
    from (
        select project, trace_id, span_id, argMax(place, rank) as place, min(begun) as begun,
            min(inner) as inner
        from (
            select project, trace_id, span_id, {_PLACE} as place, 0::UInt64 as rank,
                start as begun, parent_span_id != '' as inner
            from watchpost.spans where (project, trace_id) in {_KEYS}
            union all
            select project, trace_id, span_id, {_PLACE} as place, version as rank,
                start as begun, true as inner
            from watchpost.calls where (project, trace_id) in {_KEYS}
        )
        group by project, trace_id, span_id
    )
    group by project, trace_id
""",  # noqa: S608
    join="known.project = said.project and known.trace_id = said.trace_id",
    words="arrayFirst(s -> s.1 = said.span_id, known.scored).2 as own, "
    "known.prompted as prompted, known.called as called, known.root as root",
)

_OF_RESPONSES = _write_settling(
    about=f"trace_id = '' and (project, response_id) in {_KEYS}",
    known=f"""
    select project, response_id as response, argMin(place, begun) as place
    from (
        select project, response_id, argMax({_PLACE}, version) as place, min(start) as begun
        from watchpost.calls
        where response_key in arrayMap(k -> xxHash32(k.1, k.2), {_KEYS})
            and (project, response_id) in {_KEYS}
        group by project, trace_id, span_id, response_id
        having argMax(counted, version)
    )
    group by project, response
""",  # noqa: S608
    join="known.project = said.project and known.response = said.response",
    words="known.place as own, own as prompted, own as called, own as root",
)
