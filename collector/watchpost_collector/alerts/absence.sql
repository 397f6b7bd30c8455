with hourly as (
    select $hour as h, $series as series, toFloat64(sum(u.calls)) as n
    from watchpost.usage_hourly as u
    where $within$narrowed
    group by h, series having n > 0
), moments as ($moments), kept as (select series from hourly group by series order by sum(n) desc, series limit $most_series),
silences as (
    select series, h, n, toInt64(h) - lagInFrame(toInt64(h), 1, toInt64(h) - 1) over (
        partition by series order by h rows between 1 preceding and current row) - 1 as silence
    from hourly where series in (select series from kept)
),
seen as (
    select at, e, s.series as series, max(s.h) as last, max(s.silence) as longest, sum(s.n) as calls,
        uniqExact(intDiv(s.h, 24)) as days, intDiv(at, 3600) - last - 1 as silent
    from moments cross join silences as s
    where s.h < e and s.h + {reach:UInt32} >= e
    group by at, e, series
)
select at, series, '' as subject, '' as against, 'silence' as measure,
    toFloat64(greatest(silent, 0)) as value, toFloat64(longest) as baseline,
    toFloat64(greatest({window:UInt32}, ceil(longest * {factor:Float64}) + 1)) as bound,
    calls, null::Nullable(Float64) as chance,
    value >= bound and value < bound + 168 and days >= 3 and calls >= {min_calls:UInt32} as fires,
    map('days with calls', toFloat64(days)) as evidence,
    last * 3600 as since
from seen
