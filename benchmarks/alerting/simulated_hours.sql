-- Hours of simulated calls, as the rollup keeps them. Every draw is a hash of the seed, the hour, the series
-- and the call: the same seed is the same traffic. Calls follow the time of day and the weekday, a level that
-- wanders from day to day, and bursts; costs and times are lognormal and share an hour's mood; errors and trips
-- come in bursts as well. From some hour on, three hours of every so many are made larger, and every
-- second version is worse than the others.
with
    (a, b) -> sqrt(-2 * log((a % 1000003 + 1) / 1000004)) * cos(2 * pi() * (b % 1000003) / 1000003) as normal,
    (k, s) -> normal(cityHash64({seed:UInt32}, k, s, 1), cityHash64({seed:UInt32}, k, s, 2)) as draw,
    hours as (
        select toUInt32({first:UInt32} + number) as h, toDateTime(h * 3600, 'UTC') as hour, h % 24 as clock,
            if(toDayOfWeek(hour) >= 6, 0.45, 1) * (0.25 + exp(-pow((clock - 14) / 4.5, 2))) as busy,
            h >= {rise_from:UInt32} and (h - {rise_from:UInt32}) % {rise_every:UInt32} < 3 as raised
        from numbers({begin:UInt32}, {count:UInt32})
    ),
    series as (
        select arrayJoin([
            ('chat', 'large', 'answer', 90., 0.004), ('chat', 'small', 'answer', 60., 0.0008),
            ('search', 'small', 'rewrite', 120., 0.0004), ('mail', 'large', 'draft', 25., 0.006)
        ]) as s
    ),
    arriving as (
        select h, hour, raised, s.1 as service, s.2 as model, s.3 as prompt, s.5 as price, cityHash64(h, s) as id,
            s.4 * busy * exp(0.12 * draw(intDiv(h, 24), s.1) + 0.2 * draw(id, 'burst'))
                as expected,
            -- Poisson's distribution by Wilson and Hilferty's approximation.
            toUInt32(greatest(0, round(expected * pow(greatest(0, 1 - 1 / (9 * expected) + draw(id, 'calls') / (3 * sqrt(expected))), 3)))) as n
        from hours cross join series
    ),
    versioned as (
        -- A version every three weeks, for two days to half of the calls.
        select *, intDiv(h - {first:UInt32}, 504) as age, (h - {first:UInt32}) % 504 < 48 and age > 0 as shared,
            arrayJoin(if(shared, [0, 1], [0])) as older, toUInt32(if(shared, (n + older) / 2, n)) as mine,
            (age - older) % 2 = 1 as bad
        from arriving
    ),
    drawn as (
        select *, arrayMap(i -> cityHash64(id, older, i), range(mine)) as calls,
            exp(0.08 * draw(id, 'pace')) * if(raised, {rise:Float64}, 1) * if(bad, {worse:Float64}, 1) as pace,
            exp(0.1 * draw(id, 'length')) * if(raised, {rise:Float64}, 1) * if(bad, {worse:Float64}, 1) as dearness,
            arrayMap(c -> log(1 + 900 * pace * exp(0.55 * draw(c, 'ms'))) * 1500, calls) as times,
            arrayMap(c -> price * dearness * exp(0.7 * draw(c, 'cost') - 0.245), calls) as costs,
            0.012 * exp(0.4 * draw(id, 'errors') - 0.08) * if(raised, {rise:Float64}, 1) as failing,
            0.03 * exp(0.3 * draw(id, 'refusals') - 0.045) * if(raised, {rise:Float64}, 1)
                * if(bad, {refusing:Float64}, 1) as refusing
        from versioned where mine > 0
    )
select hour, service, model, prompt, concat('v', toString(age - older)) as version, mine as calls_made,
    arrayCount(c -> cityHash64(c, 'fails') % 1000000 < failing * 1e6, calls) as errors_made,
    arrayCount(c -> cityHash64(c, 'refuses') % 1000000 < refusing * 1e6, calls) as refused,
    arrayCount(c -> cityHash64(c, 'personal') % 100 < 20, calls) as masked,
    toUInt64(arraySum(arrayMap(c -> 400 * dearness * exp(0.7 * draw(c, 'input')), calls))) as tokens_in,
    toUInt64(arraySum(arrayMap(c -> 120 * dearness * exp(0.5 * draw(c, 'output')), calls))) as tokens_out,
    arraySum(costs) as dollars, arraySum(times) as logs,
    arrayReduce('quantilesTimingState(0.5, 0.95)', times) as state
from drawn
