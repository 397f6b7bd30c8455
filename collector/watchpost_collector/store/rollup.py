"""Closing hours: counts what happened in each past hour, once, and keeps it.

Calls go into `usage_closed`, checks into `guards_closed`. Readers use the views `usage_hourly` and
`guards_hourly`, which take closed hours from there and all others from the rows themselves, so that
they are right before, during and after this job. An hour some of whose calls have expired keeps
what was counted, and a late call is added to it. This file knows hours and dimensions; it does not
know what a call is or when it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from watchpost.errors import ConfigError
from watchpost_collector import fault
from watchpost_collector.store.client import Store
from watchpost_collector.store.retention import FRONTIER_SQL, read_frontier

# Late calls are common for a few minutes; an hour closed too early is only counted again.
GRACE_MINUTES = 10
# The time of a write is taken when it begins: an hour written to later than this may get more rows.
QUIET_S = 60
# Values of a dimension kept by name per project and closing; the rest is counted as 'other'.
MOST_VALUES = 1000
OTHER = "other"
# Segment keys that can be dimensions: each multiplies the rows of an hour.
MOST_SEGMENT_KEYS = 8
_HOURS_AT_ONCE = 24


def declare_segments(store: Store, keys: Sequence[str] | None) -> list[str]:
    """Make these user segments, and no others, dimensions of the rollups from now on.

    None leaves it as it is. Returns the keys whose part changed. Hours that are closed stay as they
    were counted. Raises ConfigError for more than eight.
    """
    if keys is None:
        return []
    wanted = set(keys)
    if len(wanted) > MOST_SEGMENT_KEYS:
        raise ConfigError(
            "segments",
            ",".join(keys),
            f"name at most {MOST_SEGMENT_KEYS}: each multiplies the rows",
        )
    rows = store.query("select key from watchpost.segment_keys final where declared")
    changed = sorted(wanted ^ {str(key) for (key,) in rows})
    if changed:
        # With their time, because the same rows again would be taken for a repeated insert.
        store.command(
            "insert into watchpost.segment_keys (key, declared, at) "
            "select arrayJoin({changed:Array(String)}) as key, "
            "has({wanted:Array(String)}, key), now64(6)",
            {"changed": changed, "wanted": sorted(wanted)},
        )
    return changed


def close_hours(
    store: Store, grace_minutes: int = GRACE_MINUTES, quiet_s: int = 0
) -> list[datetime]:
    """Close every past hour that is open and was not written to lately, oldest first.

    Returns them. Safe to stop anywhere: an hour counts as closed only after its rows are stored,
    and a call that arrives meanwhile opens it again.
    """
    open_hours = [
        row[0]
        for row in store.query(
            "select hour from watchpost.hours group by hour "
            "having max(closed) <= max(touched) "
            "and max(touched) <= now64(6) - toIntervalSecond({quiet:UInt32}) "
            "and hour < toStartOfHour(now() - toIntervalMinute({grace:UInt32})) order by hour",
            {"grace": grace_minutes, "quiet": quiet_s},
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
        "first": _spell(hours)[0],
        "last": _spell(hours)[-1],
        "closed": closed,
        "most": MOST_VALUES,
        "kept": list(kept.projects) if kept else [],
        "counted": kept.counted if kept else "1970-01-01 00:00:00",
    }
    store.command(_ARRIVALS, bound)
    [(widest,)] = store.query(_WIDEST, bound)
    counts = _COUNT if widest <= MOST_VALUES else _COUNT_CAPPED
    for count, keep in zip(counts, (_KEEP_CALLS, _KEEP_VERDICTS), strict=True):
        store.command(count, bound)
        if kept:
            store.command(keep, bound)
    fault.reach("half_closed")
    store.command(
        "insert into watchpost.hours (hour, closed) "
        "select arrayJoin({hours:Array(DateTime('UTC'))}), {closed:DateTime64(6, 'UTC')}",
        bound,
    )
    for table in ("usage_closed", "guards_closed"):
        superseded = (
            f"from watchpost.{table} where hour in {{hours:Array(DateTime('UTC'))}} "
            "and closed < {closed:DateTime64(6, 'UTC')}"
        )
        if store.query(f"select 1 {superseded} limit 1", bound).rows:
            store.command(f"delete {superseded}", bound, {"lightweight_deletes_sync": 1})


# The segments of a row that are dimensions.
_DECLARED = (
    "mapFilter((key, value) -> has((select groupArray(key) from watchpost.segment_keys final "
    "where declared), key), {})"
)


# The most values that a dimension of one project has in these hours: where they are few, nothing
# has to be counted to tell the frequent ones.
_WIDEST = f"""
select max(width) from (
    select greatest(uniq(service_version), uniq(model), uniq(prompt_name), uniq(prompt_version),
        uniqArray(mapValues({_DECLARED.format("segments")}))) as width
    from (
        select project, start, service_version, model, prompt_name, prompt_version, segments
        from watchpost.calls
        union all
        select project, start, '', model, prompt_name, prompt_version, segments
        from watchpost.verdicts
    )
    where start >= toDateTime64({{first:DateTime('UTC')}}, 9, 'UTC')
        and start < toDateTime64({{last:DateTime('UTC')}} + 3600, 9, 'UTC')
    group by project
)
"""  # noqa: S608


def _cap(column: str, capped: bool) -> str:
    """A dimension's value, or 'other' when its project has too many of them in these hours."""
    if not capped:
        return f"g.{column} as {column}"
    return (
        f"if((g.project, g.{column}) in (select project, {column} from counted "  # noqa: S608
        f"group by project, {column} order by count() desc limit {{most:UInt32}} by project), "
        f"g.{column}, '{OTHER}') as {column}"
    )


_PAIRS = f"{_DECLARED.format('segments')}::Array(Tuple(String, String))"
# Of every declared key its most frequent values.
_SEGMENTS_CAPPED = f"""
mapSort(mapApply(
    (key, value) -> (key, if(has((
        select groupArray(concat(project, '\\0', pair.1, '\\0', pair.2)) from (
            select project, arrayJoin({_PAIRS}) as pair
            from counted group by project, pair
            order by count() desc limit {{most:UInt32}} by project, pair.1)
    ), concat(g.project, '\\0', key, '\\0', value)), value, '{OTHER}')),
    {_DECLARED.format("g.segments")})) as segments
"""  # noqa: S608
# By whether values are capped.
_SEGMENTS = (f"mapSort({_DECLARED.format('g.segments')}) as segments", _SEGMENTS_CAPPED)

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
from (
    select start, project, stored from watchpost.calls where counted
    union all
    select start, project, stored from watchpost.verdicts
)
where start >= toDateTime64({first:DateTime('UTC')}, 9, 'UTC')
    and start < toDateTime64({last:DateTime('UTC')} + 3600, 9, 'UTC')
    and toStartOfHour(start) in {hours:Array(DateTime('UTC'))}
group by hour, project
"""

# What was counted of the kept projects, beside what came since; a crash leaves rows of a closing
# that no hour names, and the next one removes them.
_KEEP = """
insert into watchpost.{table}
select before.* replace ({{closed:DateTime64(6, 'UTC')}} as closed)
from watchpost.{table} as before
where hour in {{hours:Array(DateTime('UTC'))}} and project in {{kept:Array(String)}}
    and before.closed = {{counted:DateTime64(6, 'UTC')}}
"""
_KEEP_CALLS = _KEEP.format(table="usage_closed")
_KEEP_VERDICTS = _KEEP.format(table="guards_closed")

# The rows of these hours; of the kept projects only what came after their last closing.
_COUNTED = """
with counted as (
    select * from watchpost.{table}
    where start >= toDateTime64({{first:DateTime('UTC')}}, 9, 'UTC')
        and start < toDateTime64({{last:DateTime('UTC')}} + 3600, 9, 'UTC')
        and toStartOfHour(start) in {{hours:Array(DateTime('UTC'))}}
        and (project not in {{kept:Array(String)}}
            or (arrived > {{counted:DateTime64(6, 'UTC')}}
                and arrived <= {{closed:DateTime64(6, 'UTC')}}))
)
"""


def _count_calls(capped: bool) -> str:
    return f"""
insert into watchpost.usage_closed
{_COUNTED.format(table="calls final").replace("where", "where counted and", 1)}
select
    toStartOfHour(g.start) as hour, g.project as project, g.service as service,
    {_cap("service_version", capped)},
    g.environment as environment, g.operation as operation, g.provider as provider,
    {_cap("model", capped)}, {_cap("prompt_name", capped)}, {_cap("prompt_version", capped)},
    {_SEGMENTS[capped]},
    sum(g.weight), sumIf(g.weight, g.status = 'error'), sumIf(g.weight, g.blocked),
    sumIf(g.weight, g.price_state = 'unpriced'), sumIf(g.weight, g.usage_source = 'none'),
    sumIf(g.weight, g.usage_source = 'estimated'),
    sum(g.input_tokens * g.weight), sum(g.output_tokens * g.weight),
    sum(g.cache_read_tokens * g.weight), sum(g.cache_write_tokens * g.weight),
    sum(g.reasoning_tokens * g.weight),
    sum(toDecimal128(ifNull(g.cost, 0), 9) * g.weight), sum(g.duration_ms * g.weight),
    sumMapIf(map(toString(g.error_type), toUInt64(g.weight)), g.status = 'error'),
    quantilesTimingState(0.5, 0.95)(log(1 + g.duration_ms) * 1500),
    quantilesTimingStateIf(0.5, 0.95)(log(1 + ifNull(g.ttft_ms, 0)) * 1500, g.ttft_ms is not null),
    sum(g.retries * g.weight), sumIf(g.weight, g.context_use > 0),
    sum(g.context_use * g.weight), max(g.context_use), sumIf(g.weight, g.context_use >= 0.8),
    {{closed:DateTime64(6, 'UTC')}}, false
from counted as g
group by all
"""  # noqa: S608


def _count_verdicts(capped: bool) -> str:
    return f"""
insert into watchpost.guards_closed
{_COUNTED.format(table="verdicts")}
select
    toStartOfHour(g.start) as hour, g.project as project, g.service as service,
    g.environment as environment, {_cap("model", capped)},
    {_cap("prompt_name", capped)}, {_cap("prompt_version", capped)},
    g.guard as guard, g.direction as direction, g.action as action, {_SEGMENTS[capped]},
    sum(g.weight), sumIf(g.weight, g.tripped), sumIf(g.weight, g.failed),
    sumMapIf(map(toString(g.label), toUInt64(g.weight)), g.tripped and g.label != ''),
    sum(g.duration_ms * g.weight), quantilesTimingState(0.5, 0.95)(log(1 + g.duration_ms) * 1500),
    {{closed:DateTime64(6, 'UTC')}}, false
from counted as g
group by all
"""  # noqa: S608


_COUNT = _count_calls(False), _count_verdicts(False)
_COUNT_CAPPED = _count_calls(True), _count_verdicts(True)
