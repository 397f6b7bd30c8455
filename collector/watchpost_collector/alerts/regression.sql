with raw as ($hourly
), hourly as (
    select h, series, version, sum(raw.calls) as calls, sumForEach(raw.xs) as xs, sumForEach(raw.ns) as ns
    from raw group by h, series, version
), moments as ($moments), versions as (
    select series, version, minIf(h, calls > 0) as began, sum(calls) as total, groupArray((h, calls)) as used
    from hourly group by series, version having total > 0
),
families as (
    select series, min(began) as first, groupArray((version, began, used)) as members from versions
    group by series order by sum(total) desc, series limit $most_series
),
-- Each version that appeared later than its series, and the one that was used most in the week before.
pairs as (
    select series, member.1 as newest, member.2 as began,
        arrayReverseSort(arrayMap(m -> (arraySum(u -> if(u.1 < began and u.1 + {before:UInt32} >= began, u.2, 0), m.3), m.1), members))[1] as most,
        most.2 as old
    from families array join members as member
    where began >= first + 24 and most.1 > 0
),
hours as (
    select p.series as series, p.newest as newest, p.old as old, p.began as began, hourly.h as h,
        sumIf(hourly.calls, version = newest) > 0 as called,
        arrayResize(sumForEachIf(hourly.xs, version = newest), length({names:Array(String)}), 0.) as new_xs,
        arrayResize(sumForEachIf(hourly.ns, version = newest), length({names:Array(String)}), 0.) as new_ns,
        arrayResize(sumForEachIf(hourly.xs, version = old), length({names:Array(String)}), 0.) as old_xs,
        arrayResize(sumForEachIf(hourly.ns, version = old), length({names:Array(String)}), 0.) as old_ns
    from pairs as p join hourly on hourly.series = p.series
    where (hourly.version = newest or hourly.version = old)
        and hourly.h + {before:UInt32} >= began and hourly.h < began + {young:UInt32}
    group by series, newest, old, began, h
),
points as (
    select series, newest, old, began, h, called, arrayJoin(arrayEnumerate(new_xs)) as place,
        new_xs[place] as new_x, new_ns[place] as new_n, old_xs[place] as old_x, old_ns[place] as old_n,
        [new_x, new_n, new_x * new_x, new_x * new_n, new_n * new_n, 1.] as new_sums,
        [old_x, old_n, old_x * old_x, old_x * old_n, old_n * old_n, 1.] as old_sums
    from hours
),
-- What there is of both up to an hour, so that a moment looks at its last hour alone.
running as (
    select series, newest, old, began, h, called, place,
        sumForEach(if(new_n > 0, new_sums, [0., 0., 0., 0., 0., 0.])) over up_to_now as whole,
        sumForEach(if(new_n > 0 and old_n > 0, new_sums, [0., 0., 0., 0., 0., 0.])) over up_to_now as joint,
        sumForEach(if(new_n > 0 and old_n > 0, old_sums, [0., 0., 0., 0., 0., 0.])) over up_to_now as beside,
        sumForEach(if(old_n > 0 and h < began, old_sums, [0., 0., 0., 0., 0., 0.])) over up_to_now as before
    from points
    window up_to_now as (partition by series, newest, place order by h)
),
arms as (
    select at, r.series as series, newest, old, began, place, argMax((whole, joint, beside, before), r.h) as sums,
        sums.3[2] >= {min_calls:UInt32} and sums.2[2] >= {min_calls:UInt32} and sums.3[6] >= 4 as paired,
        if(paired, sums.2, sums.1) as new_arm, if(paired, sums.3, sums.4) as old_arm
    from (select at, e, e - 1 - arrayJoin(range(24)) as h from moments) as g join running as r on r.h = g.h
    group by at, e, series, newest, old, began, place
    -- The newest of those in use.
    having max(called) and began + {young:UInt32} >= e
    order by began desc, newest desc limit 1 by at, series, place
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
            form = 'share', greatest(v_old, pooled * (1 - pooled) / n_old), v_old) as var_old
    from ratios
),
-- One after the other: the engine writes a name out wherever it stands beside its definition.
deviating as (
    select *, var_new + var_old as variance,
        variance * variance / (var_new * var_new / (k_new - 1) + var_old * var_old / (k_old - 1)) as df
    from effects
),
sized as (
    select *, sqrt(df * log(1 + effect * effect / variance / df)) * (8 * df + 1) / (8 * df + 3) as size,
        needed * needed / variance as r, size * sqrt(r / (1 + r)) as shrunk,
        n_new >= {min_calls:UInt32} and n_old >= {min_calls:UInt32} and k_new >= 4 and k_old >= 4 as enough
    from deviating
),
tested as (
    select *, multiIf(not enough or not isFinite(size), null, effect <= 0, 1.,
        least(1., exp(log(1 + r) / 2 - shrunk * shrunk / 2 - log(2 * (1 - erfc((shrunk) / sqrt(2)) / 2))))) as chance
    from sized
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
