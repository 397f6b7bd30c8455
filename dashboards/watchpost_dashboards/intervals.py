"""Means and shares with their 95 % intervals, side by side for each prompt version.

The sample are hours (days in ranges over two weeks), because calls of an hour resemble each other:
a mean is a ratio of sums over them, its deviation that of the delta method, as the alert rules of
kind `regression` have it. Fewer than three hours have no interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from watchpost_dashboards.reading import ROLLED

BY = ("prompt_name", "prompt_version")
# Student's t at 97.5 %, by Cornish and Fisher.
_T = "(1.96 + 2.372 / (k - 1) + 2.822 / pow(k - 1, 2))"
_LEVELS = "0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95"


@dataclass(frozen=True, slots=True)
class Ratio:
    """`x` by `n`, both summed over an hour: a mean, a share, or the mean of logarithms of times."""

    x: str
    n: str
    form: str = "mean"


def _mean_log(state: str, n: str) -> str:
    # The mean of ten quantiles is that of the logarithms, its tails cut.
    middle = f"arrayAvg(quantilesTimingMerge({_LEVELS})(u.{state})) / 1500"
    return f"ifNotFinite({middle}, 0) * {n}"


_CALLS = "sum(u.calls)"
_STREAMED = "if(isNaN(quantileTimingMerge(0.5)(u.ttft_state)), 0, sum(u.calls))"
OF_CALLS = {
    "usd": Ratio("sum(u.cost) * 1000", "sum(u.calls) - sum(u.unpriced_calls)"),
    "tokens_in": Ratio("sum(u.input_tokens)", _CALLS),
    "tokens_out": Ratio("sum(u.output_tokens)", _CALLS),
    "typical_ms": Ratio(_mean_log("duration_state", _CALLS), _CALLS, "log"),
    "first_ms": Ratio(_mean_log("ttft_state", _STREAMED), _STREAMED, "log"),
    "errors": Ratio("sum(u.errors)", _CALLS, "share"),
    "blocked": Ratio("sum(u.blocked_calls)", _CALLS, "share"),
}
OF_CHECKS = {
    "tripped": Ratio("sum(u.tripped)", "sum(u.checks)", "share"),
    "failed": Ratio("sum(u.failed)", "sum(u.checks)", "share"),
}


def compare(
    table: str, ratios: Mapping[str, Ratio], counted: str, more_by: tuple[str, ...] = ()
) -> str:
    """A row a prompt version: since when, how many, each ratio and `..._pm`, its interval."""
    by = ", ".join((*BY, *more_by))
    cells = ",\n      ".join(
        f"toFloat64({ratio.x}) AS x_{name}, toFloat64({ratio.n}) AS n_{name}"
        for name, ratio in ratios.items()
    )
    # Named level by level: the planner would write out a name's whole expression at each use.
    sums = ",\n    ".join(
        f"sum(x_{name}) AS x{at}, sum(n_{name}) AS n{at}, sum(x_{name} * x_{name}) AS xx{at},"
        f" sum(x_{name} * n_{name}) AS xn{at}, sum(n_{name} * n_{name}) AS nn{at}"
        for at, name in enumerate(ratios)
    )
    means = ", ".join(f"x{at} / nullIf(n{at}, 0) AS m{at}" for at in range(len(ratios)))
    told = ",\n  ".join(_tell(at, name, ratio) for at, (name, ratio) in enumerate(ratios.items()))
    return f"""SELECT {by}, since, found AS {counted},
  {told}
FROM (
  SELECT {by}, min(cell) AS since, sum(counted) AS found, count() AS k, {means},
    {sums}
  FROM (
    SELECT hour AS cell, {by}, sum(u.{counted}) AS counted,
      {cells}
    FROM watchpost.{table} AS u
    WHERE {ROLLED} AND prompt_name != ''
    GROUP BY cell, {by}
  )
  GROUP BY {by}
)
ORDER BY prompt_name, since DESC, {by}
LIMIT 100"""  # noqa: S608


def _tell(at: int, name: str, ratio: Ratio) -> str:
    spread = (
        f"(xx{at} - 2 * m{at} * xn{at} + m{at} * m{at} * nn{at})"
        f" / nullIf(n{at} * n{at}, 0) * k / (k - 1)"
    )
    if ratio.form == "share":
        # Never surer than chance allows of so many calls.
        spread = f"greatest({spread}, m{at} * (1 - m{at}) / nullIf(n{at}, 0))"
    half = f"{_T} * sqrt(greatest({spread}, 0))"
    value = f"m{at}"
    if ratio.form == "log":
        value, half = f"exp(m{at}) - 1", f"exp(m{at}) * sinh({half})"
    return f"{value} AS {name}, if(k < 3, NULL, {half}) AS {name}_pm"
