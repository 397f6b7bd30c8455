-- Retention: days by project and kind are part of each table's TTL expression, written by retention.py. A
-- row's life is counted from the day it was stored, so a change holds for what is there already, and
-- an insert pays nothing for it: a hundred projects' rules in the expression cost what a constant does.

-- The rules in force, and how far expiry has come: what was stored up to `frontier` may be gone, under
-- these days or under shorter ones that were in force before.
create table if not exists {database}.retention {on_cluster}
(
    kind LowCardinality(String), project String, days UInt32, frontier Date,
    changed DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree(changed)
order by (kind, project)
settings {durable};

-- When calls expire, their hours must stay as they were counted. The first day on which a call of an hour
-- was stored tells whether any of them can be gone; `arrived` tells which of the rest came after the
-- hour was last counted, and are to be added to what was counted then.
create table if not exists {database}.hour_arrivals {on_cluster}
(
    hour DateTime('UTC'), project LowCardinality(String),
    earliest SimpleAggregateFunction(min, Date)
)
engine = {replicated}AggregatingMergeTree
order by (hour, project)
settings {durable};

alter table {database}.calls {on_cluster}
    add column if not exists arrived DateTime64(6, 'UTC') default now64(6) codec(Delta, ZSTD(1));

-- A call that is priced again goes this way and keeps the time of its arrival.
alter table {database}.to_price {on_cluster}
    add column if not exists arrived DateTime64(6, 'UTC') default now64(6);

-- A changed TTL is worked out anew for old parts from two narrow columns, without rewriting them; the
-- next merge of each drops what is too old.
alter table {database}.spans {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.content {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.verdicts {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.calls {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.usage_closed {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.guards_closed {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.logs {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
alter table {database}.metrics {on_cluster} modify setting materialize_ttl_recalculate_only = 1;
