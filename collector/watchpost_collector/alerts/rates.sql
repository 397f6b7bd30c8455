with hourly as (
    select $hour as h, $series as series, toFloat64(sum(u.$found)) as x, toFloat64(sum(u.$counted)) as n
    from watchpost.$table as u
    where $within$narrowed
    group by h, series having n > 0
), moments as ($moments), kept as (select series from hourly group by series order by sum(n) desc, series limit $most_series),
grid as (
    select at, e, arrayJoin(range({reach:UInt32} + {window:UInt32})) as lag, e - 1 - lag as h from moments
),
gathered as (
    select at, hourly.series as series,
        sumIf(hourly.x, lag < {window:UInt32}) as found, sumIf(hourly.n, lag < {window:UInt32}) as calls,
        groupArrayIf((hourly.x, hourly.n), lag >= {window:UInt32}) as before,
        max(lag) as age, arraySum(before.2) as usual_calls,
        (arraySum(before.1) + 0.5) / (usual_calls + 1) as first_guess
    from grid join hourly on hourly.h = grid.h
    where hourly.series in (select series from kept)
    group by at, series
    having calls > 0
),
estimated as (
    select at, series, found, calls, before, age, usual_calls,
        arraySum(arrayMap(b -> least(b.1, b.2 * first_guess + 3 * sqrt(b.2 * first_guess * (1 - first_guess)) + 1),
            before)) as usual_found,
        least((usual_found + 1) / (usual_calls + 1), 0.999) as usual
    from gathered
),
spread as (
    select *, found / calls as rate,
        -- How much more the hours vary than chance; one hour counts for nine deviations at most.
        greatest(1, arraySum(arrayMap(b -> least(pow(b.1 - b.2 * usual, 2) / (b.2 * usual * (1 - usual)), 9), before))
            / greatest(length(before) - 1, 1)) * (1 + calls / greatest(usual_calls, 1)) as excess,
        found / excess as k, calls * usual / excess as expected,
        3 * sqrt(k) * (1 - 1 / (9 * k) - pow(expected / k, 1 / 3)) as z,
        (rate + 2.7 / calls - 2.33 * sqrt((rate * (1 - rate) + 1.35 / calls) / calls)) / (1 + 5.4 / calls) as surely
    from estimated
),
tested as (
    select *, {above:Float64} >= 0 as fixed, if(fixed or age < 48 or usual_calls < 10 * {min_calls:UInt32}
        or calls < {min_calls:UInt32}, null, if(found > expected * excess, erfc((z) / sqrt(2)) / 2, 1.0)) as chance
    from spread
)
select at, series, '' as subject, '' as against, '$name' as measure,
    rate as value, usual as baseline,
    if(fixed, {above:Float64}, greatest(usual * {factor:Float64}, usual + {rise:Float64})) as bound,
    calls, chance,
    if(fixed, calls >= {min_calls:UInt32} and surely > {above:Float64},
        ifNull(chance, 1) < {most_chance:Float64} and rate >= bound and found >= 3) as fires,
    map('found', found, 'usual calls', usual_calls, 'surely above', greatest(surely, 0)) as evidence,
    (intDiv(at + 3599, 3600) - {window:UInt32}) * 3600 as since
from ($tested)
