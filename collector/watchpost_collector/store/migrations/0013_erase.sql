-- Erasing a person: who was erased, as keyed hashes alone (the key lies outside the database), and the
-- traces an erasure is about while it runs. Mutations name these tables and never an id, because
-- the engine keeps the text of its mutations.

create table if not exists {database}.erased {on_cluster}
(
    kind LowCardinality(String),       -- user, session or trace
    key String,                        -- SHA-256 of the secret, the kind and the id, in hexadecimal
    project LowCardinality(String),    -- '' for every project
    because LowCardinality(String),    -- the kind of id that was erased, where a trace went with it
    keep_calls Bool,
    erasure String,
    -- What started before this and arrives after it is erased on arrival.
    since DateTime64(9, 'UTC')
)
engine = {replicated}ReplacingMergeTree(since)
order by (kind, key, project, erasure)
settings {durable};

create table if not exists {database}.erasing {on_cluster}
(
    project LowCardinality(String), trace_id String, span_id String,
    because LowCardinality(String),
    keep_calls Bool,
    spared Bool                        -- a span of one of these traces that names somebody else
)
engine = {replicated}MergeTree
order by (project, trace_id, span_id)
settings {durable};
