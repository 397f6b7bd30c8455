with hourly as (
    select $hour as h, $series as series, $told as told, toFloat64(sum(u.calls)) as n
    from watchpost.usage_hourly as u
    where $within$narrowed
    group by h, series, told
), moments as ($moments), kept as (select series from hourly group by series order by sum(n) desc, series limit $most_series),
known as (
    select series, told from hourly where series in (select series from kept)
    group by series, told order by sum(n) desc, told limit {values:UInt32} by series
),
named as (
    select h, series, if((series, told) in known, told, 'others') as value, sum(n) as n
    from hourly where series in (select series from kept)
    group by h, series, value
),
grid as (
    select at, arrayJoin(range({reach:UInt32})) as lag, intDiv(lag, {window:UInt32}) as part, e - 1 - lag as h
    from moments
),
counted as (
    select at, series, part, value, sum(named.n) as n
    from grid join named on named.h = grid.h
    group by at, series, part, value
),
parted as (
    select at, series, part, mapFromArrays(groupArray(value), groupArray(n)) as counts
    from counted
    group by at, series, part
),
gathered as (
    select at, series,
        groupArrayIf(counts, part > 0) as earlier,
        anyIf(counts, part = 0) as recent,
        sumMapIf(counts, part > 0) as usual,
        arraySort(mapKeys(mapAdd(recent, usual))) as names,
        arraySum(mapValues(recent)) as calls, arraySum(mapValues(usual)) as usual_calls,
        -- Half a call for each value: no share is nought.
        arrayMap(name -> (recent[name] + 0.5) / (calls + 0.5 * length(names)), names) as now,
        arrayMap(name -> (usual[name] + 0.5) / (usual_calls + 0.5 * length(names)), names) as then,
        arrayFilter(of -> arraySum(mapValues(of)) * 4 >= {min_calls:UInt32}, earlier) as large
    from parted
    group by at, series
    having calls >= {min_calls:UInt32} and length(large) >= 5
),
measured as (
    select *, arraySum((p, q) -> (p - q) * log(p / q), now, then) as index,
        length(names) - 1 as degrees,
        arrayMap(of -> (arraySum((p, q) -> (p - q) * log(p / q), arrayMap(name -> (of[name] + 0.5) / (arraySum(mapValues(of)) + 0.5 * length(names)), names), then)), large) as indices,
        arrayAvg(arrayMap((one, of) -> one / (1 / arraySum(mapValues(of)) + 1 / usual_calls), indices, large))
            / greatest(degrees, 1) as excess,
        arrayReverseSort(x -> abs(x.2 - x.3), arrayZip(names, now, then))[1] as mover
    from gathered
),
tested as (
    select *, index / (1 / calls + 1 / usual_calls) / greatest(excess, 1) / greatest(degrees, 1) as squared,
        if(degrees = 0, null, erfc(((pow(squared, 1 / 3) - 1 + 2 / (9 * degrees)) / sqrt(2 / (9 * degrees))) / sqrt(2)) / 2) as chance
    from measured
)
select at, series, mover.1 as subject, '' as against, 'shares' as measure,
    index as value, arrayReduce('quantileExactInclusive(0.5)', indices) as baseline,
    greatest({index:Float64}, 1.5 * arrayMax(indices)) as bound,
    calls, chance, ifNull(chance, 1) < {most_chance:Float64} and value >= bound as fires,
    map('share now', mover.2, 'share before', mover.3) as evidence,
    (intDiv(at + 3599, 3600) - {window:UInt32}) * 3600 as since
from ($tested)
