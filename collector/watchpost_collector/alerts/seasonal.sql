with hourly as (
    select $hour as h, $series as series, $total as x, toFloat64(sum(u.calls)) as n
    from watchpost.usage_hourly as u
    where $within$narrowed
    group by h, series
), moments as ($moments), born as (select series, min(h) as first from hourly group by series
    order by sum(n) desc, series limit $most_series),
-- Every window a moment is compared with; an hour without calls is an hour, once the series is there.
grid as (
    select at, e, b.series as series, first, arrayJoin({lags:Array(UInt32)}) as lag,
        e - 1 - lag - arrayJoin(range({window:UInt32})) as h
    from moments cross join born as b
    where first < e
),
samples as (
    select at, series, lag, sum(hourly.x) as x, sum(hourly.n) as n, $value as v
    from grid left join hourly on hourly.series = grid.series and hourly.h = grid.h
    group by at, series, lag
    having lag = 0 or (min(grid.h) >= any(first) and $usable)
),
seasons as (
    select at, series,
        anyIf(v, lag = 0) as value, anyIf(n, lag = 0) as calls,
        groupArrayIf((assumeNotNull(v), n), lag >= 167 and (lag + 1) % 168 <= 2) as weeks,
        groupArrayIf((assumeNotNull(v), n), lag > 0 and lag % 24 = 0 and lag <= 336) as days,
        if(length(weeks) >= 12, weeks, days) as season,
        arraySort(season.1) as sorted,
        arrayReduce('quantileExactInclusive(0.5)', sorted) as middle,
        arrayReduce('quantileExactInclusive(0.5)', season.2) as usual_calls,
        -- What is so every week is usual, though there are few weeks yet.
        if(length(weeks) >= 3, arrayReduce('quantileExactInclusive(0.5)', weeks.1), null) as of_week,
        -- On the logarithm, where costs and times are even; nothing counts as a twentieth.
        1.4826 * arrayReduce('quantileExactInclusive(0.5)',
            arrayMap(s -> if(middle > 0, abs(log(greatest(s / middle, 0.05))), 0), sorted)) as spread,
        quantileExactInclusiveIf(0.5)(v, lag > 0 and lag % 24 = 0 and lag <= 168) as this_week,
        quantileExactInclusiveIf(0.5)(v, lag % 24 = 0 and lag > 168) as earlier,
        if(earlier > 0 and length(days) >= 10, ifNotFinite(this_week / earlier, 1), 1) as level,
        $woken as woken
    from samples
    group by at, series
    having length(season) >= {least:UInt32}
),
judged as (
    select at, series, ifNull(value, nan) as current, calls, length(season) as compared, level,
        greatest(middle * greatest(level, 1), woken) as high_middle, middle * least(level, 1) as low_middle,
        greatest(spread, {noise:Float64} * sqrt(1 / greatest($counted, 1)))
            * sqrt(1 + 1.57 / compared) as scale,
        -- Up on the cube root, where totals of few calls are even; on the logarithm no rise of theirs is beyond chance.
        greatest(high_middle * greatest({factor:Float64}, pow(1 + {scales:Float64} * scale / 3, 3)), sorted[length(sorted) - 1], ifNull(of_week, 0) * {factor:Float64}) as high,
        least(low_middle / greatest({factor:Float64}, exp({scales:Float64} * scale)), sorted[2], ifNull(of_week, 0) / {factor:Float64}) as low,
        usual_calls, $above as above
    from seasons
)
select at, series, '' as subject, '' as against, '$name' as measure,
    current as value, high_middle as baseline,
    multiIf(isNotNull(above), assumeNotNull(above), falls, low, high) as bound,
    calls, null::Nullable(Float64) as chance,
    calls >= {min_calls:UInt32} and {up:UInt8} and if(isNull(above), current > high, current > above) as rises,
    isNull(above) and {down:UInt8} and $whole and usual_calls >= {min_calls:UInt32}
        and current < low as falls,
    rises or falls as fires,
    map('deviations', ifNotFinite(log(current / high_middle) / scale, 0), 'usual calls', usual_calls,
        'hours compared', toFloat64(compared)) as evidence,
    (intDiv(at + 3599, 3600) - {window:UInt32}) * 3600 as since
from judged
