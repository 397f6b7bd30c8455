-- Hours: a closed hour is counted once from `calls` and kept; an open one is read from `calls` as it is,
-- so the view below equals the sum over `generations` at every moment. A write to a closed hour
-- opens it again (an `hours` row later than its closing) until the rollup job has counted it anew.

create table if not exists {database}.hours {on_cluster}
(
    hour DateTime('UTC'),
    touched SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    closed SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
engine = {replicated}AggregatingMergeTree
order by hour
settings {durable};

-- A tombstone lands on its parent, which starts a little before: that hour is touched as well.
create materialized view if not exists {database}.calls_to_hours {on_cluster} to {database}.hours as
select arrayJoin(arrayDistinct([toStartOfHour(start), toStartOfHour(start - interval 15 minute)])) as hour,
    max(now64(6)) as touched
from {database}.calls
group by hour;

create table if not exists {database}.usage_closed {on_cluster}
(
    hour DateTime('UTC'), project LowCardinality(String), service LowCardinality(String),
    service_version LowCardinality(String), environment LowCardinality(String),
    operation LowCardinality(String), provider LowCardinality(String), model LowCardinality(String),
    prompt_name LowCardinality(String), prompt_version LowCardinality(String),
    calls UInt64, errors UInt64, blocked_calls UInt64, unpriced_calls UInt64, no_usage_calls UInt64,
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64,
    reasoning_tokens UInt64, cost Decimal(38, 9), duration_ms_sum Float64,
    duration_ms_state AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Float64),
    ttft_ms_state AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Float64),
    closed DateTime64(6, 'UTC')
)
engine = {replicated}MergeTree
partition by toYYYYMM(hour)
order by (project, hour, service, model, prompt_name, closed)
settings {durable};

create view if not exists {database}.closed_hours {on_cluster} as
select hour, max(closed) as closed from {database}.hours group by hour having closed > max(touched);

create view if not exists {database}.usage_hourly {on_cluster} as
select * except closed from {database}.usage_closed
where (hour, closed) in (select hour, closed from {database}.closed_hours)
union all
select
    toStartOfHour(g.start) as hour, project, service, service_version, environment, operation, provider,
    model, prompt_name, prompt_version,
    count() as calls, countIf(status = 'error') as errors, countIf(blocked) as blocked_calls,
    countIf(usage_source != 'none' and g.cost is null) as unpriced_calls,
    countIf(usage_source = 'none') as no_usage_calls,
    sum(g.input_tokens) as input_tokens, sum(g.output_tokens) as output_tokens,
    sum(g.cache_read_tokens) as cache_read_tokens, sum(g.cache_write_tokens) as cache_write_tokens,
    sum(g.reasoning_tokens) as reasoning_tokens,
    sum(toDecimal128(ifNull(g.cost, 0), 9)) as cost,
    sum(g.duration_ms) as duration_ms_sum,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(g.duration_ms) as duration_ms_state,
    quantilesTDigestStateIf(0.5, 0.9, 0.95, 0.99)(ifNull(g.ttft_ms, 0), g.ttft_ms is not null) as ttft_ms_state
from {database}.generations as g
where toStartOfHour(g.start) not in (select hour from {database}.closed_hours)
group by all;
