"""Overview: is anything wrong, and where to look next."""

from watchpost_dashboards.panel import Column, Panel, Sheet
from watchpost_dashboards.reading import (
    BY_MODEL,
    CALLS,
    CHECKS,
    HOURS_OR_DAYS,
    INTERVAL,
    MOMENTS,
    read_grouped,
    read_over_time,
    read_total,
)
from watchpost_dashboards.variables import CALLS as VARIABLES

ERRORS_BY_KIND = f"""SELECT * FROM (
SELECT $__timeInterval(start) AS time, error_type AS series, sum(weight) AS errors
FROM watchpost.generations
WHERE {MOMENTS} AND status = 'error'
GROUP BY time, series
UNION ALL
SELECT {INTERVAL} AS time, kind AS series, sum(found) AS errors
FROM watchpost.usage_rolled
ARRAY JOIN mapKeys(error_types) AS kind, mapValues(error_types) AS found
WHERE {HOURS_OR_DAYS}
GROUP BY time, series
) ORDER BY time"""  # noqa: S608
_COMPARED = ("usd", "calls", "tokens_in", "tokens_out", "unpriced", "p95_ms", "error_share")
_COLUMNS = {
    "prompt_name": Column(title="Prompt"),
    "prompt_version": Column(title="Version", width=80),
    "model": Column(title="Model"),
    "usd": Column("currencyUSD", "Cost", 90, 2),
    "calls": Column("short", "Calls", 80),
    "tokens_in": Column("short", "Tokens in", 90),
    "tokens_out": Column("short", "Tokens out", 95),
    "unpriced": Column("short", "Unpriced", 85),
    "p95_ms": Column("ms", "p95", 80),
    "error_share": Column("percentunit", "Errors", 80),
}

SHEET = Sheet(
    "overview",
    "overview",
    "Cost, tokens, latency and guard verdicts of LLM calls, each counted once.",
    (
        Panel(
            "Calls",
            "LLM calls, each counted once. A sudden fall: is the service down, or its exporter?",
            "stat",
            read_total(CALLS, "calls"),
            width=4,
            height=4,
            narrows={"status": "=any"},
        ),
        Panel(
            "Cost",
            "USD of priced calls. If it jumps, look at cost by model and by prompt version below.",
            "stat",
            read_total(CALLS, "usd"),
            "currencyUSD",
            width=4,
            height=4,
            decimals=2,
            narrows={"order": "=dearest"},
        ),
        Panel(
            "Failed calls",
            "Share of calls that ended in an error. If high, see which kind below, then its"
            " traces.",
            "stat",
            read_total(CALLS, "error_share"),
            "percentunit",
            width=4,
            height=4,
            limits=(0.02, 0.1),
            decimals=1,
            narrows={"status": "=error"},
        ),
        Panel(
            "Slow calls",
            "The duration that 95 % of calls stay below. If it grew, see latency by model below.",
            "stat",
            read_total(CALLS, "p95_ms"),
            "ms",
            width=4,
            height=4,
            narrows={"order": "=slowest"},
        ),
        Panel(
            "Unpriced calls",
            "Calls of models without a price: their cost is unknown, not zero. Add a price for them"
            " (`watchpost prices`).",
            "stat",
            read_total(CALLS, "unpriced"),
            width=4,
            height=4,
            limits=(1,),
        ),
        Panel(
            "Guards tripped",
            "Verdicts that fired. If many, open the traces of the guard that grew, below.",
            "stat",
            read_total(CHECKS, "tripped"),
            width=4,
            height=4,
            narrows={"status": "=tripped"},
        ),
        Panel(
            "Cost by model",
            "USD in each interval. A step up with level calls means longer prompts or a dearer"
            " model.",
            "bars",
            read_over_time(CALLS, "usd", by=BY_MODEL),
            "currencyUSD",
            narrows={"model": "series"},
        ),
        Panel(
            "Tokens by model",
            "Tokens in and out, cache included. Growth without more calls: prompts or answers"
            " grew.",
            "bars",
            read_over_time(CALLS, "tokens", by=BY_MODEL),
            narrows={"model": "series"},
        ),
        Panel(
            "Latency, 95th percentile",
            "Milliseconds by model. Rising everywhere: the network or your service; one: its"
            " provider.",
            "series",
            read_over_time(CALLS, "p95_ms", by=BY_MODEL),
            "ms",
            narrows={"model": "series"},
        ),
        Panel(
            "Errors and rate limits",
            "Failed calls by kind. Rate limits: spread the load or ask the provider for more.",
            "bars",
            ERRORS_BY_KIND,
            narrows={"status": "=error"},
        ),
        Panel(
            "Verdicts by guard",
            "Tripped verdicts in each interval. After a rollout, compare with the prompt table"
            " below.",
            "bars",
            read_over_time(
                CHECKS,
                "tripped",
                by={"series": "concat(guard, ' ', action)", "guard": "guard"},
                where="u.tripped > 0",
            ),
            narrows={"guard": "guard"},
        ),
        Panel(
            "Guards that failed",
            "Checks that ended without a verdict. A dead guard is not a safe text: see to it at"
            " once.",
            "bars",
            read_over_time(CHECKS, "failures", by={"series": "guard"}),
            narrows={"guard": "series"},
        ),
        Panel(
            "By prompt version",
            "Every version side by side. A newer row dearer or slower than the older: roll it back,"
            " or look at the dashboard of prompt versions first.",
            "table",
            read_grouped(
                CALLS,
                {"prompt_name": "prompt_name", "prompt_version": "prompt_version"},
                *_COMPARED,
            ),
            columns=_COLUMNS,
            narrows={"version": "prompt_version", "prompt": "prompt_name"},
        ),
        Panel(
            "By model",
            "Where the money goes. Unpriced above zero: the cost of that row is too low.",
            "table",
            read_grouped(CALLS, {"model": "model"}, *_COMPARED),
            columns=_COLUMNS,
            narrows={"model": "model"},
        ),
    ),
    VARIABLES,
)
