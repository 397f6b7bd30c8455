"""What each panel of the overview asks and what to do when it looks bad. SQL over the reading
views only; time and variables are Grafana's macros, so a person's choice is never spliced by us."""

from dataclasses import dataclass
from typing import Literal

# A range up to two days is read from the rows themselves, a longer one from the rollups: in whole
# hours, and over more than two weeks in whole days. What is not meant reads nothing: its
# condition is a constant.
_LONG = "$__toTime - $__fromTime > 172800"
_DAYS = "$__toTime - $__fromTime > 1209600"
_CHOSEN = """
  AND $__conditionalAll(project IN (${project:singlequote}), $project)
  AND $__conditionalAll(service IN (${service:singlequote}), $service)
  AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)"""
_MOMENTS = f"NOT ({_LONG}) AND $__timeFilter(start){_CHOSEN}"
_HOURS_OR_DAYS = (
    f"({_LONG}) AND if({_DAYS}, by_day, by_hour)"
    f" AND hour >= if({_DAYS}, toStartOfDay($__fromTime, 'UTC'), toStartOfHour($__fromTime))"
    f" AND hour <= $__toTime{_CHOSEN}"
)

# Each measure of calls and of checks: from the rows, each by its weight, and from the hours.
_CALLS = {
    "calls": ("sum(u.weight)", "sum(u.calls)"),
    "usd": ("sum(toDecimal128(u.cost, 9) * u.weight)", "sum(u.cost)"),
    "unpriced": ("sumIf(u.weight, u.price_state = 'unpriced')", "sum(u.unpriced_calls)"),
    "tokens": (
        "sum((u.input_tokens + u.output_tokens) * u.weight)",
        "sum(u.input_tokens + u.output_tokens)",
    ),
    "tokens_in": ("sum(u.input_tokens * u.weight)", "sum(u.input_tokens)"),
    "tokens_out": ("sum(u.output_tokens * u.weight)", "sum(u.output_tokens)"),
    "errors": ("sumIf(u.weight, u.status = 'error')", "sum(u.errors)"),
    # The rollup keeps times as a histogram of ln(1 + ms) * 1500.
    "p95_ms": (
        "round(quantile(0.95)(u.duration_ms))",
        "round(exp(quantileTimingMerge(0.95)(u.duration_state) / 1500) - 1)",
    ),
}
_CHECKS = {
    "tripped": ("sumIf(u.weight, u.tripped)", "sum(u.tripped)"),
    "failures": ("sumIf(u.weight, u.failed)", "sum(u.failed)"),
}
_CALL_TABLES = ("generations", "usage_rolled")
_CHECK_TABLES = ("verdicts", "guards_rolled")
# The day that runs is read by its hours: it is one point like the others.
_INTERVAL = f"if({_DAYS}, toStartOfDay(hour), $__timeInterval(hour))"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `width` is in Grafana's 24 columns, `unit` a Grafana unit id."""

    title: str
    description: str
    shape: Literal["stat", "series", "bars", "table"]
    sql: str
    unit: str = "short"
    width: int = 12
    height: int = 8


def _either(
    tables: tuple[str, str], keys: tuple[str, str], measures: dict[str, tuple[str, str]]
) -> str:
    """The question to the rows and to the hours; only one of them has an answer."""
    halves = (
        f"SELECT {key}{', '.join(f'{pair[which]} AS {name}' for name, pair in measures.items())}\n"
        f"FROM watchpost.{table} AS u\nWHERE {where}"
        for which, (table, key, where) in enumerate(
            zip(tables, keys, (_MOMENTS, _HOURS_OR_DAYS), strict=True)
        )
    )
    grouped = "\nGROUP BY time, series" if keys[0] else ""
    return "\nUNION ALL\n".join(f"{half}{grouped}" for half in halves)


def _over_time(
    name: str,
    by: str,
    tables: tuple[str, str] = _CALL_TABLES,
    measures: dict[str, tuple[str, str]] = _CALLS,
) -> str:
    keys = (
        f"$__timeInterval(start) AS time, {by} AS series, ",
        f"{_INTERVAL} AS time, {by} AS series, ",
    )
    found = _either(tables, keys, {name: measures[name]})
    return f"SELECT * FROM (\n{found}\n) ORDER BY time"  # noqa: S608


def _total(
    name: str,
    tables: tuple[str, str] = _CALL_TABLES,
    measures: dict[str, tuple[str, str]] = _CALLS,
) -> str:
    found = _either(tables, ("", ""), {name: measures[name]})
    return f"SELECT sum(h.{name}) AS {name} FROM (\n{found}\n) AS h"  # noqa: S608


def _grouped(*by: str) -> str:
    names = ("calls", "tokens_in", "tokens_out", "usd", "unpriced", "p95_ms", "errors")
    key = f"{', '.join(by)}, "
    found = _either(_CALL_TABLES, (key, key), {name: _CALLS[name] for name in names})
    found = found.replace("GROUP BY time, series", f"GROUP BY {', '.join(by)}")
    return f"SELECT * FROM (\n{found}\n) ORDER BY usd DESC NULLS LAST LIMIT 50"  # noqa: S608


_ERRORS = f"""SELECT * FROM (
SELECT $__timeInterval(start) AS time, error_type AS series, sum(weight) AS errors
FROM watchpost.generations
WHERE {_MOMENTS} AND status = 'error'
GROUP BY time, series
UNION ALL
SELECT {_INTERVAL} AS time, kind AS series, sum(found) AS errors
FROM watchpost.usage_rolled
ARRAY JOIN mapKeys(error_types) AS kind, mapValues(error_types) AS found
WHERE {_HOURS_OR_DAYS}
GROUP BY time, series
) ORDER BY time"""  # noqa: S608


OVERVIEW = (
    Panel(
        "Calls",
        "LLM calls, each counted once. A sudden fall: is the service down, or its exporter?",
        "stat",
        _total("calls"),
        width=6,
        height=4,
    ),
    Panel(
        "Cost",
        "USD of priced calls. If it jumps, look at cost by model and prompt version below.",
        "stat",
        _total("usd"),
        "currencyUSD",
        width=6,
        height=4,
    ),
    Panel(
        "Unpriced calls",
        "Calls of models without a price: their cost is unknown, not zero. Add a price for them.",
        "stat",
        _total("unpriced"),
        width=6,
        height=4,
    ),
    Panel(
        "Guards tripped",
        "Verdicts that fired. Open the traces of the guard that grew to see what was caught.",
        "stat",
        _total("tripped", _CHECK_TABLES, _CHECKS),
        width=6,
        height=4,
    ),
    Panel(
        "Cost by model",
        "USD in each interval. A step up with level calls means longer prompts or a dearer model.",
        "bars",
        _over_time("usd", "model"),
        "currencyUSD",
    ),
    Panel(
        "Tokens by model",
        "Tokens in and out, cache included. Growth without more calls: prompts or answers grew.",
        "bars",
        _over_time("tokens", "model"),
    ),
    Panel(
        "Latency, 95th percentile",
        "Milliseconds by model. Rising everywhere: the network or your service; one: its provider.",
        "series",
        _over_time("p95_ms", "model"),
        "ms",
    ),
    Panel(
        "Errors and rate limits",
        "Failed calls by kind. Rate limits: spread the load or ask the provider for more.",
        "bars",
        _ERRORS,
    ),
    Panel(
        "Verdicts by guard",
        "Tripped verdicts in each interval. After a rollout, compare with the prompt table below.",
        "bars",
        _over_time("tripped", "concat(guard, ' ', action)", _CHECK_TABLES, _CHECKS),
    ),
    Panel(
        "Guards that failed",
        "Checks that ended without a verdict. A dead guard is not a safe text: see to it at once.",
        "series",
        _over_time("failures", "guard", _CHECK_TABLES, _CHECKS),
    ),
    Panel(
        "By prompt version",
        "Every version side by side. A newer row dearer or slower than the older: roll it back.",
        "table",
        _grouped("prompt_name", "prompt_version"),
    ),
    Panel(
        "By model",
        "Where the money goes. Unpriced above zero: the cost of that row is too low.",
        "table",
        _grouped("model"),
    ),
)

VARIABLES = {
    name: f"SELECT DISTINCT {name} FROM watchpost.usage_daily ORDER BY 1 LIMIT 1000"  # noqa: S608
    for name in ("project", "service", "environment")
}
