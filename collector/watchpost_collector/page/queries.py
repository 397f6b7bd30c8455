"""Every SQL text the page runs, by name. Values are bound parameters, never spliced; a filter left
empty is no filter. Tests run each of these against a migrated store."""

from __future__ import annotations

# What every reading of calls is narrowed by. `start` is compared as it is stored, so that the
# primary key and the partitions are used.
_CALLS = """
    ({project:String} = '' or project = {project:String})
    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
    and ({service:String} = '' or service = {service:String})
    and ({environment:String} = '' or environment = {environment:String})
    and ({model:String} = '' or model = {model:String})
    and ({prompt:String} = '' or prompt_name = {prompt:String})
"""

EXTENT = """
select toUnixTimestamp64Milli(toDateTime64(min(start), 3, 'UTC')) as first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(start), 3, 'UTC')) as last_ms
from spans
where {project:String} = '' or project = {project:String}
"""

ANY_SPAN = """
select count() > 0 as any_span from (
    select 1 from spans
    where {project:String} = '' or project = {project:String} limit 1
)
"""

TILES = f"""
select count() as calls,
    countIf(status = 'error') as errors,
    countIf(blocked) as blocked,
    sum(cost) as cost,
    countIf(price_state = 'unpriced') as unpriced,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cache_read_tokens) as cache_read_tokens,
    countIf(usage_source = 'estimated') as estimated,
    quantileOrNull(0.5)(duration_ms) as p50,
    quantileOrNull(0.95)(duration_ms) as p95,
    quantileOrNull(0.5)(ttft_ms) as first_token_p50,
    quantileOrNull(0.95)(ttft_ms) as first_token_p95
from generations
where {_CALLS}
"""  # noqa: S608  only constants of this file are joined

GUARD_TILE = f"""
select countIf(tripped) as tripped, countIf(failed) as failed, count() as checked
from verdicts
where {_CALLS}
"""  # noqa: S608

BY_MODEL_OVER_TIME = f"""
select intDiv(toUnixTimestamp(start), {{bucket:UInt32}}) * {{bucket:UInt32}} * 1000 as at,
    model,
    sum(cost) as cost,
    count() as calls,
    countIf(status = 'error') as errors
from generations
where {_CALLS}
group by at, model
order by at, model
limit 20000
"""  # noqa: S608

LATENCY_OVER_TIME = f"""
select intDiv(toUnixTimestamp(start), {{bucket:UInt32}}) * {{bucket:UInt32}} * 1000 as at,
    quantile(0.5)(duration_ms) as p50,
    quantile(0.95)(duration_ms) as p95,
    quantileOrNull(0.5)(ttft_ms) as first_token
from generations
where {_CALLS}
group by at
order by at
limit 5000
"""  # noqa: S608

TOKENS_BY_PROMPT_OVER_TIME = f"""
select intDiv(toUnixTimestamp(start), {{bucket:UInt32}}) * {{bucket:UInt32}} * 1000 as at,
    prompt_name,
    prompt_version,
    sum(input_tokens + output_tokens) as tokens
from generations
where {_CALLS}
group by at, prompt_name, prompt_version
order by at, prompt_name, prompt_version
limit 20000
"""  # noqa: S608

BY_MODEL = f"""
select model, any(provider) as provider, count() as calls,
    countIf(status = 'error') as errors,
    sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
    sum(cost) as cost, countIf(price_state = 'unpriced') as unpriced,
    quantile(0.95)(duration_ms) as p95
from generations
where {_CALLS}
group by model
order by cost desc nulls last, calls desc, model
limit 20
"""  # noqa: S608

BY_PROMPT = f"""
select prompt_name, prompt_version, count() as calls,
    countIf(status = 'error') as errors,
    sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
    sum(cost) as cost, countIf(price_state = 'unpriced') as unpriced,
    quantile(0.95)(duration_ms) as p95
from generations
where {_CALLS}
group by prompt_name, prompt_version
order by cost desc nulls last, calls desc, prompt_name, prompt_version
limit 20
"""  # noqa: S608

BY_GUARD = f"""
select guard, direction, count() as checked, countIf(v.tripped) as tripped,
    sumMapIf(map(label, toUInt64(1)), v.tripped and label != '') as labels,
    countIf(v.action = 'block' and v.tripped) as blocked, countIf(v.failed) as failed,
    quantile(0.95)(duration_ms) as p95
from verdicts as v
where {_CALLS}
group by guard, direction
order by tripped desc, checked desc, guard, direction
limit 20
"""  # noqa: S608

CHOICES = """
select arraySort(groupUniqArray(200)(project)) as projects,
    arraySort(groupUniqArray(200)(service)) as services,
    arraySort(groupUniqArray(200)(environment)) as environments,
    arraySort(groupUniqArray(200)(model)) as models,
    arraySort(groupUniqArray(200)(prompt_name)) as prompts,
    arraySort(groupUniqArray(200)(prompt_version)) as versions
from generations
where ({project:String} = '' or project = {project:String})
    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
"""

GUARD_CHOICES = """
select arraySort(groupUniqArray(200)(guard)) as guards
from verdicts
where tripped and ({project:String} = '' or project = {project:String})
    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
"""

# One page of traces: first the identities, newest first, by the narrow columns; then everything
# else for those few. A trace may reach a day beyond the window on either side.
TRACES = """
with matching as (
    select trace_id, min(start) as started
    from spans
    where ({project:String} = '' or project = {project:String})
        and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
        and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
        and ({service:String} = '' or service = {service:String})
        and ({environment:String} = '' or environment = {environment:String})
        and ({user:String} = '' or user_id = {user:String})
        and ({session:String} = '' or session_id = {session:String})
        and (({model:String} = '' and {prompt:String} = '' and {version:String} = '')
            or trace_id in (
                select trace_id from generations
                where ({project:String} = '' or project = {project:String})
                    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
                    and ({model:String} = '' or model = {model:String})
                    and ({prompt:String} = '' or prompt_name = {prompt:String})
                    and ({version:String} = '' or prompt_version = {version:String})))
        and ({status:String} != 'blocked' or trace_id in (
                select trace_id from generations
                where ({project:String} = '' or project = {project:String}) and blocked
                    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')))
        and ({guard:String} = '' or trace_id in (
                select trace_id from verdicts
                where ({project:String} = '' or project = {project:String}) and tripped
                    and guard = {guard:String}
                    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')))
        and ({text:String} = '' or trace_id in (
                select trace_id from content
                where ({project:String} = '' or project = {project:String})
                    and start >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                    and start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
                    and (positionCaseInsensitiveUTF8(input_messages, {text:String}) > 0
                        or positionCaseInsensitiveUTF8(output_messages, {text:String}) > 0)
                limit 5000))
    group by trace_id
    having ({status:String} not in ('ok', 'error'))
        or (countIf(status = 'error') > 0) = ({status:String} = 'error')
    order by started desc, trace_id
    limit {limit:UInt32} offset {offset:UInt32}
),
shown as (
    select trace_id,
        argMin(name, (parent_span_id != '', start)) as name,
        argMin(service, (parent_span_id != '', start)) as service,
        min(start) as started,
        (max(toUnixTimestamp64Nano(start) + toInt64(duration_ms * 1000000))
            - min(toUnixTimestamp64Nano(start))) / 1000000 as duration_ms,
        count() as spans,
        countIf(status = 'error') as errors,
        max(user_id) as user_id,
        max(session_id) as session_id
    from spans
    where ({project:String} = '' or project = {project:String})
        and start >= fromUnixTimestamp64Milli({since:Int64} - 86400000, 'UTC')
        and start < fromUnixTimestamp64Milli({until:Int64} + 86400000, 'UTC')
        and trace_id in (select trace_id from matching)
    group by trace_id
),
called as (
    select trace_id, count() as calls, groupUniqArray(4)(model) as models,
        groupUniqArray(4)((prompt_name, prompt_version)) as prompts,
        sum(input_tokens + output_tokens) as tokens, sum(cost) as cost,
        countIf(price_state = 'unpriced') as unpriced, countIf(blocked) as blocked
    from generations
    where ({project:String} = '' or project = {project:String})
        and start >= fromUnixTimestamp64Milli({since:Int64} - 86400000, 'UTC')
        and start < fromUnixTimestamp64Milli({until:Int64} + 86400000, 'UTC')
        and trace_id in (select trace_id from matching)
    group by trace_id
),
judged as (
    select trace_id, groupUniqArrayIf(6)(guard, tripped) as guards
    from verdicts
    where ({project:String} = '' or project = {project:String})
        and start >= fromUnixTimestamp64Milli({since:Int64} - 86400000, 'UTC')
        and start < fromUnixTimestamp64Milli({until:Int64} + 86400000, 'UTC')
        and trace_id in (select trace_id from matching)
    group by trace_id
)
select shown.trace_id as trace_id, shown.name as name, shown.service as service,
    shown.started as started, shown.duration_ms as duration_ms, shown.spans as spans,
    shown.errors as errors, shown.user_id as user_id, shown.session_id as session_id,
    called.calls as calls, called.models as models, called.prompts as prompts,
    called.tokens as tokens, called.cost as cost, called.unpriced as unpriced,
    called.blocked as blocked, judged.guards as guards
from shown
left join called on called.trace_id = shown.trace_id
left join judged on judged.trace_id = shown.trace_id
order by started desc, trace_id
"""

# A trace's spans come with what the accounting knows of them; `generations` holds only
# the calls that count, so a wrapper has no cost here either.
TRACE_SPANS = """
select spans.span_id as span_id, spans.parent_span_id as parent_span_id, spans.name as name,
    spans.kind as kind, spans.service as service, spans.start as start,
    toUnixTimestamp64Nano(spans.start) / 1000000 as start_ms, spans.duration_ms as duration_ms,
    spans.status as status, generations.model as model, generations.cost as cost,
    generations.input_tokens as input_tokens, generations.output_tokens as output_tokens,
    generations.price_state as price_state, generations.blocked as blocked,
    generations.span_id != '' as counted
from (
    select * from spans
    where ({project:String} = '' or project = {project:String}) and trace_id = {trace:String}
    order by start limit {limit:UInt32}
) as spans
left join (
    select * from generations
    where ({project:String} = '' or project = {project:String}) and trace_id = {trace:String}
) as generations on generations.span_id = spans.span_id
order by start, span_id
"""

TRACE_TOTALS = """
select count() as calls, sum(cost) as cost,
    countIf(price_state = 'unpriced') as unpriced,
    sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
    max(session_id) as session_id, max(user_id) as user_id
from generations
where ({project:String} = '' or project = {project:String}) and trace_id = {trace:String}
"""

TRACE_SPAN_COUNT = """
select count() as spans, countIf(status = 'error') as errors
from spans
where ({project:String} = '' or project = {project:String}) and trace_id = {trace:String}
"""

SPAN = """
select * from spans
where ({project:String} = '' or project = {project:String})
    and trace_id = {trace:String} and span_id = {span:String}
order by start limit 1
"""

SPAN_CALL = """
select * from generations
where ({project:String} = '' or project = {project:String})
    and trace_id = {trace:String} and span_id = {span:String}
order by start limit 1
"""

# Content may be large: no more of it is read than is shown.
SPAN_CONTENT = """
select substringUTF8(input_messages, 1, 2000000) as input_messages,
    substringUTF8(output_messages, 1, 2000000) as output_messages,
    substringUTF8(system_instructions, 1, 200000) as system_instructions,
    substringUTF8(tool_definitions, 1, 200000) as tool_definitions
from messages
where ({project:String} = '' or project = {project:String})
    and trace_id = {trace:String} and span_id = {span:String}
limit 1
"""

TRACE_VERDICTS = """
select span_id, guard, label, direction, action, tripped, failed, probability, threshold,
    duration_ms
from verdicts
where ({project:String} = '' or project = {project:String}) and trace_id = {trace:String}
order by tripped desc, guard, direction, label
limit 2000
"""

# Named queries, so that a test can run every one of them.
ALL = {name: sql for name, sql in globals().items() if name.isupper() and not name.startswith("_")}
