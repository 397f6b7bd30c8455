"""Hours of calls written straight into the rollups, closed: weeks of traffic in one insert.

Every call of an hour is alike but for a wave over hours, so that what a test plants is all there is
to find. Tests keep apart by project.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from watchpost_collector.store.client import Store

HOUR_S = 3600
# A Monday; far from the hours that other tests write.
FIRST_H = 1_593_993_600 // HOUR_S


@dataclass(frozen=True, slots=True)
class Hours:
    """`count` hours from number `begin` on: so many calls each, of one service, model and version.

    `cost` and `tokens` are a call's; `failing` and `refusing` are shares.
    """

    begin: int
    count: int
    calls: int = 40
    service: str = "bot"
    model: str = "large"
    version: str = "v1"
    cost: float = 0.01
    tokens: int = 300
    ms: float = 800.0
    failing: float = 0.02
    refusing: float = 0.05


def moment(hour: int) -> int:
    """Seconds since 1970 at which hour number `hour` begins."""
    return (FIRST_H + hour) * HOUR_S


def write_hours(store: Store, project: str, *stretches: Hours) -> None:
    """Insert them as closed hours of the project."""
    for one in stretches:
        bound = {**asdict(one), "first": FIRST_H, "project": project}
        for statement in (_USAGE, _CHECKS, _CLOSED):
            store.command(statement, bound)


_ROWS = """
from (
    select toDateTime(({first:UInt32} + {begin:UInt32} + number) * 3600, 'UTC') as hour,
        cityHash64(number + {begin:UInt32}, {service:String}) % 1000 / 1000 as wave,
        toUInt64({calls:UInt32} * (0.8 + 0.4 * wave)) as made
    from numbers({count:UInt32})
) where made > 0
"""
_STAMP = "toDateTime64('2020-01-01 00:00:00', 6, 'UTC')"
_USAGE = f"""
insert into watchpost.usage_closed (* except (
    retries, context_calls, context_use_sum, context_use_max, crowded_calls))
select hour, {{project:String}}, {{service:String}}, '', 'prod', 'chat', 'openai', {{model:String}},
    'reply', {{version:String}}, map('plan', 'team'), made,
    least(made, toUInt64(made * {{failing:Float64}} * (0.5 + wave) + 0.5)),
    0, 0, 0, 0, made * {{tokens:UInt32}}, made * 100, 0, 0, 0,
    toDecimal128(made * {{cost:Float64}} * (0.9 + 0.2 * wave), 9), 0, map(), state, state,
    {_STAMP}, false
from (
    select *, arrayReduce('quantilesTimingState(0.5, 0.95)', arrayMap(
        i -> log(1 + {{ms:Float64}} * (0.9 + 0.2 * wave) * (0.5 + i / made)) * 1500,
        range(made))) as state
    {_ROWS}
)
"""
_CHECKS = f"""
insert into watchpost.guards_closed
select hour, {{project:String}}, {{service:String}}, 'prod', {{model:String}}, 'reply',
    {{version:String}}, 'refusal', 'output', 'flag', map(), made,
    least(made, toUInt64(made * {{refusing:Float64}} * (0.5 + wave) + 0.5)), 0, map(), 0,
    initializeAggregation('quantilesTimingState(0.5, 0.95)', 1.), {_STAMP}, false
{_ROWS}
"""
# The days count as closed as well: no other test's closing of days finds them.
_CLOSED = f"""
insert into watchpost.hours (hour, closed, in_day)
select toDateTime(({{first:UInt32}} + {{begin:UInt32}} + number) * 3600, 'UTC'), {_STAMP},
    ({_STAMP}, {_STAMP})
from numbers({{count:UInt32}})
"""
