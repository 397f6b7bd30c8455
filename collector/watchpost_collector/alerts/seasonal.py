"""Spikes and dips against a seasonal baseline: cost, volume, latency and input length.

An hour is compared with the same hours of the weeks before and their neighbours, once there are
four weeks, else with the same hour of the days before. Expected is their median, its scale the
median absolute deviation of the logarithms (Hampel 1974; Leys et al. 2013), never less than chance
alone makes of so few calls. A value is unusual only if it lies beyond the median by so many scales
(a rise's are laid off on the cube root: Wilson and Hilferty 1931), by a factor worth a message, and
beyond all but one of the hours it is compared with; and by that factor beyond the same hours of the
weeks before, however few they are. A level that has lasted for days moves what is expected. It
knows the rollup of calls.
"""

from __future__ import annotations

from dataclasses import dataclass

from watchpost_collector.alerts.dimensions import write_filter, write_series
from watchpost_collector.alerts.rule import INPUT_LENGTH, Rule
from watchpost_collector.alerts.statement import Statement, fill

_WEEKS, _DAYS = 8, 28
_REACH_H = _WEEKS * 168 + 25
# The same hour of each day and week before, a week's neighbours too, and the last day's hours.
_LAGS = sorted(
    {0, *range(24, 24 * _DAYS + 1, 24), *range(1, 25)}
    | {168 * week + side for week in range(1, _WEEKS + 1) for side in (-1, 0, 1)}
)
# What is worth a message when it becomes less.
_FALLING = ("volume", "drift")
# How many scales and which factor a value must be off, by sensitivity.
_SCALES = {"low": 5.0, "normal": 4.0, "high": 3.2}
_FACTORS = {"low": 3.0, "normal": 2.0, "high": 1.5}
_LENGTH_FACTORS = {"low": 2.0, "normal": 1.5, "high": 1.25}

_LEVELS = {"p50": (0.5, "duration_state"), "p95": (0.95, "duration_state")}
_LEVELS |= {f"first_token_{name}": (level, "ttft_state") for name, (level, _) in _LEVELS.items()}


@dataclass(frozen=True, slots=True)
class _Measure:
    """`total` is added up over hours; with `each`, a value is the total by call. `noise` is the
    relative deviation of one call, by which few calls are told from a change."""

    name: str
    total: str
    each: bool
    noise: float


_COST = _Measure("cost", "toFloat64(sum(u.cost))", False, 1.5)
_CALLS = _Measure("calls", "toFloat64(sum(u.calls))", False, 1.5)
_LENGTH = _Measure("input_tokens", "toFloat64(sum(u.input_tokens))", True, 1.5)


def compile_seasonal(rule: Rule) -> Statement:
    """The statement of a cost_spike, volume or latency rule, or of drift on input length."""
    measure = _choose(rule)
    series = write_series(rule.by, rule.columns)
    narrowed = write_filter(rule.where, rule.columns)
    bound: dict[str, object] = {
        "window": rule.window_h,
        "min_calls": rule.min_calls,
        "scales": _SCALES[rule.sensitivity],
        "factor": _choose_factor(rule),
        "noise": measure.noise,
        "up": int(rule.direction != "down"),
        "down": int(rule.direction != "up" and rule.kind in _FALLING),
        "lags": _LAGS,
        "least": 5,
    }
    above = ""
    if rule.above_ms is not None:
        bound |= {"above": rule.above_ms, "least": 0}
        above = "{above:Float64}"
    # What is not the mean of its calls grows while an hour runs: only whole hours tell of a dip.
    sql = fill(
        "seasonal",
        series=series.sql,
        narrowed=narrowed.sql,
        total=measure.total,
        name=measure.name,
        value="if(n > 0, x / n, null)" if measure.each else "x",
        usable="n * 4 >= {min_calls:UInt32}" if measure.each else "true",
        woken="0" if measure.each else "avgOrDefaultIf(v, lag > 0 and lag <= 24) / 2",
        whole="true" if measure.each else "at % 3600 = 0",
        counted="calls" if measure.each else "greatest(calls, usual_calls)",
        above=above or "null::Nullable(Float64)",
    )
    return Statement(sql, {**series.bound, **narrowed.bound, **bound}, _REACH_H + rule.window_h)


def _choose(rule: Rule) -> _Measure:
    if rule.kind == "cost_spike":
        return _COST
    if rule.kind == "volume":
        return _CALLS
    if rule.kind == "drift":
        return _LENGTH
    level, state = _LEVELS[rule.measure]
    merged = f"exp(quantileTimingMerge({level})(u.{state}) / 1500) - 1"
    # The deviation of a sample quantile, sqrt(p (1 - p)) / density, of a lognormal of sigma 0.6.
    noise = 1.3 if level > 0.5 else 0.8
    return _Measure(rule.measure, f"ifNotFinite({merged}, 0) * sum(u.calls)", True, noise)


def _choose_factor(rule: Rule) -> float:
    return (_LENGTH_FACTORS if rule.on == INPUT_LENGTH and rule.kind == "drift" else _FACTORS)[
        rule.sensitivity
    ]
