-- Calls: every LLM call once. A row is a fact about one span; a later version of the same key replaces it
-- whatever the order of arrival, and readers ask for FINAL. Versions: 1 the span as it came, a time
-- when it was priced again or given what an outer span knew, the highest of all when another span is
-- known to be the same call (`counted` false). A version is the whole row again, with the span's own
-- start: so all of them share the key although time is in it, and a day's calls are read without
-- their month's. Which spans are the same call settle.py decides, right after the insert.

create table if not exists {database}.calls {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, parent_span_id String,
    start DateTime64(9, 'UTC') codec(Delta, ZSTD(1)), duration_ms Float64,
    name LowCardinality(String), kind LowCardinality(String), scope_name LowCardinality(String),
    service LowCardinality(String), service_version LowCardinality(String),
    environment LowCardinality(String), operation LowCardinality(String), provider LowCardinality(String),
    request_model LowCardinality(String), response_model LowCardinality(String),
    model LowCardinality(String), response_id String, prompt_name LowCardinality(String),
    prompt_version LowCardinality(String), template_hash String, session_id String, user_id String,
    status LowCardinality(String), error_type LowCardinality(String),
    finish_reasons Array(LowCardinality(String)),
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64,
    cache_write_1h_tokens UInt64, reasoning_tokens UInt64, audio_input_tokens UInt64,
    audio_output_tokens UInt64, image_input_tokens UInt64, image_output_tokens UInt64,
    cache_read_audio_tokens UInt64, cache_read_image_tokens UInt64,
    images UInt64, media_ms UInt64, searches UInt64, characters UInt64,
    service_tier LowCardinality(String),
    usage_source LowCardinality(String),
    tokens_estimated Bool,             -- later, by us: no emitter said how many
    cost Nullable(Decimal(18, 9)), price_state LowCardinality(String),
    price_source LowCardinality(String), cost_reported Nullable(Decimal(18, 9)),
    ttft_ms Nullable(Float64), streaming Bool, context_use Float64, retries UInt32, blocked Bool,
    guard_action LowCardinality(String), tags Array(LowCardinality(String)),
    segments Map(LowCardinality(String), String), spool_segment LowCardinality(String),
    -- Whether the messages are in `content` under this span's ids; if another span of the stack
    -- captured them, under which. (A span without its trace only may have them, in this one.)
    has_content Bool, other_trace_id String, other_span_id String,
    -- A hash of the response id (0: none), by which settling finds the same response elsewhere.
    response_key UInt32,
    -- It tells nothing of a call: no usage, no message, no answer.
    hollow Bool,
    -- How many calls this one stands for: 1, unless its emitter sampled.
    weight UInt32 default 1,
    counted Bool, version UInt64, stored Date default today(),
    index trace_index trace_id type bloom_filter(0.01) granularity 1,
    -- Blocked calls are few, and people look for them.
    index blocked_index blocked type minmax granularity 1,
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}ReplacingMergeTree(version)
partition by toYYYYMM(start)
order by (project, toStartOfHour(start), trace_id, span_id)
ttl stored + interval 6 month
settings index_granularity = 2048, {packed}, {durable};

create view if not exists {database}.generations {on_cluster} as
select
    * except (counted, version, stored, scope_name, has_content, other_trace_id, other_span_id, response_key, hollow),
    -- The span whose messages are this call's, in `content` or in `messages`: its own if nothing else
    -- is known, because they may come apart from it, as events.
    multiIf(has_content or other_span_id = '', trace_id, other_trace_id = '', trace_id, other_trace_id) as content_trace_id,
    if(has_content or other_span_id = '', span_id, other_span_id) as content_span_id
from {database}.calls final where counted
-- All versions of a row share its hour and so its month: a month is merged by itself, and the others
-- are not read at all.
settings do_not_merge_across_partitions_select_final = 1;

-- What lists of traces ask of the same calls: planning the other columns takes longer than reading these.
create view if not exists {database}.listed_calls {on_cluster} as
select project, trace_id, start, model, prompt_name, prompt_version, input_tokens, output_tokens, cost,
    price_state, blocked
from {database}.calls final where counted
settings do_not_merge_across_partitions_select_final = 1;
