-- The wire: a Null table that mirrors envelope.proto, and the Null tables its materialized views pass
-- rows through. Nothing is stored here; every stage is one SQL statement one can read by itself:
--   wire -> named (one row a span, one text column per canonical name)
--        -> work (typed, decided) -> spans, calls, content, verdicts

create table if not exists {database}.wire {on_cluster}
(
    body Tuple(resource_spans Array(Tuple(
        resource Tuple(attributes {attributes}),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32,
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
