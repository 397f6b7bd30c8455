with hourly as (
    select $hour as h, $series as series, toFloat64(sum(u.cost)) as x, toFloat64(sum(u.calls)) as n
    from watchpost.usage_hourly as u
    where $within$narrowed
    group by h, series
), moments as (select *, toDateTime(at - 1, 'UTC') as now, $begins as begins,
    intDiv(toUnixTimestamp(begins), 3600) as b, intDiv(toUnixTimestamp($ends), 3600) as ends from ($moments)), born as (select series, min(h) as first from hourly group by series
    order by sum(n) desc, series limit $most_series),
grid as (
    select at, e, b, ends, born.series as series, first, arrayJoin(range($month + $reach)) as lag, e - 1 - lag as h
    from moments cross join born
    where first < e and e - 1 - lag >= first
),
hours as (
    select at, e, b, ends, grid.series as series, first, grid.h as h, lag, hourly.x as x, hourly.n as n
    from grid left join hourly on hourly.series = grid.series and hourly.h = grid.h
    where lag < $reach or grid.h >= b
),
weekly as (
    select at, e, b, ends, first, series, h % 168 as of_week, sumIf(x, h >= b) as x_spent, sumIf(n, h >= b) as n_spent,
        avgOrDefaultIf(x, lag < $reach) as usual, countIf(lag < $reach) as weeks,
        -- How often this hour of the week is still to come.
        toFloat64(intDiv(ends - 1 - min(h), 168) - intDiv(e - 1 - min(h), 168)) as left_over
    from hours
    group by at, e, b, ends, first, series, of_week
),
daily as (
    select at, series, groupArray(x) as days, arrayReduce('avg', days) as of_day, arrayReduce('stddevSampStable', days) as apart
    from (
        select at, series, intDiv(lag, 24) as day, sum(x) as x from hours
        where lag < $reach group by at, series, day having count() = 24
    )
    group by at, series
),
forecast as (
    select at, e, b, ends, first, w.series as series, sum(x_spent) as spent, sum(n_spent) as calls,
        ifNotFinite(sum(usual * left_over) / sumIf(left_over, weeks > 0), 0) * (ends - e) as rest,
        (ends - e) / 24 as days_left
    from weekly as w
    group by at, e, b, ends, first, series
)
select at, series, '' as subject, '' as against, 'cost' as measure,
    spent + if(known, rest, 0) as value, {limit:Float64} as baseline, {limit:Float64} as bound, calls,
    null::Nullable(Float64) as chance,
    known and length(d.days) >= 3 as sure,
    e - first >= 72 as known,
    greatest(spent, value - {scales:Float64} * ifNotFinite(d.apart / d.of_day, 1) * rest / sqrt(greatest(days_left, 1))) as low,
    spent >= {limit:Float64} or (sure and low >= {limit:Float64} and (e - b) * 10 >= ends - b) as fires,
    map('spent', spent, 'at least', low, 'hours left', toFloat64(ends - e)) as evidence,
    b * 3600 as since
from forecast as f left join daily as d on d.at = f.at and d.series = f.series
