"""A prompt version, model or release against its predecessor, on any measure.

The newest version in use (it called within a day, and first appeared within two weeks, but not on
the first day of its prompt or service) is held against the one that was used most in the week
before it. Where both answer side by side, only the hours of both are compared, else the
predecessor's last week. Hours are the sample: a measure's deviation is that of a ratio of sums over
them (the delta method; Deng, Knoblich and Lu 2018), because calls of one hour resemble each other.
Costs and tokens are compared as means, on the logarithm; times by the mean of their logarithms,
from the histogram; shares by the two-proportion test, its variance never below chance's; t
becomes z by Wallace's approximation (1959). A version is looked at again every hour, so the chance
is one that may be looked at as often as one likes: a mixture sequential test (Robbins 1970; Johari
et al. 2022). It is corrected for all measures and versions compared at the time, and a difference
too small to act on is none. It knows the rollups, and scores by the hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from watchpost_collector.alerts.dimensions import (
    CHECKS,
    SCORES,
    name_column,
    write_filter,
    write_series,
)
from watchpost_collector.alerts.rule import GUARD_MEASURE, REFUSAL_GUARD, SCORE_MEASURE, Rule
from watchpost_collector.alerts.statement import Statement, fill, write_holm

_YOUNG_H, _BEFORE_H = 14 * 24, 7 * 24
_CHANCES = {"low": 0.001, "normal": 0.01, "high": 0.05}
# The least difference worth a message: of a mean, a factor; of a share, a part of all calls.
_FACTORS = {"low": 1.5, "normal": 1.25, "high": 1.1}
_RISES = {"low": 0.05, "normal": 0.02, "high": 0.01}
_DROPS = {"low": 0.2, "normal": 0.1, "high": 0.05}
_CONTEXT = {
    "prompt.version": ("service", "prompt.name"),
    "model": ("service", "prompt.name"),
    "release": ("service",),
}
_LEVELS = ", ".join(f"{(2 * step + 1) / 20:g}" for step in range(10))


@dataclass(frozen=True, slots=True)
class _Measure:
    """`x` and `n` are summed over an hour; the measure is x by n. `form` is how it is compared."""

    name: str
    form: str
    x: str
    n: str
    source: str = "usage"


def _average_log(state: str) -> str:
    # The mean of ten quantiles is that of the logarithms, its tails cut.
    middle = f"arrayAvg(quantilesTimingMerge({_LEVELS})(u.{state})) / 1500"
    return f"ifNotFinite({middle}, 0) * sum(u.calls)"


_PRICED = "sum(u.calls) - sum(u.unpriced_calls)"
_USAGE = {
    "cost": ("mean", "sum(u.cost)", _PRICED),
    "input_tokens": ("mean", "sum(u.input_tokens)", "sum(u.calls)"),
    "output_tokens": ("mean", "sum(u.output_tokens)", "sum(u.calls)"),
    "latency": ("log", _average_log("duration_state"), "sum(u.calls)"),
    "first_token": (
        "log",
        _average_log("ttft_state"),
        "if(isNaN(quantileTimingMerge(0.5)(u.ttft_state)), 0, sum(u.calls))",
    ),
    "errors": ("share", "sum(u.errors)", "sum(u.calls)"),
}


def compile_regression(rule: Rule) -> Statement:
    """The statement of a regression rule."""
    measures, bound = _list_measures(rule)
    by = (*_CONTEXT[rule.of], *rule.by)
    factor, drop = _FACTORS[rule.sensitivity], _DROPS[rule.sensitivity]
    rise = _RISES[rule.sensitivity]
    least = {"mean": factor, "log": factor, "share": rise, "score": drop}
    bound |= {
        "names": [measure.name for measure in measures],
        "forms": [measure.form for measure in measures],
        "least": [least[measure.form] for measure in measures],
        "min_calls": rule.min_calls,
        "most_chance": _CHANCES[rule.sensitivity],
        "young": _YOUNG_H,
        "before": _BEFORE_H,
    }
    hourly = []
    for source in dict.fromkeys(measure.source for measure in measures):
        sql, more = _write_source(rule, by, measures, source)
        hourly.append(sql)
        bound |= more
    sql = fill(
        "regression",
        hourly="\n    union all".join(hourly),
        tested=write_holm("select * from tested"),
    )
    return Statement(sql, bound, _YOUNG_H + _BEFORE_H + 7 * 24)


def list_context(rule: Rule) -> tuple[str, ...]:
    """What the values of a finding's series are, in order."""
    return (*_CONTEXT[rule.of], *rule.by)


def _list_measures(rule: Rule) -> tuple[list[_Measure], dict[str, object]]:
    found: list[_Measure] = []
    bound: dict[str, object] = {}
    for place, name in enumerate(rule.measures):
        named = f"named_{place}"
        if name in _USAGE:
            form, x, n = _USAGE[name]
            found.append(_Measure(name, form, x, n))
        elif name.startswith(SCORE_MEASURE):
            bound[named] = name.removeprefix(SCORE_MEASURE)
            which = f"u.name = {{{named}:String}} and isNotNull(u.value)"
            x = f"sumOrDefaultIf(assumeNotNull(u.value), {which})"
            found.append(_Measure(name, "score", x, f"countIf({which})", "scores"))
        else:
            guard = REFUSAL_GUARD if name == "refusals" else name.removeprefix(GUARD_MEASURE)
            bound[named] = guard
            which = f"u.guard = {{{named}:String}}"
            x, n = f"sumIf(u.tripped, {which})", f"sumIf(u.checks, {which})"
            found.append(_Measure(name, "share", x, n, "guards"))
    return found, bound


def _write_source(
    rule: Rule, by: tuple[str, ...], measures: list[_Measure], source: str
) -> tuple[str, dict[str, object]]:
    """The hours of one table: all measures in order, those of other tables as nought."""
    table, columns, hour = {
        "usage": ("usage_hourly", rule.columns, "hour"),
        "guards": ("guards_hourly", CHECKS, "hour"),
        "scores": ("scores", SCORES, "toStartOfHour(time)"),
    }[source]
    series, version = write_series(by, columns), name_column(rule.of, columns, "of")
    narrowed = write_filter(rule.where, columns)
    mine = [measure.source == source for measure in measures]
    xs = ", ".join(
        f"toFloat64({m.x})" if own else "0." for m, own in zip(measures, mine, strict=True)
    )
    ns = ", ".join(
        f"toFloat64({m.n})" if own else "0." for m, own in zip(measures, mine, strict=True)
    )
    calls = "toFloat64(sum(u.calls))" if source == "usage" else "0."
    sql = fill(
        "regression_hours",
        start=hour,
        table=table,
        series=series.sql,
        version=version.sql,
        calls=calls,
        xs=xs,
        ns=ns,
        narrowed=narrowed.sql,
    )
    return sql, {**series.bound, **version.bound, **narrowed.bound}
