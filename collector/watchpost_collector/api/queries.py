"""Every SQL text of the read API.

Values are bound, never spliced; only names of columns that stand in this file are put together. A
filter left empty is no filter, except that an empty project comes from an admin key alone.
"""

from __future__ import annotations

from collections.abc import Sequence

_SINCE = "fromUnixTimestamp64Nano({since:Int64}, 'UTC')"
_UNTIL = "fromUnixTimestamp64Nano({until:Int64}, 'UTC')"
_MINE = "({project:String} = '' or project = {project:String})"
_WHEN = f"start >= {_SINCE} and start < {_UNTIL}"
# A trace may reach a day beyond the window on either side.
_AROUND = f"start >= {_SINCE} - toIntervalDay(1) and start < {_UNTIL} + toIntervalDay(1)"

_CALLS = f"""{_MINE} and {_WHEN}
    and ({{service:String}} = '' or service = {{service:String}})
    and ({{environment:String}} = '' or environment = {{environment:String}})
    and ({{user:String}} = '' or user_id = {{user:String}})
    and ({{session:String}} = '' or session_id = {{session:String}})
    and ({{model:String}} = '' or model = {{model:String}})
    and ({{prompt:String}} = '' or prompt_name = {{prompt:String}})
    and ({{version:String}} = '' or prompt_version = {{version:String}})
    and ({{status:String}} = '' or if(blocked, 'blocked', if(status = 'error', 'error', 'ok'))
        = {{status:String}})"""

TRACES = f"""
with matching as (
    select project, trace_id, min(start) as started, countIf(status = 'error') as failed
    from spans
    where {_MINE} and {_WHEN}
        and ({{service:String}} = '' or service = {{service:String}})
        and ({{environment:String}} = '' or environment = {{environment:String}})
        and ({{user:String}} = '' or user_id = {{user:String}})
        and ({{session:String}} = '' or session_id = {{session:String}})
        and (({{model:String}} = '' and {{prompt:String}} = '' and {{version:String}} = '')
            or (project, trace_id) in (
                select project, trace_id from generations
                where {_MINE} and {_WHEN}
                    and ({{model:String}} = '' or model = {{model:String}})
                    and ({{prompt:String}} = '' or prompt_name = {{prompt:String}})
                    and ({{version:String}} = '' or prompt_version = {{version:String}})))
        and ({{status:String}} != 'blocked' or (project, trace_id) in (
                select project, trace_id from generations where {_MINE} and {_WHEN} and blocked))
        and ({{guard:String}} = '' or (project, trace_id) in (
                select project, trace_id from verdicts
                where {_MINE} and {_WHEN} and tripped and guard = {{guard:String}}))
    group by project, trace_id
    having ({{status:String}} not in ('ok', 'error')
            or (failed > 0) = ({{status:String}} = 'error'))
        and ({{at:Int64}} = 0 or (toUnixTimestamp64Nano(started), trace_id)
            < ({{at:Int64}}, {{id:String}}))
    order by started desc, trace_id desc
    limit {{limit:UInt32}}
),
shown as (
    select project, trace_id, argMin(name, (parent_span_id != '', start)) as name,
        argMin(service, (parent_span_id != '', start)) as service,
        (max(toUnixTimestamp64Nano(start) + toInt64(duration_ms * 1000000))
            - min(toUnixTimestamp64Nano(start))) / 1000000 as duration_ms,
        count() as spans, countIf(status = 'error') as errors,
        max(user_id) as user_id, max(session_id) as session_id
    from spans
    where {_MINE} and {_AROUND} and (project, trace_id) in (select project, trace_id from matching)
    group by project, trace_id
),
called as (
    select project, trace_id, count() as calls, groupUniqArray(20)(model) as models,
        groupUniqArray(20)((prompt_name, prompt_version)) as prompts,
        sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(cost) as cost,
        countIf(price_state = 'unpriced') as unpriced_calls, countIf(blocked) as blocked_calls
    from generations
    where {_MINE} and {_AROUND} and (project, trace_id) in (select project, trace_id from matching)
    group by project, trace_id
),
judged as (
    select project, trace_id, groupUniqArrayIf(20)(guard, tripped) as tripped_guards
    from verdicts
    where {_MINE} and {_AROUND} and (project, trace_id) in (select project, trace_id from matching)
    group by project, trace_id
)
select m.trace_id as trace_id, m.project as project, shown.name as name, shown.service as service,
    m.started as start, toUnixTimestamp64Nano(m.started) as start_ns,
    shown.duration_ms as duration_ms, shown.spans as spans, shown.errors as errors,
    shown.user_id as user_id, shown.session_id as session_id, called.calls as calls,
    arrayFilter(name -> name != '', called.models) as models,
    arrayFilter(prompt -> prompt.1 != '', called.prompts) as prompts,
    called.input_tokens as input_tokens, called.output_tokens as output_tokens,
    called.cost as cost, called.unpriced_calls as unpriced_calls,
    called.blocked_calls as blocked_calls, judged.tripped_guards as tripped_guards
from matching as m
left join shown on shown.project = m.project and shown.trace_id = m.trace_id
left join called on called.project = m.project and called.trace_id = m.trace_id
left join judged on judged.project = m.project and judged.trace_id = m.trace_id
order by start desc, trace_id desc
"""  # noqa: S608

_OF_TRACE = f"{_MINE} and trace_id = {{trace:String}}"
# What only the store needs.
_INNER = "spool_segment, stored"

TRACE_SPANS = f"""
select * except ({_INNER}, has_content, verdict_count) from spans
where {_OF_TRACE} order by start, span_id limit {{limit:UInt32}}
"""  # noqa: S608

TRACE_CALLS = f"""
select * except (spool_segment) from generations where {_OF_TRACE}
order by start, span_id limit {{limit:UInt32}}
"""  # noqa: S608

TRACE_VERDICTS = f"""
select * except ({_INNER}) from verdicts where {_OF_TRACE}
order by start, span_id, guard, direction limit {{limit:UInt32}}
"""  # noqa: S608

# The earliest messages of a trace up to so many bytes of them: a trace may hold gigabytes.
TRACE_CONTENT = f"""
select * except (so_far) from (
    select *, sum(length(input_messages) + length(output_messages) + length(system_instructions)
        + length(tool_definitions) + length(documents)) over (order by start, span_id) as so_far
    from messages where {_OF_TRACE}
)
where so_far <= {{most_bytes:UInt64}}
order by start, span_id limit {{limit:UInt32}}
"""  # noqa: S608

TRACE_CONTENT_COUNT = f"select count() as spans from messages where {_OF_TRACE}"  # noqa: S608

GENERATIONS = f"""
select * except (spool_segment), toUnixTimestamp64Nano(start) as start_ns from generations
where {_CALLS}
    and ({{trace:String}} = '' or trace_id = {{trace:String}})
    and ({{at:Int64}} = 0 or (start_ns, span_id) < ({{at:Int64}}, {{id:String}}))
order by start desc, span_id desc
limit {{limit:UInt32}}
"""  # noqa: S608

# What usage may be split by, and the column behind each name.
DIMENSIONS = {
    "hour": "hour",
    "day": "toStartOfDay(hour)",
    "project": "project",
    "service": "service",
    "service_version": "service_version",
    "environment": "environment",
    "operation": "operation",
    "provider": "provider",
    "model": "model",
    "prompt": "prompt_name",
    "version": "prompt_version",
}

_SUMS = (
    "calls", "errors", "blocked_calls", "unpriced_calls", "no_usage_calls", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost",
)  # fmt: skip


# The rollup keeps times as a histogram of their logarithm.
_QUANTILES = "arrayMap(v -> exp(v / 1500) - 1, quantilesTimingMerge(0.5, 0.9, 0.95, 0.99)({}))"


def write_usage(dimensions: Sequence[str]) -> str:
    """The question for usage, split by some of `DIMENSIONS`; hours count whole."""
    columns = "".join(f"{DIMENSIONS[name]} as {_alias(name)}, " for name in dimensions)
    order = ", ".join(_alias(name) for name in dimensions) or "1"
    sums = ", ".join(f"sum(u.{name}) as total_{name}" for name in _SUMS)
    return f"""
select {columns}{sums},
    {_QUANTILES.format("duration_state")} as duration_ms_quantiles,
    {_QUANTILES.format("ttft_state")} as ttft_ms_quantiles
from usage_hourly as u
where {_MINE} and hour >= toStartOfHour({_SINCE}) and hour < {_UNTIL}
group by all order by {order} limit {{limit:UInt32}}
"""  # noqa: S608


def _alias(name: str) -> str:
    return f"by_{name}"


PROMPTS = f"""
select prompt_name as name, prompt_version as version, groupUniqArray(20)(u.model) as models,
    min(hour) as first_hour, max(hour) as last_hour, sum(u.calls) as total_calls,
    sum(u.errors) as total_errors, sum(u.input_tokens) as total_input_tokens,
    sum(u.output_tokens) as total_output_tokens, sum(u.cost) as total_cost
from usage_hourly as u
where {_MINE} and hour >= toStartOfHour({_SINCE}) and hour < {_UNTIL} and prompt_name != ''
group by prompt_name, prompt_version order by total_calls desc, name, version
limit {{limit:UInt32}}
"""  # noqa: S608


# What each author said last: a later score of the same name and span replaces the earlier.
_JUDGED = f"""
    select project, trace_id, span_id, name, source, author,
        argMax((time, kind, value, label), (time, arrived)) as last
    from score_events where {_OF_TRACE}
    group by project, trace_id, span_id, name, source, author
"""  # noqa: S608

TRACE_SCORES = f"""
select j.project as project, j.span_id as span_id, j.last.1 as time, j.name as name,
    j.last.2 as kind, j.last.3 as value, j.last.4 as label, j.source as source,
    j.author as author, c.comment as comment
from ({_JUDGED}) as j
left join (
    select * except (spool_segment, stored) from score_comments where {_OF_TRACE}
) as c on c.project = j.project and c.span_id = j.span_id and c.name = j.name
    and c.source = j.source and c.author = j.author and c.time = j.last.1
order by time, name, source, author limit {{limit:UInt32}}
"""  # noqa: S608


# Scores by prompt and version.
SCORES = f"""
select name, kind, prompt_name, prompt_version,
    count() as total_scores, avg(value) as mean,
    sumMapIf([label], [1], label != '') as counted_labels
from scores
where {_MINE} and time >= {_SINCE} and time < {_UNTIL}
    and ({{prompt:String}} = '' or prompt_name = {{prompt:String}})
group by name, kind, prompt_name, prompt_version
order by name, prompt_name, prompt_version, kind limit {{limit:UInt32}}
"""  # noqa: S608
