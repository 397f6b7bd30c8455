with raw as ($hourly
), hourly as (
    select h, series, version, sum(raw.calls) as calls, sumForEach(raw.xs) as xs, sumForEach(raw.ns) as ns
    from raw group by h, series, version
), moments as ($moments), born as (select series, min(h) as first from hourly group by series
    order by sum(calls) desc, series limit $most_series),
appeared as (
    select series, version, min(h) as first from hourly where calls > 0 group by series, version
),
in_use as (
    select distinct g.at as at, g.e as e, hourly.series as series, hourly.version as version
    from (select at, e, e - 1 - arrayJoin(range(24)) as h from moments) as g
    join hourly on hourly.h = g.h
    where hourly.calls > 0
),
newest as (
    select at, e, i.series as series, argMax(i.version, (a.first, i.version)) as newest, max(a.first) as began,
        any(born.first) as first
    from in_use as i
    join appeared as a on a.series = i.series and a.version = i.version
    join born on born.series = i.series
    group by at, e, series
    having began + {young:UInt32} >= e and began >= first + 24
),
predecessors as (
    select series, newest, began, argMax(version, total) as old from (
        select n.series as series, newest, began, hourly.version as version, sum(hourly.calls) as total
        from (select distinct series, newest, began from newest) as n
        join hourly on hourly.series = n.series
        where hourly.h < began and hourly.h + {before:UInt32} >= began
        group by series, newest, began, version
    )
    group by series, newest, began
),
hours as (
    select at, p.series as series, p.newest as newest, p.old as old, p.began as began, hourly.h as h,
        arrayResize(sumForEachIf(hourly.xs, version = newest), length({names:Array(String)}), 0.) as new_xs,
        arrayResize(sumForEachIf(hourly.ns, version = newest), length({names:Array(String)}), 0.) as new_ns,
        arrayResize(sumForEachIf(hourly.xs, version = old), length({names:Array(String)}), 0.) as old_xs,
        arrayResize(sumForEachIf(hourly.ns, version = old), length({names:Array(String)}), 0.) as old_ns
    from newest as n
    join predecessors as p on p.series = n.series and p.newest = n.newest and p.began = n.began
    join hourly on hourly.series = n.series
    where (hourly.version = newest or hourly.version = old) and hourly.h < n.e and hourly.h + {before:UInt32} >= began
    group by at, series, newest, old, began, h
),
points as (
    select at, series, newest, old, began, h, arrayJoin(arrayEnumerate(new_xs)) as place,
        new_xs[place] as new_x, new_ns[place] as new_n, old_xs[place] as old_x, old_ns[place] as old_n
    from hours
),
arms as (
    select at, series, newest, old, began, place,
        sumForEachIf([new_x, new_n, new_x * new_x, new_x * new_n, new_n * new_n, toFloat64(new_n > 0)], new_n > 0) as whole,
        sumForEachIf([new_x, new_n, new_x * new_x, new_x * new_n, new_n * new_n, toFloat64(new_n > 0)], new_n > 0 and old_n > 0) as joint,
        sumForEachIf([old_x, old_n, old_x * old_x, old_x * old_n, old_n * old_n, toFloat64(old_n > 0)], new_n > 0 and old_n > 0) as beside,
        sumForEachIf([old_x, old_n, old_x * old_x, old_x * old_n, old_n * old_n, toFloat64(old_n > 0)], h < began) as before,
        beside[2] >= {min_calls:UInt32} and joint[2] >= {min_calls:UInt32} and beside[6] >= 4 as paired,
        if(paired, joint, whole) as new_arm, if(paired, beside, before) as old_arm
    from points
    group by at, series, newest, old, began, place
),
ratios as (
    select *, {forms:Array(String)}[place] as form, {least:Array(Float64)}[place] as smallest,
        new_arm[1] as x_new, new_arm[2] as n_new, new_arm[6] as k_new, x_new / n_new as m_new,
        (new_arm[3] - 2 * m_new * new_arm[4] + m_new * m_new * new_arm[5]) / (n_new * n_new) * k_new / (k_new - 1) as v_new,
        old_arm[1] as x_old, old_arm[2] as n_old, old_arm[6] as k_old, x_old / n_old as m_old,
        (old_arm[3] - 2 * m_old * old_arm[4] + m_old * m_old * old_arm[5]) / (n_old * n_old) * k_old / (k_old - 1) as v_old
    from arms
),
effects as (
    select *, (x_new + x_old) / (n_new + n_old) as pooled,
        multiIf(form = 'mean', log(m_new / m_old), form = 'score', (m_old - m_new) / abs(m_old), m_new - m_old) as effect,
        if(form in ('mean', 'log'), log(smallest), smallest) as needed,
        multiIf(form = 'mean', v_new / (m_new * m_new), form = 'score', v_new / (m_old * m_old),
            form = 'share', greatest(v_new, pooled * (1 - pooled) / n_new), v_new) as var_new,
        multiIf(form = 'mean', v_old / (m_old * m_old), form = 'score', v_old / (m_old * m_old),
            form = 'share', greatest(v_old, pooled * (1 - pooled) / n_old), v_old) as var_old,
        var_new + var_old as variance,
        variance * variance / (var_new * var_new / (k_new - 1) + var_old * var_old / (k_old - 1)) as df,
        sqrt(df * log(1 + effect * effect / variance / df)) * (8 * df + 1) / (8 * df + 3) as size,
        needed * needed / variance as r, size * sqrt(r / (1 + r)) as shrunk,
        n_new >= {min_calls:UInt32} and n_old >= {min_calls:UInt32} and k_new >= 4 and k_old >= 4 as enough
    from ratios
),
tested as (
    select *, multiIf(not enough or not isFinite(size), null, effect <= 0, 1.,
        least(1., exp(log(1 + r) / 2 - shrunk * shrunk / 2 - log(2 * (1 - erfc((shrunk) / sqrt(2)) / 2))))) as chance
    from effects
)
select at, series, newest as subject, old as against, {names:Array(String)}[place] as measure,
    if(form = 'log', exp(m_new) - 1, m_new) as value, if(form = 'log', exp(m_old) - 1, m_old) as baseline,
    multiIf(form in ('mean', 'log'), baseline * smallest, form = 'score', baseline - smallest * abs(baseline),
        baseline + smallest) as bound,
    n_new as calls, chance, ifNull(chance, 1) < {most_chance:Float64} and effect >= needed as fires,
    map('deviations', if(effect < 0, -1, 1) * size, 'calls before', n_old, 'hours', k_new, 'side by side', toFloat64(paired)) as evidence,
    began * 3600 as since
from ($tested)
where enough
