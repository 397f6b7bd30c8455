-- What is kept of every span. Project leads each key, then time: lists, panels and searches read by time,
-- one trace is found by the filter on its id. Wide text lives in `content`, by the hour and in it by
-- trace (as small as by trace alone, a fifth of by time) with a short life of its own. Lives are counted
-- from the day of arrival, not from the span's own time: history that is brought in late must not vanish
-- on the way.

create table if not exists {database}.spans {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, parent_span_id String,
    start DateTime64(9, 'UTC') codec(Delta, ZSTD(1)), duration_ms Float64, name LowCardinality(String),
    kind LowCardinality(String), status LowCardinality(String), status_message String,
    error_type LowCardinality(String), service LowCardinality(String),
    service_version LowCardinality(String), environment LowCardinality(String), vcs_revision String,
    scope_name LowCardinality(String), operation LowCardinality(String), provider LowCardinality(String),
    request_model LowCardinality(String), response_model LowCardinality(String),
    model LowCardinality(String), response_id String, prompt_name LowCardinality(String),
    prompt_version LowCardinality(String), session_id String, user_id String,
    agent_name LowCardinality(String), workflow_name LowCardinality(String),
    finish_reasons Array(LowCardinality(String)), input_tokens UInt64, output_tokens UInt64,
    usage_source LowCardinality(String), ttft_ms Nullable(Float64), streaming Bool,
    service_tier LowCardinality(String), system_fingerprint LowCardinality(String),
    parameters Map(LowCardinality(String), String), tags Array(LowCardinality(String)),
    segments Map(LowCardinality(String), String),
    tool_name LowCardinality(String), tool_call_id String, tool_arguments String, tool_result String,
    events String, links Array(String),
    attributes Map(LowCardinality(String), String),
    resource Map(LowCardinality(String), LowCardinality(String)),
    spool_segment LowCardinality(String),
    -- What the other tables must hold of this span: the proof that an insert arrived whole.
    has_content Bool, verdict_count UInt16,
    -- How many spans this one stands for: sums of it are right whatever was sampled.
    weight UInt32 default 1,
    stored Date default today(),
    index trace_index trace_id type bloom_filter(0.01) granularity 1,
    index session_index session_id type bloom_filter(0.01) granularity 1,
    index user_index user_id type bloom_filter(0.01) granularity 1,
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}MergeTree
partition by toYYYYMM(start)
order by (project, toStartOfMinute(start), xxHash32(trace_id), span_id)
ttl stored + interval 6 month
-- Merged parts keep attributes in eight streams by key: one key is read without the other seven.
settings map_serialization_version = 'with_buckets', map_buckets_strategy = 'constant',
    max_buckets_in_map = 8, map_buckets_min_avg_size = 0,
    map_serialization_version_for_zero_level_parts = 'basic', {packed}, {durable};

create materialized view if not exists {database}.work_to_spans {on_cluster} to {database}.spans as
select
    * except (input_messages, output_messages, system_instructions, tool_definitions, documents, hollow, verdicts,
        cost_reported, blocked, guard_action, retries, context_use, context_window, template_hash,
        cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
        audio_input_tokens, audio_output_tokens, adjusted_count, lot, rule, always, kept, fraction, weight, span_weight),
    span_weight as weight,
    length(verdicts) as verdict_count
from {database}.work
where kept;

create table if not exists {database}.content {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, start DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    input_messages String, output_messages String, system_instructions String,
    tool_definitions String,
    documents String,                  -- what a retriever found: a JSON list, the texts as `content`
    spool_segment LowCardinality(String), stored Date default today(),
    -- What a search looks through: `hasAllTokens(words, 'refund late')`. The messages are JSON, where
    -- a line break would stick to the word after it. The index is built by every insert: a merge joins
    -- the indexes of its parts in the time it would take to build one of its own.
    words String alias lower(replaceAll(replaceAll(concat(input_messages, ' ', output_messages), '\\n', ' '), '\\t', ' ')),
    index words_index words type text(tokenizer = 'splitByNonAlpha', posting_list_codec = 'bitpacking'),
    index trace_index trace_id type bloom_filter(0.001) granularity 1
)
engine = {replicated}MergeTree
partition by toMonday(start)
-- A search within minutes reads few granules of text, and not one for each trace of its week that has the words.
order by (project, toStartOfHour(start), trace_id, span_id)
ttl stored + interval 30 day
settings index_granularity = 1024, default_compression_codec = 'ZSTD(3)', {durable};

create materialized view if not exists {database}.work_to_content {on_cluster} to {database}.content as
select
    project, trace_id, span_id, start, input_messages, output_messages, system_instructions,
    tool_definitions, documents, spool_segment
from {database}.work
where has_content;

create table if not exists {database}.verdicts {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String, start DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    service LowCardinality(String), environment LowCardinality(String), model LowCardinality(String),
    prompt_name LowCardinality(String), prompt_version LowCardinality(String),
    guard LowCardinality(String), label LowCardinality(String), direction LowCardinality(String),
    action LowCardinality(String), tripped Bool, failed Bool, probability Float32, threshold Float32,
    duration_ms Float64, revision LowCardinality(String),
    segments Map(LowCardinality(String), String), weight UInt32 default 1,
    -- Said of a call that was stored already, by guards of the collector: it could change nothing.
    in_background Bool default false,
    spool_segment LowCardinality(String), stored Date default today(),
    arrived DateTime64(6, 'UTC') default now64(6) codec(Delta, ZSTD(1))
)
engine = {replicated}MergeTree
partition by toYYYYMM(start)
order by (project, toStartOfMinute(start), guard, xxHash32(trace_id), span_id)
ttl stored + interval 6 month
settings {packed}, {durable};

create materialized view if not exists {database}.work_to_verdicts {on_cluster} to {database}.verdicts as
select
    project, trace_id, span_id, start, service, environment, model, prompt_name, prompt_version,
    verdict['watchpost.guard.name'] as guard,
    verdict['watchpost.guard.label'] as label,
    verdict['watchpost.guard.direction'] as direction,
    verdict['watchpost.guard.action'] as action,
    verdict['watchpost.guard.tripped'] = 'true' as tripped,
    verdict['watchpost.guard.failed'] = 'true' as failed,
    toFloat32OrZero(verdict['watchpost.guard.probability']) as probability,
    toFloat32OrZero(verdict['watchpost.guard.threshold']) as threshold,
    toFloat64OrZero(verdict['watchpost.guard.duration_ms']) as duration_ms,
    verdict['watchpost.guard.revision'] as revision,
    segments,
    weight,
    spool_segment
from {database}.work
array join verdicts as verdict;
