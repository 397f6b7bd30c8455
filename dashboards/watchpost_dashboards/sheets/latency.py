"""Latency and reliability: how fast answers come, and how often they do not."""

from dataclasses import replace

from watchpost_dashboards.panel import Column, Panel, Sheet
from watchpost_dashboards.reading import BY_MODEL, CALLS, read_grouped, read_over_time, read_total
from watchpost_dashboards.sheets.overview import ERRORS_BY_KIND
from watchpost_dashboards.variables import CALLS as VARIABLES

_STATS = (
    Panel(
        "Median",
        "Half of the calls take longer. If it grew, compare models below: everywhere means the"
        " network or your service, one alone means its provider.",
        "stat",
        read_total(CALLS, "p50_ms"),
        "ms",
    ),
    Panel(
        "95th percentile",
        "One call in twenty takes longer. If it grew and the median did not, open the slowest"
        " traces: long outputs, retries or one tool are the usual causes.",
        "stat",
        read_total(CALLS, "p95_ms"),
        "ms",
        narrows={"order": "=slowest"},
    ),
    Panel(
        "First token, 95th",
        "What a person waits before anything appears. If it grew, look at input length and at"
        " cached input: long prompts without a cache are read anew each time.",
        "stat",
        read_total(CALLS, "first_p95_ms"),
        "ms",
    ),
    Panel(
        "Tokens a second",
        "Output tokens by the whole time of their calls. If it falls with level latency, answers"
        " became shorter; if latency grew too, the provider is slow: compare models.",
        "stat",
        read_total(CALLS, "tokens_per_s"),
        decimals=0,
    ),
    Panel(
        "Failed",
        "Share of calls that ended in an error. If high, see the kinds below, and open the traces.",
        "stat",
        read_total(CALLS, "error_share"),
        "percentunit",
        limits=(0.02, 0.1),
        decimals=1,
        narrows={"status": "=error"},
    ),
    Panel(
        "Rate limited",
        "Share of calls the provider turned away as too many. If above zero, spread the load, use"
        " a second region or model, or ask for a higher limit.",
        "stat",
        read_total(CALLS, "limited_share"),
        "percentunit",
        limits=(0.005, 0.05),
        decimals=2,
        narrows={"status": "=error"},
    ),
    Panel(
        "Retries of 100 calls",
        "Tries beyond the first, as clients tell them. They cost time before an error shows: if"
        " they grow, errors follow, so act on the provider now.",
        "stat",
        read_total(CALLS, "retries_per_100"),
        decimals=1,
        limits=(5, 20),
    ),
    Panel(
        "Fullest context",
        "The largest share of its context window any call used. Near 100 % the next long thread"
        " fails: shorten history, or choose a model with a larger window.",
        "stat",
        read_total(CALLS, "context_most"),
        "percentunit",
        limits=(0.8, 0.95),
        decimals=0,
    ),
)
_OVER_TIME = (
    Panel(
        "Percentiles",
        "How long calls take. A 99th that leaves the others behind: a few calls are stuck; set a"
        " timeout and open the slowest traces.",
        "series",
        read_over_time(CALLS, "p50_ms", "p95_ms", "p99_ms"),
        "ms",
        narrows={"order": "=slowest"},
    ),
    Panel(
        "95th percentile by model",
        "If one model's line rises alone, its provider is slow: route around it. If all rise, look"
        " at your own network and service.",
        "series",
        read_over_time(CALLS, "p95_ms", by=BY_MODEL),
        "ms",
        narrows={"model": "series"},
    ),
    Panel(
        "Time to first token by model",
        "The 95th percentile, of streamed calls. If it rises with input tokens, shorten or cache"
        " prompts; if it rises alone, the provider queues.",
        "series",
        read_over_time(CALLS, "first_p95_ms", by=BY_MODEL),
        "ms",
        narrows={"model": "series"},
    ),
    Panel(
        "Tokens a second by model",
        "Output tokens by the time of their calls. A model that slows down while others do not is"
        " under load at its provider: move traffic if people wait.",
        "series",
        read_over_time(CALLS, "tokens_per_s", by=BY_MODEL),
        narrows={"model": "series"},
    ),
    Panel(
        "Errors by kind",
        "Failed calls. Timeouts and 5xx: the provider; rate limits: your load; bad requests: your"
        " last release. Click to open them.",
        "bars",
        ERRORS_BY_KIND,
        narrows={"status": "=error"},
    ),
    Panel(
        "Failed share by model",
        "If one model fails, switch it off or fall back to another; if all do, look at your own"
        " release and network.",
        "series",
        read_over_time(CALLS, "error_share", by=BY_MODEL),
        "percentunit",
        narrows={"model": "series", "status": "=error"},
    ),
    Panel(
        "Rate limited calls by provider",
        "Calls turned away as too many. A burst at full hours: spread jobs over the hour; a steady"
        " line: ask for a higher limit.",
        "bars",
        read_over_time(CALLS, "limited", by={"series": "provider"}),
        narrows={"status": "=error"},
    ),
    Panel(
        "Retries by model",
        "Tries beyond the first. They hide trouble from the error rate: if this grows, the provider"
        " is failing already.",
        "bars",
        read_over_time(CALLS, "retries", by=BY_MODEL),
        narrows={"model": "series"},
    ),
    Panel(
        "Fullest context by model",
        "The largest share of its window any call used. A line that climbs day by day is history"
        " that nobody cuts: bound it before calls fail.",
        "series",
        read_over_time(CALLS, "context_most", by=BY_MODEL),
        "percentunit",
        narrows={"model": "series"},
    ),
    Panel(
        "Calls above 80 % of their window",
        "Share of the calls whose window is known. Above zero for long: these conversations end in"
        " errors or forgotten beginnings; summarise them.",
        "series",
        read_over_time(CALLS, "crowded_share", by=BY_MODEL),
        "percentunit",
        narrows={"model": "series"},
    ),
    Panel(
        "By service and model",
        "Everything above in one table. Sort by the column that worries you, and click a service"
        " for its traces.",
        "table",
        read_grouped(
            CALLS,
            {"service": "service", "model": "model"},
            *("calls", "p50_ms", "p95_ms", "p99_ms", "first_p50_ms", "first_p95_ms"),
            *("tokens_per_s", "error_share", "limited_share", "retries_per_100", "context_mean"),
            "context_most",
        ),
        width=24,
        narrows={"service": "service", "model": "model"},
        columns={
            "service": Column(title="Service"),
            "model": Column(title="Model"),
            "calls": Column("short", "Calls", 80),
            "p50_ms": Column("ms", "p50", 85),
            "p95_ms": Column("ms", "p95", 85),
            "p99_ms": Column("ms", "p99", 85),
            "first_p50_ms": Column("ms", "First token p50", 125),
            "first_p95_ms": Column("ms", "First token p95", 125),
            "tokens_per_s": Column("short", "Tokens/s", 85, 0),
            "error_share": Column("percentunit", "Failed", 80, 1),
            "limited_share": Column("percentunit", "Rate limited", 105, 1),
            "retries_per_100": Column("short", "Retries of 100", 110, 1),
            "context_mean": Column("percentunit", "Context, mean", 115, 0),
            "context_most": Column("percentunit", "Context, fullest", 120, 0),
        },
    ),
)

SHEET = Sheet(
    "latency",
    "latency and reliability",
    "How fast answers come, how often they fail, and how full their context is.",
    (*(replace(panel, width=3, height=4) for panel in _STATS), *_OVER_TIME),
    VARIABLES,
)
