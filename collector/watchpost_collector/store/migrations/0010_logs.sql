-- Logs: every record in `logs`; the messages that GenAI events carry go to `content`, where those of
-- spans are, by the span they name. Two forms are in use: one event with everything
-- (`gen_ai.client.inference.operation.details`), and one event a message (`gen_ai.user.message`,
-- `gen_ai.choice`...), which may arrive in pieces, in any order, before their span or after it. Each
-- event is a row of `content` of its own, so that nothing has to be joined or rewritten on arrival;
-- the view `messages` puts together what belongs to one span.

create table if not exists {database}.log_wire {on_cluster}
(
    body Tuple(resource_logs Array(Tuple(
        resource Tuple(attributes {attributes}),
        scope_logs Array(Tuple(
            scope Tuple(name String, version String),
            log_records Array(Tuple(
                time_unix_nano UInt64, observed_time_unix_nano UInt64,
                severity_number Int32, severity_text String,
                body Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64),
                    array_value Tuple(values Array(Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64)))),
                    bytes_value Nullable(String)),
                attributes {attributes},
                trace_id String, span_id String, event_name String
            ))
        ))
    ))),
    project String,
    received_ns UInt64,
    segment String,
    backfill Bool
)
engine = Null;

create table if not exists {database}.log_flat {on_cluster}
(
    project String, spool_segment String, time DateTime64(9, 'UTC'), trace_id String, span_id String,
    position UInt32, severity_number UInt8, severity String, event_name String, said String,
    scope_name String, named Map(LowCardinality(String), String),
    resource Map(LowCardinality(String), String)
)
engine = Null;

-- One record a row. An id of another length than OTLP's is no id; times are clamped as those of spans.
create materialized view if not exists {database}.log_wire_to_flat {on_cluster} to {database}.log_flat as
with
    86400000000000 as day_ns,
    if(record.time_unix_nano > 0, record.time_unix_nano, record.observed_time_unix_nano) as at,
    (at between if(backfill, 946684800000000000, received_ns - 31 * day_ns)
        and received_ns + 3600000000000) as sane,
    mapFromArrays(
        arrayMap(k -> toValidUTF8(k), record.attributes.key),
        arrayMap(v -> {text}, record.attributes.value)
    ) as pairs,
    if(length(record.trace_id) = 16, replaceOne(lower(hex(record.trace_id)), repeat('0', 32), ''), '') as trace
select
    if(project = '', 'default', project) as project,
    segment as spool_segment,
    fromUnixTimestamp64Nano(toInt64(if(sane, at, received_ns)), 'UTC') as time,
    trace as trace_id,
    if(trace != '' and length(record.span_id) = 8,
        replaceOne(lower(hex(record.span_id)), repeat('0', 16), ''), '') as span_id,
    place as position,
    toUInt8(greatest(0, least(record.severity_number, 24))) as severity_number,
    toValidUTF8(record.severity_text) as severity,
    -- Before records had a field for it, the name was an attribute.
    if(record.event_name != '', toValidUTF8(record.event_name), pairs['event.name']) as event_name,
    arrayMap(v -> {text}, [record.body])[1] as said,
    toValidUTF8(ss.scope.name) as scope_name,
    pairs as named,
    mapFromArrays(
        arrayMap(k -> toValidUTF8(k), rs.resource.attributes.key),
        arrayMap(v -> {text}, rs.resource.attributes.value)
    ) as resource
from {database}.log_wire
array join body.resource_logs as rs
array join rs.scope_logs as ss
array join ss.log_records as record, arrayEnumerate(ss.log_records) as place;

create table if not exists {database}.log_work {on_cluster}
(
    project LowCardinality(String), spool_segment String, time DateTime64(9, 'UTC'), trace_id String,
    span_id String, piece UInt32, severity_number UInt8, severity String, event_name String,
    body String, scope_name String, attributes Map(LowCardinality(String), String),
    resource Map(LowCardinality(String), String), has_content Bool,
    input_messages String, output_messages String, system_instructions String, tool_definitions String
)
engine = Null;

-- What of a record is a message. A body that is an object gets a role if it names none; the message of a
-- choice is taken out of it, with its finish reason. Words that move to `content` do not stay in
-- `logs`, whose lives are their own.
create materialized view if not exists {database}.log_flat_to_work {on_cluster} to {database}.log_work as
with
    ['gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions', 'gen_ai.tool.definitions'] as content_keys,
    event_name = 'gen_ai.client.inference.operation.details' as is_details,
    name -> multiIf(not is_details, '', named[name] != '', named[name], startsWith(said, '{'), JSONExtractRaw(said, name), '') as detail,
    transform(event_name,
        ['gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message', 'gen_ai.tool.message',
         'gen_ai.choice', 'gen_ai.content.prompt', 'gen_ai.content.completion'],
        ['system', 'user', 'assistant', 'tool', 'assistant', 'user', 'assistant'], '') as said_by,
    event_name in ('gen_ai.choice', 'gen_ai.content.completion') as is_answer,
    coalesce(nullIf(said, ''), nullIf(named['gen_ai.prompt'], ''), named['gen_ai.completion']) as words,
    is_answer and JSONType(words, 'message') = 'Object' as wrapped,
    if(wrapped, JSONExtractRaw(words, 'message'), words) as message,
    startsWith(message, '{') and isValidJSON(message) as is_object,
    concat('{',
        if(is_object and JSONHas(message, 'role'), '', concat('"role":"', said_by, '"')),
        if(is_object,
            concat(if(JSONHas(message, 'role') or JSONLength(message) = 0, '', ','), substring(message, 2, length(message) - 2)),
            concat(',"content":', toJSONString(message))),
        if(wrapped and JSONHas(words, 'finish_reason'), concat(',"finish_reason":', JSONExtractRaw(words, 'finish_reason')), ''),
        '}') as turn,
    trace_id != '' and span_id != '' as of_a_span,
    if(of_a_span and said_by != '' and words not in ('', '{}'), concat('[', turn, ']'), '') as turns
select
    project, spool_segment, time, trace_id, span_id,
    if(turns != '', position, 0) as piece,
    severity_number, severity, event_name,
    if(has_content, '', said) as body,
    scope_name,
    if(has_content, mapFilter((k, v) -> k not in (content_keys) and k not in ('gen_ai.prompt', 'gen_ai.completion'), named), named) as attributes,
    resource,
    input_messages != '' or output_messages != '' or system_instructions != '' or tool_definitions != '' as has_content,
    if(of_a_span, if(is_answer, '', turns) || detail('gen_ai.input.messages'), '') as input_messages,
    if(of_a_span, if(is_answer, turns, '') || detail('gen_ai.output.messages'), '') as output_messages,
    if(of_a_span, detail('gen_ai.system_instructions'), '') as system_instructions,
    if(of_a_span, detail('gen_ai.tool.definitions'), '') as tool_definitions
from {database}.log_flat;

create table if not exists {database}.logs {on_cluster}
(
    project LowCardinality(String), time DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    trace_id String, span_id String, severity_number UInt8, severity LowCardinality(String),
    event_name LowCardinality(String), body String codec(ZSTD(1)),
    service LowCardinality(String), environment LowCardinality(String),
    scope_name LowCardinality(String), attributes Map(LowCardinality(String), String) codec(ZSTD(1)),
    resource Map(LowCardinality(String), String) codec(ZSTD(1)),
    -- Its words are in `content`.
    has_content Bool,
    spool_segment LowCardinality(String), stored Date default today(),
    index trace_index trace_id type bloom_filter(0.01) granularity 1,
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}MergeTree
partition by toYYYYMM(time)
order by (project, toStartOfMinute(time), event_name, xxHash32(trace_id), span_id)
ttl stored + interval 30 day
settings {durable};

create materialized view if not exists {database}.log_work_to_logs {on_cluster} to {database}.logs as
select
    project, time, trace_id, span_id, severity_number, severity, event_name, body,
    resource['service.name'] as service,
    coalesce(nullIf(resource['deployment.environment.name'], ''), resource['deployment.environment']) as environment,
    scope_name, attributes, resource, has_content, spool_segment
from {database}.log_work;

-- 0: all of a span's messages, from the span or from one event. Else one message of them, which stands
-- at this place among those of its time.
alter table {database}.content {on_cluster} add column if not exists piece UInt32 default 0;

create materialized view if not exists {database}.log_work_to_content {on_cluster} to {database}.content as
select
    project, trace_id, span_id, time as start, input_messages, output_messages, system_instructions,
    tool_definitions, spool_segment, piece
from {database}.log_work
where has_content;

-- The messages of a span, however they came: whole if anybody sent them whole, else its pieces in order.
create view if not exists {database}.messages {on_cluster} as
with
    pieces -> concat('[', arrayStringConcat(arrayMap(p -> substring(p.3, 2, length(p.3) - 2), arraySort(pieces)), ','), ']') as listed
select
    project, trace_id, span_id, start,
    if(asked = '' and notEmpty(asked_pieces), listed(asked_pieces), asked) as input_messages,
    if(answered = '' and notEmpty(answered_pieces), listed(answered_pieces), answered) as output_messages,
    system_instructions, tool_definitions, documents
from (
    select
        project, trace_id, span_id, min(c.start) as start,
        argMaxIf(c.input_messages, length(c.input_messages), c.piece = 0) as asked,
        argMaxIf(c.output_messages, length(c.output_messages), c.piece = 0) as answered,
        groupArrayIf((c.start, c.piece, c.input_messages), c.piece > 0 and c.input_messages != '') as asked_pieces,
        groupArrayIf((c.start, c.piece, c.output_messages), c.piece > 0 and c.output_messages != '') as answered_pieces,
        argMax(c.system_instructions, length(c.system_instructions)) as system_instructions,
        argMax(c.tool_definitions, length(c.tool_definitions)) as tool_definitions,
        argMax(c.documents, length(c.documents)) as documents
    from {database}.content as c
    group by project, trace_id, span_id
);

-- What a judge said of an answer, where it said so as OpenTelemetry's event.
create view if not exists {database}.evaluations {on_cluster} as
select
    project, time, trace_id, span_id, service, environment,
    attributes['gen_ai.evaluation.name'] as name,
    toFloat64OrNull(attributes['gen_ai.evaluation.score.value']) as score,
    attributes['gen_ai.evaluation.score.label'] as label,
    attributes['gen_ai.evaluation.explanation'] as explanation,
    attributes['gen_ai.response.id'] as response_id
from {database}.logs
where event_name = 'gen_ai.evaluation.result';
