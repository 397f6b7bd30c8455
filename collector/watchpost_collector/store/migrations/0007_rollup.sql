-- Hours: a closed hour is counted once and kept; an open one is read from the calls as they are, so the
-- views below equal the sums over `generations` and `verdicts` at every moment. A write to a closed
-- hour opens it again (an `hours` row later than its closing) until the rollup job has counted it anew.
-- Every sum is of what a row stands for: 1, unless its emitter sampled (times stay those of the rows).

create table if not exists {database}.hours {on_cluster}
(
    hour DateTime('UTC'),
    touched SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    closed SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    -- When its day was last put together from the closings of its hours, and from which of this one.
    in_day SimpleAggregateFunction(max, Tuple(at DateTime64(6, 'UTC'), closed DateTime64(6, 'UTC')))
)
engine = {replicated}AggregatingMergeTree
order by hour
settings {durable};

create materialized view if not exists {database}.calls_to_hours {on_cluster} to {database}.hours as
select toStartOfHour(start) as hour, max(now64(6)) as touched
from {database}.calls
group by hour;

create materialized view if not exists {database}.verdicts_to_hours {on_cluster} to {database}.hours as
select toStartOfHour(start) as hour, max(now64(6)) as touched
from {database}.verdicts
group by hour;

create view if not exists {database}.closed_hours {on_cluster} as
select hour, max(closed) as closed from {database}.hours group by hour having closed > max(touched);

create view if not exists {database}.open_hours {on_cluster} as
select hour from {database}.hours group by hour having max(closed) <= max(touched);

-- Days: a past day without an open hour is put together from its hours and kept beside them, a seventh of
-- the rows, as the row of its first hour. It is read as long as its hours have no other closings: a late
-- call, which opens an hour, takes the day out of the reading at the same moment.
create view if not exists {database}.closed_days {on_cluster} as
select key.1 as hour, key.2 as closed
from (
    select arrayJoin(if(whole, [(day, put)], hours)) as key
    from (
        select toStartOfDay(hour) as day, max(in_day.at) as put,
            min(closed > touched and in_day.closed = closed) and min(in_day.at) = put as whole,
            groupArrayIf((hour, closed), closed > touched) as hours
        from (
            select hour, max(closed) as closed, max(touched) as touched, max(in_day) as in_day
            from {database}.hours group by hour
        )
        group by day
    )
);

-- The keys of user segments that are dimensions of the rollups (`watchpost up --segments`).
create table if not exists {database}.segment_keys {on_cluster}
(
    key String, declared Bool, at DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree(at)
order by key
settings {durable};

-- Times are kept as a histogram of their logarithm, ln(1 + ms) * 1500, half a percent wide and five times
-- quicker to merge than a digest. Back to milliseconds:
-- arrayMap(v -> exp(v / 1500) - 1, quantilesTimingMerge(0.5, 0.95)(duration_state)).
create table if not exists {database}.usage_closed {on_cluster}
(
    hour DateTime('UTC'), project LowCardinality(String), service LowCardinality(String),
    service_version LowCardinality(String), environment LowCardinality(String),
    operation LowCardinality(String), provider LowCardinality(String), model LowCardinality(String),
    prompt_name LowCardinality(String), prompt_version LowCardinality(String),
    segments Map(LowCardinality(String), String),
    calls UInt64, errors UInt64, blocked_calls UInt64, unpriced_calls UInt64, no_usage_calls UInt64,
    estimated_calls UInt64,
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64,
    reasoning_tokens UInt64, cost Decimal(38, 9), duration_ms_sum Float64,
    error_types Map(String, UInt64),
    duration_state AggregateFunction(quantilesTiming(0.5, 0.95), Float64),
    ttft_state AggregateFunction(quantilesTiming(0.5, 0.95), Float64),
    -- Tries beyond the first; and of calls whose context window is known how many they are, the sum and
    -- the largest of the shares they used, and how many used 80 % or more.
    retries UInt64, context_calls UInt64, context_use_sum Float64, context_use_max Float64,
    crowded_calls UInt64,
    closed DateTime64(6, 'UTC'),
    -- Put together from the hours of a day, of which `hour` is the first.
    whole_day Bool default false
)
engine = {replicated}MergeTree
partition by (whole_day, toYYYYMM(hour))
order by (project, hour, service, model, prompt_name, closed)
settings {packed}, {durable};

-- Both readings at once: `by_hour` are the rows that make up every hour, `by_day` those that make up every
-- day, as few as there are; what is open belongs to both. Never read without one of the two.
-- An open hour has a row a call: whoever reads it adds up anyway, and names fewer columns than these.
create view if not exists {database}.usage_rolled {on_cluster} as
select * except (closed, whole_day),
    not whole_day and (hour, closed) in (select hour, closed from {database}.closed_hours) as by_hour,
    (hour, closed) in (select hour, closed from {database}.closed_days) as by_day
from {database}.usage_closed
union all
select
    toStartOfHour(g.start) as hour, project, service, service_version, environment, operation, provider,
    model, prompt_name, prompt_version,
    mapSort(mapFilter((key, value) -> has((select groupArray(key) from {database}.segment_keys final where declared), key), g.segments)) as segments,
    toUInt64(g.weight) as calls, if(status = 'error', calls, 0) as errors, if(blocked, calls, 0) as blocked_calls,
    if(price_state = 'unpriced', calls, 0) as unpriced_calls, if(usage_source = 'none', calls, 0) as no_usage_calls,
    if(usage_source = 'estimated', calls, 0) as estimated_calls,
    g.input_tokens * calls as input_tokens, g.output_tokens * calls as output_tokens,
    g.cache_read_tokens * calls as cache_read_tokens, g.cache_write_tokens * calls as cache_write_tokens,
    g.reasoning_tokens * calls as reasoning_tokens, toDecimal128(ifNull(g.cost, 0), 9) * calls as cost,
    g.duration_ms * calls as duration_ms_sum,
    if(status = 'error', map(toString(g.error_type), calls), map())::Map(String, UInt64) as error_types,
    initializeAggregation('quantilesTimingState(0.5, 0.95)', log(1 + g.duration_ms) * 1500) as duration_state,
    initializeAggregation('quantilesTimingStateIf(0.5, 0.95)', log(1 + ifNull(g.ttft_ms, 0)) * 1500, toUInt8(g.ttft_ms is not null)) as ttft_state,
    toUInt64(g.retries) * calls as retries, if(g.context_use > 0, calls, 0) as context_calls,
    g.context_use * calls as context_use_sum, g.context_use as context_use_max,
    if(g.context_use >= 0.8, calls, 0) as crowded_calls,
    true as by_hour, true as by_day
from {database}.calls as g final
where g.counted and toStartOfHour(g.start) in (select hour from {database}.open_hours)
-- As in `generations`, which is not read here: its many columns take longer to plan than this to run.
settings do_not_merge_across_partitions_select_final = 1;

create view if not exists {database}.usage_hourly {on_cluster} as
select * except (by_hour, by_day) from {database}.usage_rolled where by_hour;

create view if not exists {database}.usage_daily {on_cluster} as
select toStartOfDay(hour) as day, * except (hour, by_hour, by_day) from {database}.usage_rolled where by_day;

-- What the guards said, in the same way.
create table if not exists {database}.guards_closed {on_cluster}
(
    hour DateTime('UTC'), project LowCardinality(String), service LowCardinality(String),
    environment LowCardinality(String), model LowCardinality(String),
    prompt_name LowCardinality(String), prompt_version LowCardinality(String),
    guard LowCardinality(String), direction LowCardinality(String), action LowCardinality(String),
    segments Map(LowCardinality(String), String),
    checks UInt64, tripped UInt64, failed UInt64, labels Map(String, UInt64), duration_ms_sum Float64,
    duration_state AggregateFunction(quantilesTiming(0.5, 0.95), Float64),
    closed DateTime64(6, 'UTC'),
    whole_day Bool default false
)
engine = {replicated}MergeTree
partition by (whole_day, toYYYYMM(hour))
order by (project, hour, guard, service, closed)
settings {packed}, {durable};

create view if not exists {database}.guards_rolled {on_cluster} as
select * except (closed, whole_day),
    not whole_day and (hour, closed) in (select hour, closed from {database}.closed_hours) as by_hour,
    (hour, closed) in (select hour, closed from {database}.closed_days) as by_day
from {database}.guards_closed
union all
select
    toStartOfHour(v.start) as hour, project, service, environment, model, prompt_name, prompt_version,
    guard, direction, action,
    mapSort(mapFilter((key, value) -> has((select groupArray(key) from {database}.segment_keys final where declared), key), v.segments)) as segments,
    toUInt64(v.weight) as checks, if(v.tripped, checks, 0) as tripped, if(v.failed, checks, 0) as failed,
    if(v.tripped and v.label != '', map(toString(v.label), checks), map())::Map(String, UInt64) as labels,
    v.duration_ms * checks as duration_ms_sum,
    initializeAggregation('quantilesTimingState(0.5, 0.95)', log(1 + v.duration_ms) * 1500) as duration_state,
    true as by_hour, true as by_day
from {database}.verdicts as v
where toStartOfHour(v.start) in (select hour from {database}.open_hours);

create view if not exists {database}.guards_hourly {on_cluster} as
select * except (by_hour, by_day) from {database}.guards_rolled where by_hour;

create view if not exists {database}.guards_daily {on_cluster} as
select toStartOfDay(hour) as day, * except (hour, by_hour, by_day) from {database}.guards_rolled where by_day;
