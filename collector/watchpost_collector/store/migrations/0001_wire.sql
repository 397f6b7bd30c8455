-- The wire: a Null table that mirrors envelope.proto, and the Null tables its materialized views pass
-- rows through. Nothing is stored here; every stage is one SQL statement one can read by itself:
--   wire -> flat (one row a span, values as text) -> named (one column per canonical name)
--        -> work (typed, decided) -> spans, calls, content, verdicts

create table if not exists {database}.wire {on_cluster}
(
    body Tuple(resource_spans Array(Tuple(
        resource Tuple(attributes {attributes}),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String, span_id String, parent_span_id String, name String, kind Int32,
                start_time_unix_nano UInt64, end_time_unix_nano UInt64,
                attributes {attributes},
                events Array(Tuple(time_unix_nano UInt64, name String, attributes {attributes})),
                links Array(Tuple(trace_id String, span_id String)),
                status Tuple(message String, code Int32)
            ))
        ))
    ))),
    project String,
    received_ns UInt64,
    segment String,
    backfill Bool
)
engine = Null;

create table if not exists {database}.flat {on_cluster}
(
    project String,
    spool_segment String,
    trace_id String,
    span_id String,
    parent_span_id String,
    name String,
    start_ns Int64,
    end_ns Int64,
    status_code Int32,
    status_message String,
    scope_name String,
    scope_version String,
    resource Map(String, String),
    keys Array(String),
    vals Array(String),
    event_names Array(String),
    event_times Array(UInt64),
    event_maps Array(Map(String, String)),
    links Array(String)
)
engine = Null;

-- One span a row. Values become text (arrays become JSON), ids become hex of the length OTLP gives
-- them whatever was sent, and times are clamped: without that one client with a broken clock opens
-- partitions from 1677 to 2262. A backfill says so in its envelope and may be as old as 2000.
create materialized view if not exists {database}.wire_to_flat {on_cluster} to {database}.flat as
with
    86400000000000 as day_ns,
    sp.start_time_unix_nano as start_raw,
    (start_raw between if(backfill, 946684800000000000, received_ns - 31 * day_ns)
        and received_ns + 3600000000000) as sane,
    if(sane, start_raw, received_ns) as start_clean,
    -- A span that ends before it starts has no duration; one longer than a month is a broken clock.
    if(sp.end_time_unix_nano > start_raw, least(sp.end_time_unix_nano - start_raw, 31 * day_ns), 0) as took
select
    if(project = '', 'default', project) as project,
    segment as spool_segment,
    lower(hex(left(sp.trace_id, 16))) as trace_id,
    lower(hex(left(sp.span_id, 8))) as span_id,
    replaceOne(lower(hex(left(sp.parent_span_id, 8))), '0000000000000000', '') as parent_span_id,
    toValidUTF8(sp.name) as name,
    toInt64(start_clean) as start_ns,
    toInt64(start_clean + took) as end_ns,
    sp.status.code as status_code,
    toValidUTF8(sp.status.message) as status_message,
    toValidUTF8(ss.scope.name) as scope_name,
    toValidUTF8(ss.scope.version) as scope_version,
    mapFromArrays(
        arrayMap(k -> toValidUTF8(k), rs.resource.attributes.key),
        arrayMap(v -> {text}, rs.resource.attributes.value)
    ) as resource,
    arrayMap(k -> toValidUTF8(k), sp.attributes.key) as keys,
    arrayMap(v -> {text}, sp.attributes.value) as vals,
    arrayMap(n -> toValidUTF8(n), sp.events.name) as event_names,
    sp.events.time_unix_nano as event_times,
    arrayMap(pairs -> mapFromArrays(
        arrayMap(k -> toValidUTF8(k), pairs.key),
        arrayMap(v -> {text}, pairs.value)
    ), sp.events.attributes) as event_maps,
    arrayMap(l -> lower(concat(hex(left(l.trace_id, 16)), ':', hex(left(l.span_id, 8)))), sp.links) as links
from {database}.wire
array join body.resource_spans as rs
array join rs.scope_spans as ss
array join ss.spans as sp;
