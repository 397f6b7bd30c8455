-- Scores: what people and judges said of a call, a span or a whole trace. All of them arrive as
-- OpenTelemetry's event `gen_ai.evaluation.result`, also those of a browser and of a link. Every event
-- is a row of `score_events`, so that a segment can be counted and removed; the view `scores` shows
-- what was said last and of which prompt, model and deployment. A span may come after its score, so
-- the two meet when they are read. Comments are words: a table of their own, with content's life.

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

-- Each score once: the last of those that one author gave a span under one name, with what is known of
-- the span. What a span does not say (its prompt, its model) the first call of its trace that does says.
create view if not exists {database}.scores {on_cluster} as
with
judged as (
    select project, trace_id, span_id, name, source, author, if(trace_id = '', e.response_id, '') as response_id,
        argMax((e.time, e.kind, e.value, e.label, e.service, e.environment), (e.time, e.arrived)) as last
    from {database}.score_events as e
    group by project, trace_id, span_id, name, source, author, response_id
),
placed as (
    select project, trace_id,
        groupUniqArrayIf((span_id, place), (project, trace_id, span_id) in (
            select project, trace_id, span_id from {database}.score_events where span_id != '')) as scored,
        argMinIf(place, begun, place.1 != '') as prompted,
        argMinIf(place, begun, place.3 != '') as called,
        argMin(place, (inner, begun)) as root
    from (
        select project, trace_id, span_id, start as begun, parent_span_id != '' as inner,
            (prompt_name::String, prompt_version::String, model::String, service::String, service_version::String, environment::String, segments) as place
        from {database}.spans
        where trace_id in (select trace_id from {database}.score_events where trace_id != '')
        union all
        -- The calls of a trace that was sampled out are there nevertheless.
        select project, trace_id, span_id, start as begun, true as inner,
            (prompt_name::String, prompt_version::String, model::String, service::String, service_version::String, environment::String, segments) as place
        from {database}.generations
        where trace_id in (select trace_id from {database}.score_events where trace_id != '')
    )
    group by project, trace_id
),
answered as (
    select project, response_id,
        argMin((prompt_name::String, prompt_version::String, model::String, service::String, service_version::String, environment::String, segments), start) as place
    from {database}.generations
    where response_id in (select response_id from {database}.score_events where trace_id = '' and response_id != '')
    group by project, response_id
),
    if(j.trace_id = '', answered.place, arrayFirst(s -> s.1 = j.span_id, placed.scored).2) as own
select
    j.project as project, j.trace_id as trace_id, j.span_id as span_id, j.response_id as response_id,
    j.last.1 as time, j.name as name, j.last.2 as kind, j.last.3 as value, j.last.4 as label,
    j.source as source, j.author as author, c.comment as comment,
    if(own.1 != '', own.1, placed.prompted.1) as prompt_name,
    if(own.1 != '', own.2, placed.prompted.2) as prompt_version,
    if(own.3 != '', own.3, placed.called.3) as model,
    coalesce(nullIf(own.4, ''), nullIf(placed.root.4, ''), j.last.5) as service,
    coalesce(nullIf(own.5, ''), placed.root.5) as service_version,
    coalesce(nullIf(own.6, ''), nullIf(placed.root.6, ''), j.last.6) as environment,
    if(notEmpty(own.7), own.7, placed.root.7) as segments
from judged as j
left join {database}.score_comments as c
    on c.project = j.project and c.trace_id = j.trace_id and c.span_id = j.span_id and c.name = j.name
    and c.source = j.source and c.author = j.author and c.time = j.last.1
left join placed on placed.project = j.project and placed.trace_id = j.trace_id
left join answered on answered.project = j.project and answered.response_id = j.response_id;
