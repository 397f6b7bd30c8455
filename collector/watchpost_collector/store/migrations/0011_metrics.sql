-- Metrics: one row a data point, of all five kinds OTLP has, as it came: a cumulative point stays one
-- (`temporality` says so), buckets stay buckets. What GenAI panels filter by has columns of its own.

create table if not exists {database}.metric_wire {on_cluster}
(
    body Tuple(resource_metrics Array(Tuple(
        resource Tuple(attributes {attributes}),
        scope_metrics Array(Tuple(
            scope Tuple(name String, version String),
            metrics Array(Tuple(
                name String, unit String,
                gauge Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64, time_unix_nano UInt64, attributes {attributes}, flags UInt32,
                    as_double Nullable(Float64), as_int Nullable(Int64)))),
                sum Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64, time_unix_nano UInt64, attributes {attributes}, flags UInt32,
                    as_double Nullable(Float64), as_int Nullable(Int64))), aggregation_temporality Int32, is_monotonic Bool),
                histogram Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64, time_unix_nano UInt64, count UInt64, sum Nullable(Float64),
                    bucket_counts Array(UInt64), explicit_bounds Array(Float64), attributes {attributes}, flags UInt32,
                    min Nullable(Float64), max Nullable(Float64))), aggregation_temporality Int32),
                exponential_histogram Tuple(data_points Array(Tuple(
                    attributes {attributes}, start_time_unix_nano UInt64, time_unix_nano UInt64, count UInt64, sum Nullable(Float64),
                    scale Int32, zero_count UInt64, positive Tuple(offset Int32, bucket_counts Array(UInt64)),
                    negative Tuple(offset Int32, bucket_counts Array(UInt64)), flags UInt32,
                    min Nullable(Float64), max Nullable(Float64), zero_threshold Float64)), aggregation_temporality Int32),
                summary Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64, time_unix_nano UInt64, count UInt64, sum Float64,
                    quantile_values Array(Tuple(quantile Float64, value Float64)), attributes {attributes}, flags UInt32)))
            ))
        ))
    ))),
    project String,
    received_ns UInt64,
    segment String,
    backfill Bool
)
engine = Null;

create table if not exists {database}.metrics {on_cluster}
(
    project LowCardinality(String), name LowCardinality(String),
    time DateTime64(9, 'UTC') codec(Delta, ZSTD(1)), start DateTime64(9, 'UTC') codec(Delta, ZSTD(1)),
    unit LowCardinality(String), kind LowCardinality(String), temporality LowCardinality(String),
    monotonic Bool, service LowCardinality(String), environment LowCardinality(String),
    operation LowCardinality(String), provider LowCardinality(String), model LowCardinality(String),
    token_type LowCardinality(String),
    -- Points of one series share it: project, name, resource and attributes, hashed.
    series UInt64,
    value Nullable(Float64), count UInt64, sum Nullable(Float64), min Nullable(Float64), max Nullable(Float64),
    -- Of a histogram: upper bounds, and counts one more than those. Of an exponential one: the counts of
    -- its positive range, `offset` being the first one's index.
    bounds Array(Float64), buckets Array(UInt64), scale Int32, offset Int32,
    zero_count UInt64, zero_threshold Float64, negative_offset Int32, negative_buckets Array(UInt64),
    quantiles Array(Tuple(quantile Float64, value Float64)),
    scope_name LowCardinality(String), attributes Map(LowCardinality(String), String) codec(ZSTD(1)),
    resource Map(LowCardinality(String), String) codec(ZSTD(1)),
    spool_segment LowCardinality(String), stored Date default today(),
    index segment_index spool_segment type set(16) granularity 4
)
engine = {replicated}MergeTree
partition by toYYYYMM(time)
order by (project, name, toStartOfHour(time), series, time)
ttl stored + interval 6 month
settings {durable};

-- The five lists become one, of tuples of one shape. A point that says it has no value has none; times
-- are clamped as those of spans.
create materialized view if not exists {database}.metric_wire_to_metrics {on_cluster} to {database}.metrics as
with
    86400000000000 as day_ns,
    (kind, p) -> (kind, p.start_time_unix_nano, p.time_unix_nano, p.attributes,
        if(bitAnd(p.flags, 1) = 1, null, coalesce(p.as_double, toFloat64(p.as_int))),
        0, null, null, null, [], [], 0, 0, 0, 0, 0, [], []) as of_number,
    arrayConcat(
        arrayMap(p -> of_number('gauge', p), m.gauge.data_points),
        arrayMap(p -> of_number('sum', p), m.sum.data_points),
        arrayMap(p -> ('histogram', p.start_time_unix_nano, p.time_unix_nano, p.attributes, null,
            p.count, p.sum, p.min, p.max, p.explicit_bounds, p.bucket_counts, 0, 0, 0, 0, 0, [], []),
            m.histogram.data_points),
        arrayMap(p -> ('exponential_histogram', p.start_time_unix_nano, p.time_unix_nano, p.attributes, null,
            p.count, p.sum, p.min, p.max, [], p.positive.bucket_counts, p.scale, p.positive.offset,
            p.zero_count, p.zero_threshold, p.negative.offset, p.negative.bucket_counts, []),
            m.exponential_histogram.data_points),
        arrayMap(p -> ('summary', p.start_time_unix_nano, p.time_unix_nano, p.attributes, null,
            p.count, p.sum, null, null, [], [], 0, 0, 0, 0, 0, [], p.quantile_values),
            m.summary.data_points)
    )::Array(Tuple(
        kind String, start UInt64, at UInt64, attributes {attributes}, value Nullable(Float64),
        count UInt64, sum Nullable(Float64), min Nullable(Float64), max Nullable(Float64),
        bounds Array(Float64), buckets Array(UInt64), scale Int32, offset Int32, zero_count UInt64,
        zero_threshold Float64, negative_offset Int32, negative_buckets Array(UInt64),
        quantiles Array(Tuple(quantile Float64, value Float64)))) as points,
    (point.at between if(backfill, 946684800000000000, received_ns - 31 * day_ns)
        and received_ns + 3600000000000) as sane,
    if(sane, point.at, received_ns) as at,
    mapFromArrays(
        arrayMap(k -> toValidUTF8(k), point.attributes.key),
        arrayMap(v -> {text}, point.attributes.value)) as named,
    mapFromArrays(
        arrayMap(k -> toValidUTF8(k), rm.resource.attributes.key),
        arrayMap(v -> {text}, rm.resource.attributes.value)) as origin,
    greatest(m.sum.aggregation_temporality, m.histogram.aggregation_temporality,
        m.exponential_histogram.aggregation_temporality) as temporality_number
select
    if(project = '', 'default', project) as project,
    toValidUTF8(m.name) as name,
    fromUnixTimestamp64Nano(toInt64(at), 'UTC') as time,
    -- A cumulative series may have begun long ago, but not before clocks did nor after its point.
    fromUnixTimestamp64Nano(toInt64(if(point.start between 946684800000000000 and at, point.start, at)), 'UTC') as start,
    toValidUTF8(m.unit) as unit,
    point.kind as kind,
    transform(temporality_number, [1, 2], ['delta', 'cumulative'], '') as temporality,
    m.sum.is_monotonic as monotonic,
    origin['service.name'] as service,
    coalesce(nullIf(origin['deployment.environment.name'], ''), origin['deployment.environment']) as environment,
    named['gen_ai.operation.name'] as operation,
    coalesce(nullIf(named['gen_ai.provider.name'], ''), named['gen_ai.system']) as provider,
    coalesce(nullIf(named['gen_ai.response.model'], ''), named['gen_ai.request.model']) as model,
    named['gen_ai.token.type'] as token_type,
    sipHash64(project, name, scope_name, arraySort(arrayZip(mapKeys(named), mapValues(named))),
        arraySort(arrayZip(mapKeys(origin), mapValues(origin)))) as series,
    point.value as value, point.count as count, point.sum as sum, point.min as min, point.max as max,
    point.bounds as bounds, point.buckets as buckets, point.scale as scale, point.offset as offset,
    point.zero_count as zero_count, point.zero_threshold as zero_threshold,
    point.negative_offset as negative_offset, point.negative_buckets as negative_buckets,
    point.quantiles as quantiles,
    toValidUTF8(sm.scope.name) as scope_name,
    named as attributes, origin as resource,
    segment as spool_segment
from {database}.metric_wire
array join body.resource_metrics as rm
array join rm.scope_metrics as sm
array join sm.metrics as m
array join points as point;
