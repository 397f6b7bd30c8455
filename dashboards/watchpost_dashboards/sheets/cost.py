"""Cost: what is spent on what, how the budget stands, and what another model would cost."""

from dataclasses import replace

from watchpost_dashboards.other_model import CHOICES, COMPARED
from watchpost_dashboards.panel import Column, Panel, Sheet, Variable
from watchpost_dashboards.reading import (
    BY_MODEL,
    BY_SEGMENT,
    BY_VERSION,
    CALLS,
    CHOSEN,
    NAMED,
    read_grouped,
    read_over_time,
    read_total,
)
from watchpost_dashboards.variables import CALLS as VARIABLES
from watchpost_dashboards.variables import KEY

_BUDGET = "toFloat64OrZero(${budget:singlequote})"
_MONTH = "toStartOfMonth($__toTime, 'UTC')"
_TODAY = "toStartOfDay($__toTime, 'UTC')"
_MONTHS_LENGTH = "toDayOfMonth(toLastDayOfMonth($__toTime, 'UTC'))"
# Two weeks before today say what a day costs; fewer, where there are no more.
_OF_MONTH = f"""
SELECT
  toFloat64(sumIf(u.cost, hour >= {_MONTH})) AS spent,
  toFloat64(sumIf(u.cost, hour < {_TODAY} AND hour >= {_TODAY} - INTERVAL 14 DAY)) AS lately,
  uniqIf(toStartOfDay(hour), hour < {_TODAY} AND hour >= {_TODAY} - INTERVAL 14 DAY) AS days,
  {_MONTHS_LENGTH} - toDayOfMonth($__toTime, 'UTC') AS left
FROM watchpost.usage_rolled AS u
WHERE by_day AND hour <= $__toTime
  AND hour >= least(toDateTime({_MONTH}, 'UTC'), {_TODAY} - INTERVAL 14 DAY){CHOSEN}"""  # noqa: S608
_EXPECTED = "spent + if(days = 0, 0, lately / days) * left"
_BURN = f"""
SELECT time, spent, pace AS `even pace`, whole AS budget FROM (
  SELECT time, {_BUDGET} AS whole,
    sum(usd) OVER (PARTITION BY toStartOfMonth(time) ORDER BY time) AS spent,
    whole * toDayOfMonth(time) / toDayOfMonth(toLastDayOfMonth(time)) AS pace
  FROM (
    SELECT toStartOfDay(hour) AS time, toFloat64(sum(u.cost)) AS usd
    FROM watchpost.usage_rolled AS u
    WHERE by_day AND hour <= $__toTime
      AND hour >= toDateTime(toStartOfMonth($__fromTime, 'UTC'), 'UTC'){CHOSEN}
    GROUP BY time
  )
)
WHERE time >= toStartOfDay($__fromTime, 'UTC')
ORDER BY time"""  # noqa: S608
_MEASURED = (
    *("usd", "calls", "usd_per_1000", "usd_per_million", "in_per_call", "out_per_call"),
    *("cached_share", "unpriced", "estimated"),
)
_COLUMNS = {
    "model": Column(title="Model"),
    "provider": Column(title="Provider"),
    "service": Column(title="Service"),
    "prompt_name": Column(title="Prompt"),
    "prompt_version": Column(title="Version", width=80),
    "usd": Column("currencyUSD", "Cost", 90, 2),
    "calls": Column("short", "Calls", 80),
    "usd_per_1000": Column("currencyUSD", "1000 calls", 95, 2),
    "usd_per_million": Column("currencyUSD", "Million tokens", 115, 2),
    "in_per_call": Column("short", "Tokens in", 90, 0),
    "out_per_call": Column("short", "Tokens out", 95, 0),
    "cached_share": Column("percentunit", "Cached", 80, 0),
    "unpriced": Column("short", "Unpriced", 85),
    "estimated": Column("short", "Estimated", 90),
}
_STATS = (
    Panel(
        "Cost",
        "USD of priced calls in the time chosen. If it jumps, find the model, service or version"
        " whose bars grew below.",
        "stat",
        read_total(CALLS, "usd"),
        "currencyUSD",
        decimals=2,
        narrows={"order": "=dearest"},
    ),
    Panel(
        "1000 calls",
        "Cost of a thousand calls. If it rises, calls became dearer and not more: look for longer"
        " prompts or answers, or a dearer model.",
        "stat",
        read_total(CALLS, "usd_per_1000"),
        "currencyUSD",
        decimals=2,
    ),
    Panel(
        "Input from a cache",
        "Share of input tokens read from the provider's cache, at a fraction of the price. If low"
        " with long fixed prompts, put what is fixed first and turn caching on.",
        "stat",
        read_total(CALLS, "cached_share"),
        "percentunit",
        decimals=0,
    ),
    Panel(
        "This month",
        "USD since the first of the month in which the time chosen ends. If it is ahead of the"
        " even pace below, act before the month does.",
        "stat",
        f"SELECT spent FROM ({_OF_MONTH}\n)",  # noqa: S608
        "currencyUSD",
        decimals=2,
    ),
    Panel(
        "By the month's end",
        "What is spent, and the days left at the mean of the two weeks before. If it is above the"
        " budget, shift traffic to a cheaper model (table below) or raise the budget.",
        "stat",
        f"SELECT {_EXPECTED} AS expected FROM ({_OF_MONTH}\n)",  # noqa: S608
        "currencyUSD",
        decimals=2,
    ),
    Panel(
        "Of the budget",
        "What is expected by the month's end, as a share of the budget written above. If it is"
        " above 100 %, the budget will not last; an alert rule of kind `budget` tells it in time.",
        "stat",
        f"SELECT ({_EXPECTED}) / nullIf({_BUDGET}, 0) AS share FROM ({_OF_MONTH}\n)",  # noqa: S608
        "percentunit",
        decimals=0,
        limits=(0.9, 1.0),
    ),
)
_OVER_TIME = (
    Panel(
        "Burn against budget",
        "Spent since the first of the month, beside an even pace and the whole budget. A line that"
        " is steeper than the pace crosses the budget before the month ends: look which bars grew.",
        "series",
        _BURN,
        "currencyUSD",
    ),
    Panel(
        "By model",
        "USD in each interval. A step up with level calls means longer prompts or a dearer model:"
        " click it for its traces.",
        "bars",
        read_over_time(CALLS, "usd", by=BY_MODEL),
        "currencyUSD",
        narrows={"model": "series"},
    ),
    Panel(
        "By service",
        "USD in each interval. If one service grows alone, ask its team what they released.",
        "bars",
        read_over_time(CALLS, "usd", by={"series": "service"}),
        "currencyUSD",
        narrows={"service": "series"},
    ),
    Panel(
        "By prompt version",
        "USD in each interval, of calls that name a prompt. If a new version costs more than the"
        " one it replaced at the same traffic, roll it back or shorten it.",
        "bars",
        read_over_time(CALLS, "usd", by=BY_VERSION, where=NAMED),
        "currencyUSD",
        narrows={"prompt": "prompt", "version": "version"},
    ),
    Panel(
        "By user segment",
        "USD by the values of the segment key chosen above. If one segment costs more than it"
        " brings, give it a cheaper model or a limit. Only keys named by `watchpost up --segments`"
        " are kept for long.",
        "bars",
        read_over_time(CALLS, "usd", by=BY_SEGMENT),
        "currencyUSD",
        narrows={"segment": "segment"},
    ),
    Panel(
        "1000 calls by prompt version",
        "Cost of a thousand calls. Unlike the bars it does not move with traffic: a step is a"
        " change of prompt, model or inputs.",
        "series",
        read_over_time(CALLS, "usd_per_1000", by=BY_VERSION, where=NAMED),
        "currencyUSD",
        narrows={"prompt": "prompt", "version": "version"},
    ),
)
_TABLES = (
    Panel(
        "The same traffic on another model",
        "What all calls chosen above cost, and what they would at each model's list price of today:"
        " the models in use, and the one chosen as `Compare with`. Where the tokenizer differs,"
        " tokens are taken times the ratio seen in this store: the median, over hours in which both"
        " families answered the same prompt version, of their mean input tokens. `Ratio known` is"
        " the share of tokens for which there is one; the rest counts as 1, so below 100 % trust"
        " the cost less. Prices by context size, batches and tools are left out. If a model is much"
        " cheaper, try it on a prompt version of its own and compare the quality.",
        "table",
        COMPARED,
        width=24,
        columns={
            "candidate": Column(title="Model"),
            "cost_now": Column("currencyUSD", "Cost now", 100, 2),
            "cost_then": Column("currencyUSD", "On this model", 120, 2),
            "change": Column("percentunit", "Change", 90, 0),
            "ratio": Column("short", "Tokens, times", 115, 2),
            "known": Column("percentunit", "Ratio known", 110, 0),
        },
    ),
    Panel(
        "Models",
        "Where the money goes. Unpriced above zero: the cost of that row is too low, add a price."
        " Estimated: nobody told the tokens, they were counted here.",
        "table",
        read_grouped(CALLS, {"model": "model", "provider": "provider"}, *_MEASURED),
        width=24,
        columns=_COLUMNS,
        narrows={"model": "model"},
    ),
    Panel(
        "Prompt versions",
        "The dearest prompts. If tokens in grew from one version to the next, its text did; if"
        " tokens out did, it asks for longer answers.",
        "table",
        read_grouped(
            CALLS,
            {
                "service": "service",
                "prompt_name": "prompt_name",
                "prompt_version": "prompt_version",
            },
            *_MEASURED[:-2],
        ),
        width=24,
        columns=_COLUMNS,
        narrows={"version": "prompt_version", "prompt": "prompt_name", "service": "service"},
    ),
)

SHEET = Sheet(
    "cost",
    "cost",
    "What is spent on what, how the budget stands, and what another model would cost.",
    (*(replace(panel, width=4, height=4) for panel in _STATS), *_OVER_TIME, *_TABLES),
    (
        *VARIABLES,
        KEY,
        Variable("budget", "5000", "Budget a month, USD", kind="text"),
        Variable("other", CHOICES, "Compare with", single=True),
    ),
    since="now-14d",
)
