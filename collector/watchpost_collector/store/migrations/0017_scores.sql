-- Scores: what people and judges said of a call, a span or a whole trace. All of them arrive as
-- OpenTelemetry's event `gen_ai.evaluation.result`, also those of a browser and of a link. Every event
-- is a row of `score_events`, so that a segment can be counted and removed. scores.py settles them, right
-- after each insert: which is the last of its author, and which prompt, model and deployment it is
-- about. A span may come after its score. Comments are words: a table of their own, with content's life.

create table if not exists {database}.score_events {on_cluster}
(
    project LowCardinality(String), time DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    -- No span: the whole trace. No trace: the call with this response id.
    trace_id String, span_id String, response_id String,
    name LowCardinality(String),
    kind LowCardinality(String),       -- number, boolean (1 or 0) or category (a label alone)
    value Nullable(Float64), label String,
    source LowCardinality(String),     -- sdk, http, link, or the scope of another emitter
    author String,
    service LowCardinality(String), environment LowCardinality(String),
    has_comment Bool,
    spool_segment LowCardinality(String), stored Date default today(),
    arrived DateTime64(6, 'UTC') default now64(6) codec(Delta, ZSTD(1)),
    index trace_index trace_id type bloom_filter(0.01) granularity 1,
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}MergeTree
partition by toYYYYMM(time)
order by (project, toStartOfHour(time), name, xxHash32(trace_id), span_id)
ttl stored + interval 6 month
settings index_granularity = 2048, materialize_ttl_recalculate_only = 1, {packed}, {durable};

create table if not exists {database}.score_comments {on_cluster}
(
    project LowCardinality(String), time DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    trace_id String, span_id String, name LowCardinality(String), source LowCardinality(String),
    author String, comment String,
    spool_segment LowCardinality(String), stored Date default today()
)
engine = {replicated}MergeTree
partition by toMonday(time)
order by (project, trace_id, span_id, name)
ttl stored + interval 30 day
settings index_granularity = 1024, materialize_ttl_recalculate_only = 1, default_compression_codec = 'ZSTD(3)', {durable};

create materialized view if not exists {database}.log_work_to_score_events {on_cluster} to {database}.score_events as
with
    toFloat64OrNull(attributes['gen_ai.evaluation.score.value']) as told,
    attributes['watchpost.score.kind'] as said_kind
select
    project, time, trace_id, span_id,
    attributes['gen_ai.response.id'] as response_id,
    attributes['gen_ai.evaluation.name'] as name,
    multiIf(said_kind in ('number', 'boolean', 'category'), said_kind, value is null, 'category', 'number') as kind,
    if(isFinite(ifNull(told, nan)), told, null) as value,
    attributes['gen_ai.evaluation.score.label'] as label,
    coalesce(nullIf(attributes['watchpost.score.source'], ''), nullIf(scope_name, ''), 'event') as source,
    attributes['watchpost.score.author'] as author,
    resource['service.name'] as service,
    coalesce(nullIf(resource['deployment.environment.name'], ''), resource['deployment.environment']) as environment,
    {is_comment} as has_comment,
    spool_segment
from {database}.log_work
where {is_score};

create materialized view if not exists {database}.log_work_to_score_comments {on_cluster} to {database}.score_comments as
select
    project, time, trace_id, span_id,
    attributes['gen_ai.evaluation.name'] as name,
    coalesce(nullIf(attributes['watchpost.score.source'], ''), nullIf(scope_name, ''), 'event') as source,
    attributes['watchpost.score.author'] as author,
    attributes['gen_ai.evaluation.explanation'] as comment,
    spool_segment
from {database}.log_work
where {is_score} and {is_comment};

-- What the other two tables must hold of a record. Its words and its author do not stay in `logs`.
alter table {database}.logs {on_cluster}
    add column if not exists has_score Bool default false,
    add column if not exists has_comment Bool default false;

alter table {database}.log_work_to_logs {on_cluster} modify query
select
    project, time, trace_id, span_id, severity_number, severity, event_name, body,
    resource['service.name'] as service,
    coalesce(nullIf(resource['deployment.environment.name'], ''), resource['deployment.environment']) as environment,
    scope_name,
    if(has_score, mapFilter((k, v) -> k != 'watchpost.score.author'
        and (k != 'gen_ai.evaluation.explanation' or not has_comment), w.attributes), w.attributes) as attributes,
    resource, has_content, has_score, has_comment, spool_segment
from (select *, {is_score} as has_score, has_score and {is_comment} as has_comment from {database}.log_work) as w;

drop view if exists {database}.evaluations {on_cluster};

-- A score as it was settled last. A version is the whole row again; its event's time is in the key, so
-- that a month of one name is read alone. An earlier score of the same author and span stays here,
-- not counted.
create table if not exists {database}.settled_scores {on_cluster}
(
    project LowCardinality(String), name LowCardinality(String),
    time DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    trace_id String, span_id String, response_id String,
    kind LowCardinality(String), value Nullable(Float64), label String,
    source LowCardinality(String), author String,
    prompt_name LowCardinality(String), prompt_version LowCardinality(String),
    model LowCardinality(String), service LowCardinality(String),
    service_version LowCardinality(String), environment LowCardinality(String),
    segments Map(LowCardinality(String), String),
    has_comment Bool,
    counted Bool, version UInt64, spool_segment LowCardinality(String), stored Date,
    index trace_index trace_id type bloom_filter(0.01) granularity 1,
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}ReplacingMergeTree(version)
partition by toYYYYMM(time)
primary key (project, name, time)
order by (project, name, time, trace_id, span_id, response_id, source, author)
ttl stored + interval 6 month
settings index_granularity = 2048, materialize_ttl_recalculate_only = 1, {packed}, {durable};

-- Hashes of the traces and responses that have a score: what a segment of spans is compared with.
create table if not exists {database}.scored {on_cluster}
(
    project LowCardinality(String), subject UInt64, stored Date default today()
)
engine = {replicated}ReplacingMergeTree(stored)
order by (project, subject)
ttl stored + interval 6 month
settings index_granularity = 512, materialize_ttl_recalculate_only = 1, {durable};

create materialized view if not exists {database}.score_events_to_scored {on_cluster} to {database}.scored as
select distinct project, xxHash64(if(trace_id != '', trace_id, response_id)) as subject
from {database}.score_events;

-- Each score once, with what it is about.
create view if not exists {database}.scores {on_cluster} as
select
    s.project as project, s.trace_id as trace_id, s.span_id as span_id, s.response_id as response_id,
    s.time as time, s.name as name, s.kind as kind, s.value as value, s.label as label,
    s.source as source, s.author as author, c.comment as comment,
    s.prompt_name as prompt_name, s.prompt_version as prompt_version, s.model as model,
    s.service as service, s.service_version as service_version, s.environment as environment,
    s.segments as segments
from (select * from {database}.settled_scores final where counted) as s
left any join {database}.score_comments as c
    on c.project = s.project and c.trace_id = s.trace_id and c.span_id = s.span_id and c.name = s.name
    and c.source = s.source and c.author = s.author and c.time = s.time
settings do_not_merge_across_partitions_select_final = 1;
