"""Closing hours: counts each past hour once from `calls` into `usage_closed`.

Readers use the view `usage_hourly`, which takes closed hours from here and all others from the
calls themselves, so that it is right before, during and after this job. An hour some of whose calls
have expired keeps what was counted, and a late call is added to it. This file knows hours and
dimensions; it does not know what a call is or when it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from watchpost_collector import fault
from watchpost_collector.store.client import Store
from watchpost_collector.store.retention import FRONTIER_SQL, read_frontier

# Late calls are common for a few minutes; an hour closed too early is only counted again.
GRACE_MINUTES = 10
# Values of a dimension kept by name per project and hour; the rest is counted as 'other'.
MOST_VALUES = 1000
_HOURS_AT_ONCE = 24


def close_hours(store: Store, grace_minutes: int = GRACE_MINUTES) -> list[datetime]:
    """Close every past hour that is open, oldest first, and return them.

    Safe to stop anywhere: an hour counts as closed only after its rows are stored, and a call that
    arrives meanwhile opens it again.
    """
    open_hours = [
        row[0]
        for row in store.query(
            "select hour from watchpost.hours group by hour "
            "having max(closed) <= max(touched) "
            "and hour < toStartOfHour(now() - toIntervalMinute({grace:UInt32})) order by hour",
            {"grace": grace_minutes},
        )
    ]
    kept = _find_kept(store, open_hours)
    whole = [hour for hour in open_hours if hour not in {of.hour for of in kept}]
    for first in range(0, len(whole), _HOURS_AT_ONCE):
        _close(store, whole[first : first + _HOURS_AT_ONCE])
    for of in kept:
        _close(store, [of.hour], of)
    return open_hours


@dataclass(frozen=True, slots=True)
class _Kept:
    """An hour, the projects whose calls in it may have expired, and when it was last counted."""

    hour: datetime
    projects: Sequence[str]
    counted: str


def _find_kept(store: Store, hours: list[datetime]) -> list[_Kept]:
    found = []
    for first in range(0, len(hours), _HOURS_AT_ONCE):
        bound = {"hours": _spell(hours[first : first + _HOURS_AT_ONCE])}
        found += store.query(_KEPT, {**bound, **read_frontier(store).bind()}).rows
    return [_Kept(hour, projects, counted) for hour, projects, counted in found]


def _spell(hours: Sequence[datetime]) -> list[str]:
    return [hour.strftime("%Y-%m-%d %H:%M:%S") for hour in hours]


def _close(store: Store, hours: list[datetime], kept: _Kept | None = None) -> None:
    # The time is taken before the calls are read: what is written after it opens the hour again.
    [(closed,)] = store.query("select toString(now64(6, 'UTC'))")
    bound = {
        "hours": _spell(hours),
        "closed": closed,
        "most": MOST_VALUES,
        "kept": list(kept.projects) if kept else [],
        "counted": kept.counted if kept else "1970-01-01 00:00:00",
    }
    store.command(_ARRIVALS, bound)
    store.command(_COUNT, bound)
    if kept:
        store.command(_KEEP, bound)
    fault.reach("half_closed")
    store.command(
        "insert into watchpost.hours (hour, closed) "
        "select arrayJoin({hours:Array(DateTime('UTC'))}), {closed:DateTime64(6, 'UTC')}",
        bound,
    )
    store.command(
        "alter table watchpost.usage_closed delete "
        "where hour in {hours:Array(DateTime('UTC'))} and closed < {closed:DateTime64(6, 'UTC')}",
        bound,
        {"mutations_sync": 1},
    )


_CAPPED = ("service_version", "model", "prompt_name", "prompt_version")


def _cap(column: str) -> str:
    """A dimension's value, or 'other' when its project has too many of them in these hours."""
    return (
        f"if((g.project, g.{column}) in (select project, {column} from counted "  # noqa: S608
        f"group by project, {column} order by count() desc limit {{most:UInt32}} by project), "
        f"g.{column}, 'other') as {column}"
    )


_KEPT = f"""
select hour, projects, toString(counted)
from (
    select hour, groupArray(project) as projects
    from (
        select hour, project from watchpost.hour_arrivals
        where hour in {{hours:Array(DateTime('UTC'))}}
        group by hour, project having min(earliest) <= {FRONTIER_SQL}
    )
    group by hour
) as gone
join (select hour, max(closed) as counted from watchpost.hours group by hour) as closings
    on gone.hour = closings.hour
order by hour
"""  # noqa: S608

_ARRIVALS = """
insert into watchpost.hour_arrivals
select toStartOfHour(start) as hour, project, min(stored)
from watchpost.calls
where toStartOfHour(start) in {hours:Array(DateTime('UTC'))} and counted
group by hour, project
"""

# What was counted of the kept projects, beside what came since; a crash leaves rows of a closing
# that no hour names, and the next one removes them.
_KEEP = """
insert into watchpost.usage_closed
select before.* replace ({closed:DateTime64(6, 'UTC')} as closed)
from watchpost.usage_closed as before
where hour in {hours:Array(DateTime('UTC'))} and project in {kept:Array(String)}
    and before.closed = {counted:DateTime64(6, 'UTC')}
"""

_COUNT = f"""
insert into watchpost.usage_closed
with counted as (
    select * from watchpost.calls final
    where toStartOfHour(start) in {{hours:Array(DateTime('UTC'))}} and counted
        and (project not in {{kept:Array(String)}}
            or (arrived > {{counted:DateTime64(6, 'UTC')}}
                and arrived <= {{closed:DateTime64(6, 'UTC')}}))
)
select
    toStartOfHour(g.start) as hour, g.project as project, g.service as service,
    {_cap("service_version")},
    g.environment as environment, g.operation as operation, g.provider as provider,
    {_cap("model")}, {_cap("prompt_name")}, {_cap("prompt_version")},
    count(), countIf(g.status = 'error'), countIf(g.blocked),
    countIf(g.usage_source != 'none' and g.cost is null), countIf(g.usage_source = 'none'),
    sum(g.input_tokens), sum(g.output_tokens), sum(g.cache_read_tokens),
    sum(g.cache_write_tokens), sum(g.reasoning_tokens),
    sum(toDecimal128(ifNull(g.cost, 0), 9)), sum(g.duration_ms),
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(g.duration_ms),
    quantilesTDigestStateIf(0.5, 0.9, 0.95, 0.99)(ifNull(g.ttft_ms, 0), g.ttft_ms is not null),
    {{closed:DateTime64(6, 'UTC')}}
from counted as g
group by all
"""  # noqa: S608
