"""Weeks of simulated traffic in the rollups of a store, quiet or with something planted in them.

The engine makes them (`simulated_hours.sql`). This file knows what can be planted; it does not know
which rules look at it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from watchpost_collector.store.client import Store

HOUR_S = 3600
WEEK_H = 168
# The first hour: a Monday, so that a week is a week.
FIRST_H = 1_672_617_600 // HOUR_S
RISE_H = 3
VERSION_H = 3 * WEEK_H
# Services with their prompts, each with versions of its own.
CONTEXTS = 3
_WEEKS_AT_ONCE = 20
_HOURS = Path(__file__).with_suffix(".sql").read_text("utf-8")
_CLOSING = "toDateTime64('2022-01-01 00:00:00', 6, 'UTC')"


@dataclass(frozen=True, slots=True)
class Plant:
    """What is wrong with the traffic, as factors; 1 is nothing.

    From hour number `rise_from` on, in three hours of every `rise_every`, costs, inputs, times,
    errors and refusals rise by `rise`. Every second version costs and takes `worse`, and refuses
    `refusing` times, what the others do.
    """

    rise: float = 1.0
    rise_from: int = 0
    rise_every: int = 31
    worse: float = 1.0
    refusing: float = 1.0


QUIET = Plant()


def simulate(store: Store, weeks: int, seed: int, plant: Plant = QUIET) -> None:
    """Replace what the rollups hold by so many weeks of traffic, all of them closed hours."""
    for table in ("usage_closed", "guards_closed", "hours"):
        store.command(f"truncate table watchpost.{table}")
    bound = {**asdict(plant), "seed": seed, "first": FIRST_H}
    bound["rise_from"] = FIRST_H + plant.rise_from
    for week in range(0, weeks, _WEEKS_AT_ONCE):
        part = {"begin": week * WEEK_H, "count": min(_WEEKS_AT_ONCE, weeks - week) * WEEK_H}
        store.command("drop table if exists default.simulated")
        store.command(
            f"create table default.simulated engine = Memory as {_HOURS}", {**bound, **part}
        )
        for statement in (_USAGE, _CHECKS, _CLOSED):
            store.command(statement)


_USAGE = f"""
insert into watchpost.usage_closed (hour, project, service, environment, operation, provider, model,
    prompt_name, prompt_version, calls, errors, input_tokens, output_tokens, cost, duration_state,
    ttft_state, closed)
select hour, 'default', service, 'prod', 'chat', 'openai', model, prompt, version, calls_made,
    errors_made, tokens_in, tokens_out, toDecimal128(dollars, 9), state, state, {_CLOSING}
from default.simulated
"""
_CHECKS = f"""
insert into watchpost.guards_closed (hour, project, service, environment, model, prompt_name,
    prompt_version, guard, direction, action, checks, tripped, closed)
select hour, 'default', service, 'prod', model, prompt, version, guard.1, 'output', 'flag',
    calls_made, guard.2, {_CLOSING}
from (
    select *, arrayJoin([('refusal', refused), ('pii', masked)]) as guard
    from default.simulated
)
"""
_CLOSED = f"""
insert into watchpost.hours (hour, closed)
select distinct hour, {_CLOSING} from default.simulated
"""
