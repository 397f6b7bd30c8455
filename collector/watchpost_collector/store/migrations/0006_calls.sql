-- Calls: every LLM call once. A row is a fact about one span; a later version of the same key replaces it
-- whatever the order of arrival, and readers ask for FINAL. Versions: 1 the span as it came, a time
-- when it was priced again, the highest of all when another span is known to be the same call (a
-- tombstone, `counted` false). Stacked instrumentations nest, so a span with usage buries its
-- parent here, in the same insert; what only a whole trace shows is settled by settle.py right after.

create table if not exists {database}.calls {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, parent_span_id String,
    start DateTime64(9, 'UTC'), duration_ms Float64, name LowCardinality(String),
    kind LowCardinality(String), service LowCardinality(String),
    service_version LowCardinality(String), environment LowCardinality(String),
    operation LowCardinality(String), provider LowCardinality(String),
    request_model LowCardinality(String), response_model LowCardinality(String),
    model LowCardinality(String), response_id String, prompt_name LowCardinality(String),
    prompt_version LowCardinality(String), template_hash String, session_id String, user_id String,
    status LowCardinality(String), error_type LowCardinality(String),
    finish_reasons Array(LowCardinality(String)),
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64,
    cache_write_1h_tokens UInt64, reasoning_tokens UInt64, audio_input_tokens UInt64,
    audio_output_tokens UInt64, image_input_tokens UInt64, image_output_tokens UInt64,
    images UInt64, media_ms UInt64, searches UInt64, service_tier LowCardinality(String),
    usage_source LowCardinality(String),
    cost Nullable(Decimal(18, 9)), price_state LowCardinality(String),
    price_source LowCardinality(String), cost_reported Nullable(Decimal(18, 9)),
    ttft_ms Nullable(Float64), streaming Bool, context_use Float64, retries UInt32, blocked Bool,
    guard_action LowCardinality(String), tags Array(LowCardinality(String)),
    segments Map(LowCardinality(String), String), spool_segment LowCardinality(String),
    -- The span whose row in `content` holds the messages: another one where the counted span of a
    -- stack was not the one that captured them.
    content_trace_id String, content_span_id String,
    counted Bool, version UInt64, stored Date default today(),
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}ReplacingMergeTree(version)
partition by toYYYYMM(start)
order by (project, trace_id, span_id)
ttl stored + interval 6 month
settings index_granularity = 1024, {durable};

-- The parent is the same call seen from further out, if it is an LLM span at all; if it is not, its key
-- has no other row and the tombstone is nothing. A span without usage buries nobody.
create materialized view if not exists {database}.work_to_tombstones {on_cluster} to {database}.calls as
select
    project, trace_id, parent_span_id as span_id, start, spool_segment,
    false as counted, 18446744073709551615 as version
from {database}.work
where kind in ('generation', 'embedding') and parent_span_id != '' and input_tokens + output_tokens > 0;

create view if not exists {database}.generations {on_cluster} as
select * except (counted, version, stored) from {database}.calls final where counted;

-- What settling looks at: one narrow row a call, ordered by time because the spans of one call start
-- within seconds of each other whenever they arrive. It also keeps what only an outer span knows
-- (prompt, session, verdicts...), so that the span that counts can be given it.
create table if not exists {database}.links {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, parent_span_id String,
    start DateTime64(9, 'UTC'), finish DateTime64(9, 'UTC'), scope_name LowCardinality(String),
    response_id String, has_usage Bool,
    prompt_name LowCardinality(String), prompt_version LowCardinality(String), template_hash String,
    session_id String, user_id String, tags Array(LowCardinality(String)),
    segments Map(LowCardinality(String), String), ttft_ms Nullable(Float64), streaming Bool,
    cost_reported Nullable(Decimal(18, 9)), context_use Float64, retries UInt32, blocked Bool, guard_action LowCardinality(String),
    content_trace_id String, content_span_id String,
    -- Hashes of (project, trace) and (project, response): four bytes are enough to leave out a busy
    -- hour's other rows; whoever reads compares the real ids after. 0: no response id.
    trace_key UInt32, response_key UInt32,
    spool_segment LowCardinality(String), stored Date default today(),
    index segment_index spool_segment type set(16) granularity 1
)
engine = {replicated}MergeTree
partition by toYYYYMM(start)
order by (toStartOfTenMinutes(start), project, trace_id)
ttl stored + interval 6 month
settings {durable};

create materialized view if not exists {database}.work_to_links {on_cluster} to {database}.links as
select
    project, trace_id, span_id, parent_span_id, start,
    start + toIntervalNanosecond(toInt64(duration_ms * 1000000)) as finish,
    scope_name, response_id, input_tokens + output_tokens > 0 as has_usage,
    prompt_name, prompt_version, template_hash, session_id, user_id, tags, segments, ttft_ms,
    streaming, cost_reported, context_use, retries, blocked, guard_action,
    if(input_messages != '' or output_messages != '', trace_id, '') as content_trace_id,
    if(input_messages != '' or output_messages != '', span_id, '') as content_span_id,
    xxHash32(project, trace_id) as trace_key,
    if(response_id = '', 0, xxHash32(project, response_id)) as response_key,
    spool_segment
from {database}.work
where kind in ('generation', 'embedding');
