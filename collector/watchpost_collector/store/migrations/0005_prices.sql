-- Prices: one row per source, provider, model and first day, in US dollars per million tokens. A price
-- list's update never overwrites a person's price: overrides are rows of their own and win.

create table if not exists {database}.prices {on_cluster}
(
    source LowCardinality(String),     -- 'override', or the price list and its version
    provider String,                   -- as the spans spell it; '' where they name none
    model String,                      -- lower case
    valid_from Date,
    input Decimal(18, 9), output Decimal(18, 9),
    cache_read Decimal(18, 9), cache_write Decimal(18, 9), cache_write_1h Decimal(18, 9),
    -- A call with more input than this pays the long rates for all of its tokens; 0: no such tier.
    long_from UInt64,
    long_input Decimal(18, 9), long_output Decimal(18, 9),
    long_cache_read Decimal(18, 9), long_cache_write Decimal(18, 9), long_cache_write_1h Decimal(18, 9),
    added_at DateTime64(6, 'UTC') default now64(6)
)
engine = {replicated}ReplacingMergeTree(added_at)
order by (source, provider, model, valid_from)
settings {durable};

-- Each price ends the day before the next of its kind begins: the ranges a dictionary can look up.
create view if not exists {database}.price_ranges {on_cluster} as
select
    *,
    leadInFrame(valid_from - 1, 1, toDate('2149-06-06')) over (
        partition by source = 'override', provider, model order by valid_from
        rows between current row and unbounded following) as valid_to
from (
    select * from {database}.prices final
    -- One list price a day: the newest wins. (Two sources may both know a model.)
    order by added_at desc limit 1 by source = 'override', provider, model, valid_from
);

create dictionary if not exists {database}.price_list {on_cluster}
(
    provider String, model String, valid_from Date, valid_to Date, source String,
    input Decimal64(9), output Decimal64(9), cache_read Decimal64(9), cache_write Decimal64(9), cache_write_1h Decimal64(9),
    long_from UInt64, long_input Decimal64(9), long_output Decimal64(9), long_cache_read Decimal64(9), long_cache_write Decimal64(9), long_cache_write_1h Decimal64(9)
)
primary key provider, model
source(clickhouse({login}query 'select * from {database}.price_ranges where source != ''override'''))
layout(complex_key_range_hashed(range_lookup_strategy 'max'))
range(min valid_from max valid_to)
lifetime(0);

create dictionary if not exists {database}.price_overrides {on_cluster}
(
    provider String, model String, valid_from Date, valid_to Date, source String,
    input Decimal64(9), output Decimal64(9), cache_read Decimal64(9), cache_write Decimal64(9), cache_write_1h Decimal64(9),
    long_from UInt64, long_input Decimal64(9), long_output Decimal64(9), long_cache_read Decimal64(9), long_cache_write Decimal64(9), long_cache_write_1h Decimal64(9)
)
primary key provider, model
source(clickhouse({login}query 'select * from {database}.price_ranges where source = ''override'''))
layout(complex_key_range_hashed(range_lookup_strategy 'max'))
range(min valid_from max valid_to)
lifetime(0);
