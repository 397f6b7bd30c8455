"""Closing days: puts a past day together from its closed hours, once, and again when those change.

Readers use the views `usage_daily` and `guards_daily`, which take a closed day from its own rows
and every other from its hours, so that they are right before, during and after this job. This file
knows hours that are closed; it does not know how an hour is counted.
"""

from __future__ import annotations

from datetime import datetime

from watchpost_collector import fault
from watchpost_collector.store.client import Store


def close_days(store: Store) -> list[datetime]:
    """Close every past day whose hours are all closed and which does not stand for them yet.

    Returns them, oldest first. Safe to stop anywhere, and beside anything that closes hours: a day
    is read only when its rows are stored, and only while its hours are what it was put together of.
    """
    found = store.query(_OPEN_DAYS).rows
    for _, first, hours in found:
        # Later than every closing of an hour: by this its rows are told from those of its hours.
        [(at,)] = store.query("select toString(now64(6, 'UTC'))")
        bound = {"first": first, "hours": hours, "at": at}
        store.command(_COUNT_CALLS, bound)
        store.command(_COUNT_CHECKS, bound)
        fault.reach("half_closed")
        store.command(_CLOSE, bound)
        for superseded in _SUPERSEDED:
            if store.query(f"select 1 {superseded} limit 1", bound).rows:
                store.command(f"delete {superseded}", bound, {"lightweight_deletes_sync": 1})
    return [day for day, *_ in found]


# With the closing of each hour as it is now: what is put together and what is remembered are the
# same, whatever happens to the hours meanwhile.
_OPEN_DAYS = """
select toStartOfDay(hour) as day, toString(day),
    groupArray((toString(hour), toString(closed))) as hours
from (
    select hour, max(closed) as closed, max(touched) as touched, max(in_day) as in_day
    from watchpost.hours group by hour
)
where day < toStartOfDay(now('UTC'))
group by day
having min(closed > touched)
    and not (min(in_day.closed = closed) and min(in_day.at) = max(in_day.at))
order by day
"""

_PAIRS = "{hours:Array(Tuple(DateTime('UTC'), DateTime64(6, 'UTC')))}"

_COUNT_CALLS = f"""
insert into watchpost.usage_closed
select toStartOfDay(h.hour), project, service, service_version, environment, operation,
    provider, model, prompt_name, prompt_version, segments,
    sum(h.calls), sum(h.errors), sum(h.blocked_calls), sum(h.unpriced_calls), sum(h.no_usage_calls),
    sum(h.estimated_calls), sum(h.input_tokens), sum(h.output_tokens), sum(h.cache_read_tokens),
    sum(h.cache_write_tokens), sum(h.reasoning_tokens), sum(h.cost), sum(h.duration_ms_sum),
    sumMap(h.error_types), quantilesTimingMergeState(0.5, 0.95)(h.duration_state),
    quantilesTimingMergeState(0.5, 0.95)(h.ttft_state),
    sum(h.retries), sum(h.context_calls), sum(h.context_use_sum), max(h.context_use_max),
    sum(h.crowded_calls), {{at:DateTime64(6, 'UTC')}}, true
from watchpost.usage_closed as h
where not h.whole_day and (h.hour, h.closed) in {_PAIRS}
group by all
"""  # noqa: S608

_COUNT_CHECKS = f"""
insert into watchpost.guards_closed
select toStartOfDay(h.hour), project, service, environment, model, prompt_name, prompt_version,
    guard, direction, action, segments,
    sum(h.checks), sum(h.tripped), sum(h.failed), sumMap(h.labels), sum(h.duration_ms_sum),
    quantilesTimingMergeState(0.5, 0.95)(h.duration_state), {{at:DateTime64(6, 'UTC')}}, true
from watchpost.guards_closed as h
where not h.whole_day and (h.hour, h.closed) in {_PAIRS}
group by all
"""  # noqa: S608

_CLOSE = f"""
insert into watchpost.hours (hour, in_day)
select pair.1, tuple({{at:DateTime64(6, 'UTC')}}, pair.2) from (select arrayJoin({_PAIRS}) as pair)
"""  # noqa: S608

_SUPERSEDED = tuple(
    f"from watchpost.{table} where whole_day and hour = {{first:DateTime('UTC')}} "
    "and closed < {at:DateTime64(6, 'UTC')}"
    for table in ("usage_closed", "guards_closed")
)
