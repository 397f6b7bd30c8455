"""What each panel of the overview asks and what to do when it looks bad. SQL over the reading
views only; time and variables are Grafana's macros, so a person's choice is never spliced by us."""

from dataclasses import dataclass
from typing import Literal

_PICK = """$__timeFilter(start)
  AND $__conditionalAll(project IN (${project:singlequote}), $project)
  AND $__conditionalAll(service IN (${service:singlequote}), $service)
  AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)"""


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


def _over_time(measure: str, by: str) -> str:
    return f"""SELECT $__timeInterval(start) AS time, {by} AS series, {measure}
FROM watchpost.generations
WHERE {_PICK}
GROUP BY time, series ORDER BY time"""  # noqa: S608 - both parts are constants of this file


def _total(measure: str, table: str = "generations") -> str:
    return f"SELECT {measure}\nFROM watchpost.{table}\nWHERE {_PICK}"


def _grouped(by: str) -> str:
    return f"""SELECT {by},
  count() AS calls, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out,
  sum(cost) AS usd, countIf(price_state = 'unpriced') AS unpriced,
  round(quantile(0.95)(duration_ms)) AS p95_ms, countIf(status = 'error') AS errors
FROM watchpost.generations
WHERE {_PICK}
GROUP BY {by} ORDER BY usd DESC NULLS LAST LIMIT 50"""  # noqa: S608


OVERVIEW = (
    Panel(
        "Calls",
        "LLM calls, each counted once. A sudden fall: is the service down, or its exporter?",
        "stat",
        _total("count() AS calls"),
        width=6,
        height=4,
    ),
    Panel(
        "Cost",
        "USD of priced calls. If it jumps, look at cost by model and prompt version below.",
        "stat",
        _total("sum(cost) AS usd"),
        "currencyUSD",
        width=6,
        height=4,
    ),
    Panel(
        "Unpriced calls",
        "Calls of models without a price: their cost is unknown, not zero. Add a price for them.",
        "stat",
        _total("countIf(price_state = 'unpriced') AS unpriced"),
        width=6,
        height=4,
    ),
    Panel(
        "Guards tripped",
        "Verdicts that fired. Open the traces of the guard that grew to see what was caught.",
        "stat",
        _total("countIf(tripped) AS tripped", "verdicts"),
        width=6,
        height=4,
    ),
    Panel(
        "Cost by model",
        "USD in each interval. A step up with level calls means longer prompts or a dearer model.",
        "bars",
        _over_time("sum(cost) AS usd", "model"),
        "currencyUSD",
    ),
    Panel(
        "Tokens by model",
        "Tokens in and out, cache included. Growth without more calls: prompts or answers grew.",
        "bars",
        _over_time("sum(input_tokens + output_tokens) AS tokens", "model"),
    ),
    Panel(
        "Latency, 95th percentile",
        "Milliseconds by model. Rising everywhere: the network or your service; one: its provider.",
        "series",
        _over_time("quantile(0.95)(duration_ms) AS p95_ms", "model"),
        "ms",
    ),
    Panel(
        "Errors and rate limits",
        "Failed calls by kind. Rate limits: spread the load or ask the provider for more.",
        "bars",
        _over_time("countIf(status = 'error') AS errors", "error_type"),
    ),
    Panel(
        "Verdicts by guard",
        "Tripped verdicts in each interval. After a rollout, compare with the prompt table below.",
        "bars",
        f"""SELECT $__timeInterval(start) AS time, concat(guard, ' ', action) AS series,
  countIf(tripped) AS verdicts
FROM watchpost.verdicts
WHERE {_PICK}
GROUP BY time, series ORDER BY time""",  # noqa: S608
    ),
    Panel(
        "Guards that failed",
        "Checks that ended without a verdict. A dead guard is not a safe text: see to it at once.",
        "series",
        f"""SELECT $__timeInterval(start) AS time, guard AS series, countIf(failed) AS failures
FROM watchpost.verdicts
WHERE {_PICK}
GROUP BY time, series ORDER BY time""",  # noqa: S608
    ),
    Panel(
        "By prompt version",
        "Every version side by side. A newer row dearer or slower than the older: roll it back.",
        "table",
        _grouped("prompt_name, prompt_version"),
    ),
    Panel(
        "By model",
        "Where the money goes. Unpriced above zero: the cost of that row is too low.",
        "table",
        _grouped("model"),
    ),
)

VARIABLES = {
    name: f"SELECT DISTINCT {name} FROM watchpost.generations ORDER BY 1 LIMIT 1000"  # noqa: S608
    for name in ("project", "service", "environment")
}
