-- Prices: one row per source, version, provider, model, tier, first day and size of the context, in US
-- dollars per million units. A price list's update never overwrites a person's price: overrides are
-- rows of their own and win from their first day on. Rows are never changed: what a call was priced
-- by can be looked up as long as the call is kept.

create table if not exists {database}.prices {on_cluster}
(
    source LowCardinality(String),     -- 'override', or the name of a price list
    version LowCardinality(String),    -- of the list, or of the person's file
    provider String,                   -- as the spans spell it; '' where they name none
    model String,                      -- lower case
    tier LowCardinality(String),       -- '' is the standard one; else batch, priority, flex...
    valid_from Date,
    above UInt64,                      -- a call with more input tokens than this pays these rates for all
    {rate_columns},
    rule String,                       -- how the list came to mean this model: its name, or a pattern
    added_at DateTime64(6, 'UTC') default now64(6),
    id UInt64 materialized cityHash64(source, version, provider, model, tier, valid_from, above)
)
engine = {replicated}ReplacingMergeTree(added_at)
order by (source, provider, model, tier, valid_from, above, version)
settings {durable};

-- The lists themselves, as they came: the rules of names they hold are needed for every new model.
create table if not exists {database}.price_lists {on_cluster}
(
    source LowCardinality(String), version String, text String codec(ZSTD(3)),
    added_at DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree(added_at)
order by (source, version)
settings {durable};

-- Of a price list the newest version that knows a model, of a person's files the last one alone.
create view if not exists {database}.prices_in_force {on_cluster} as
select *, id, (source = 'override')::UInt8 as own
from {database}.prices final
where if(own,
    version = (select argMax(version, added_at) from {database}.price_lists where source = 'override'),
    (provider, model, source, version) in (
        select provider, model, (argMax((source, version), added_at) as newest).1, newest.2
        from {database}.prices where source != 'override' group by provider, model));

-- Each price ends the day before the next of its kind begins, a listed one where a person's begins.
create view if not exists {database}.price_ranges {on_cluster} as
select provider, model, tier, valid_from, least(ends, if(own, ends, first_own - 1)) as valid_to, id
from (
    select
        *,
        leadInFrame(valid_from - 1, 1, toDate('2149-06-06')) over (
            partition by own, provider, model, tier order by valid_from
            rows between current row and unbounded following) as ends,
        min(if(own, valid_from, toDate('2149-06-06'))) over (partition by provider, model) as first_own
    from (select provider, model, tier, valid_from, id, own from {database}.prices_in_force where above = 0)
)
where own or valid_from < first_own;

-- The rates of one price, and where those of the next larger contexts stand: `next` above `upto` and so on.
create view if not exists {database}.price_bands {on_cluster} as
select
    id, (source = 'override')::UInt8 as own, concat(source, ' ', version)::String as name,
    {token_rates} = 0 as token_free, token_free and {other_rates} != 0 as by_other,
    leadInFrame(above, 1, 18446744073709551615) over larger as upto, leadInFrame(id, 1, 0) over larger as next,
    leadInFrame(above, 2, 18446744073709551615) over larger as upto_2, leadInFrame(id, 2, 0) over larger as next_2,
    leadInFrame(above, 3, 18446744073709551615) over larger as upto_3, leadInFrame(id, 3, 0) over larger as next_3,
    {rates}
from (select *, id from {database}.prices final)
window larger as (
    partition by source, version, provider, model, tier, valid_from order by above
    rows between current row and unbounded following);

-- Two dictionaries, because looking eighteen rates up by range costs ten times what it costs by number.
-- A number means the same price for ever, so that it does not matter which of the two is newer.
create dictionary if not exists {database}.price_numbers {on_cluster}
(
    provider String, model String, tier String, valid_from Date, valid_to Date, id UInt64
)
primary key provider, model, tier
source(clickhouse({login}query 'select * from {database}.price_ranges'))
layout(complex_key_range_hashed(range_lookup_strategy 'max'))
range(min valid_from max valid_to)
{refreshed};

create dictionary if not exists {database}.price_rates {on_cluster}
(
    id UInt64, own UInt8, name String, token_free UInt8, by_other UInt8,
    upto UInt64, next UInt64, upto_2 UInt64, next_2 UInt64, upto_3 UInt64, next_3 UInt64, {rate_attributes}
)
primary key id
source(clickhouse({login}query 'select * from {database}.price_bands'))
layout(hashed_array())
{refreshed};
