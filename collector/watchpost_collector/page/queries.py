"""Every SQL text the page runs, by name. Values are bound parameters, never spliced; a filter left
empty is no filter. Tests run each of these against a migrated store.

A short window is read from the calls themselves, a longer one from the rollups by the hour, what is
shown by days from those by the day: the same questions with other measures, `..._HOURLY` and
`..._DAILY`. Lists of traces are in `trace_queries.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from watchpost_collector.page.narrowing import OF_PROJECT, PICKED, SINCE, UNTIL

# Times are compared as they are stored, so that the primary key and the partitions are used.
_MOMENTS = f"start >= {SINCE} and start < {UNTIL} and {PICKED}"
_HOURS = f"hour >= toDateTime({SINCE}) and hour < toDateTime({UNTIL}) and {PICKED}"
_DAYS = f"day >= toDateTime({SINCE}) and day < toDateTime({UNTIL}) and {PICKED}"


def _bucket(time: str) -> str:
    return f"intDiv(toUnixTimestamp({time}), {{bucket:UInt32}}) * {{bucket:UInt32}} * 1000 as at"


_LEVELS = (0.5, 0.95)


def _quantile(level: float, state: str) -> str:
    """Milliseconds out of a rollup's histogram of logarithms; null where nothing was counted."""
    # One and the same merging for every level: the engine does it once.
    place = _LEVELS.index(level) + 1
    merged = f"exp(quantilesTimingMerge{_LEVELS}(u.{state})[{place}] / 1500) - 1"
    return f"if(isNaN({merged}), null, {merged})"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where calls or checks are read: its table, its narrowing, its bucket, and its measures."""

    table: str
    where: str
    at: str
    measures: Mapping[str, str]

    def pick(self, *names: str) -> str:
        return ",\n    ".join(f"{self.measures[name]} as {name}" for name in names)


_SUMS = ("input_tokens", "output_tokens", "cache_read_tokens")
# A row stands for `weight` calls: more than one where its emitter sampled.
_CALLS = _Source(
    "generations",
    _MOMENTS,
    _bucket("start"),
    {
        # By how many each stands for: an emitter may have sampled.
        "calls": "sum(u.weight)",
        "errors": "sumIf(u.weight, u.status = 'error')",
        "blocked": "sumIf(u.weight, u.blocked)",
        "cost": "sum(toDecimal128(u.cost, 9) * u.weight)",
        "unpriced": "sumIf(u.weight, u.price_state = 'unpriced')",
        **{name: f"sum(u.{name} * u.weight)" for name in _SUMS},
        "tokens": "sum((u.input_tokens + u.output_tokens) * u.weight)",
        "estimated": "sumIf(u.weight, u.usage_source = 'estimated')",
        "p50": "quantileOrNull(0.5)(u.duration_ms)",
        "p95": "quantileOrNull(0.95)(u.duration_ms)",
        "first_token_p50": "quantileOrNull(0.5)(u.ttft_ms)",
        "first_token_p95": "quantileOrNull(0.95)(u.ttft_ms)",
    },
)
_CALLS_HOURLY = _Source(
    "usage_hourly",
    _HOURS,
    _bucket("hour"),
    {
        "calls": "sum(u.calls)",
        "errors": "sum(u.errors)",
        "blocked": "sum(u.blocked_calls)",
        # Unknown where no call had a price, as a sum of nulls is.
        "cost": "if(sum(u.cost) = 0 and sum(u.unpriced_calls + u.no_usage_calls) >= sum(u.calls),"
        " null, sum(u.cost))",
        "unpriced": "sum(u.unpriced_calls)",
        **{name: f"sum(u.{name})" for name in _SUMS},
        "tokens": "sum(u.input_tokens + u.output_tokens)",
        "estimated": "sum(u.estimated_calls)",
        "p50": _quantile(0.5, "duration_state"),
        "p95": _quantile(0.95, "duration_state"),
        "first_token_p50": _quantile(0.5, "ttft_state"),
        "first_token_p95": _quantile(0.95, "ttft_state"),
    },
)
_CALLS_DAILY = replace(_CALLS_HOURLY, table="usage_daily", where=_DAYS, at=_bucket("day"))
# What the guarded text did not get past: a fallback answers in its place.
_STOPS = "u.action in ('block', 'fallback')"
_CHECKS = _Source(
    "verdicts",
    _MOMENTS,
    "",
    {
        "checked": "sum(u.weight)",
        "tripped": "sumIf(u.weight, u.tripped)",
        "failed": "sumIf(u.weight, u.failed)",
        "blocked": f"sumIf(u.weight, {_STOPS} and u.tripped)",
        "labels": "sumMapIf(map(toString(u.label), toUInt64(u.weight)),"
        " u.tripped and u.label != '')",
        "p95": "quantile(0.95)(u.duration_ms)",
    },
)
_CHECKS_HOURLY = _Source(
    "guards_hourly",
    _HOURS,
    "",
    {
        "checked": "sum(u.checks)",
        "tripped": "sum(u.tripped)",
        "failed": "sum(u.failed)",
        "blocked": f"sumIf(u.tripped, {_STOPS})",
        "labels": "sumMap(u.labels)",
        "p95": _quantile(0.95, "duration_state"),
    },
)
_CHECKS_DAILY = replace(_CHECKS_HOURLY, table="guards_daily", where=_DAYS)

EXTENT = f"""
select toUnixTimestamp64Milli(toDateTime64(min(start), 3, 'UTC')) as first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(start), 3, 'UTC')) as last_ms
from spans
where {OF_PROJECT}
"""  # noqa: S608

ANY_SPAN = f"""
select count() > 0 as any_span from (
    select 1 from spans
    where {OF_PROJECT} limit 1
)
"""  # noqa: S608


def _tiles(source: _Source) -> str:
    return _total(source, "calls", "errors", "blocked", "cost", "unpriced", *_SUMS, "estimated")


def _latency_tiles(source: _Source) -> str:
    # Beside the sums and not among them: times take as long to merge as all of those together.
    return _total(source, "p50", "p95", "first_token_p50", "first_token_p95")


def _guard_tile(source: _Source) -> str:
    return _total(source, "tripped", "failed", "checked")


def _total(source: _Source, *names: str) -> str:
    return f"""
select {source.pick(*names)}
from {source.table} as u
where {source.where}
"""  # noqa: S608  only constants of this file are joined, here and below


def _over_time(source: _Source, by: str, *names: str, limit: int = 20000) -> str:
    keys = f"at{by and ', '}{by}"
    columns = f"{by}, " if by else ""
    return f"""
select {source.at}, {columns}{source.pick(*names)}
from {source.table} as u
where {source.where}
group by {keys}
order by {keys}
limit {limit}
"""  # noqa: S608


def _compared(source: _Source, by: str, more: str = "") -> str:
    names = ("calls", "errors", "input_tokens", "output_tokens", "cost", "unpriced", "p95")
    return f"""
select {by}, {more}{source.pick(*names)}
from {source.table} as u
where {source.where}
group by {by}
order by cost desc nulls last, calls desc, {by}
limit 20
"""  # noqa: S608


def _by_guard(source: _Source) -> str:
    return f"""
select guard, direction,
    {source.pick("checked", "tripped", "labels", "blocked", "failed", "p95")}
from {source.table} as u
where {source.where}
group by guard, direction
order by tripped desc, checked desc, guard, direction
limit 20
"""  # noqa: S608


TILES, TILES_HOURLY, TILES_DAILY = map(_tiles, (_CALLS, _CALLS_HOURLY, _CALLS_DAILY))
LATENCY_TILES, LATENCY_TILES_HOURLY, LATENCY_TILES_DAILY = map(
    _latency_tiles, (_CALLS, _CALLS_HOURLY, _CALLS_DAILY)
)
GUARD_TILE, GUARD_TILE_HOURLY, GUARD_TILE_DAILY = map(
    _guard_tile, (_CHECKS, _CHECKS_HOURLY, _CHECKS_DAILY)
)
_BY_MODEL = ("model", "cost", "calls", "errors")
BY_MODEL_OVER_TIME = _over_time(_CALLS, *_BY_MODEL)
BY_MODEL_OVER_TIME_HOURLY = _over_time(_CALLS_HOURLY, *_BY_MODEL)
BY_MODEL_OVER_TIME_DAILY = _over_time(_CALLS_DAILY, *_BY_MODEL)
_LATENCY = ("", "p50", "p95", "first_token_p50")
LATENCY_OVER_TIME = _over_time(_CALLS, *_LATENCY, limit=5000)
LATENCY_OVER_TIME_HOURLY = _over_time(_CALLS_HOURLY, *_LATENCY, limit=5000)
LATENCY_OVER_TIME_DAILY = _over_time(_CALLS_DAILY, *_LATENCY, limit=5000)
_BY_VERSION = ("prompt_name, prompt_version", "tokens")
TOKENS_BY_PROMPT_OVER_TIME = _over_time(_CALLS, *_BY_VERSION)
TOKENS_BY_PROMPT_OVER_TIME_HOURLY = _over_time(_CALLS_HOURLY, *_BY_VERSION)
TOKENS_BY_PROMPT_OVER_TIME_DAILY = _over_time(_CALLS_DAILY, *_BY_VERSION)
_MODEL = ("model", "any(u.provider) as provider, ")
BY_MODEL, BY_MODEL_HOURLY = _compared(_CALLS, *_MODEL), _compared(_CALLS_HOURLY, *_MODEL)
BY_MODEL_DAILY = _compared(_CALLS_DAILY, *_MODEL)
_PROMPT = "prompt_name, prompt_version"
BY_PROMPT, BY_PROMPT_HOURLY = _compared(_CALLS, _PROMPT), _compared(_CALLS_HOURLY, _PROMPT)
BY_PROMPT_DAILY = _compared(_CALLS_DAILY, _PROMPT)
BY_GUARD, BY_GUARD_HOURLY, BY_GUARD_DAILY = map(_by_guard, (_CHECKS, _CHECKS_HOURLY, _CHECKS_DAILY))

# Choices are offered of every hour or day that the window touches.
_TOUCHED_HOURS = f"""{OF_PROJECT}
    and hour >= toStartOfHour({SINCE}) and hour < toDateTime({UNTIL}) + 1"""
_TOUCHED_DAYS = f"{OF_PROJECT} and day >= toStartOfDay({SINCE}) and day < toDateTime({UNTIL}) + 1"


def _choices(table: str, where: str) -> str:
    return f"""
select arraySort(groupUniqArray(200)(project)) as projects,
    arraySort(groupUniqArray(200)(service)) as services,
    arraySort(groupUniqArray(200)(environment)) as environments,
    arraySort(groupUniqArray(200)(model)) as models,
    arraySort(groupUniqArray(200)(prompt_name)) as prompts,
    arraySort(groupUniqArray(200)(prompt_version)) as versions
from {table}
where {where}
"""  # noqa: S608


def _guard_choices(table: str, where: str) -> str:
    return f"""
select arraySort(groupUniqArray(200)(guard)) as guards
from {table} as u
where {where} and u.tripped > 0
"""  # noqa: S608


CHOICES = _choices("usage_hourly", _TOUCHED_HOURS)
CHOICES_DAILY = _choices("usage_daily", _TOUCHED_DAYS)
GUARD_CHOICES = _guard_choices("guards_hourly", _TOUCHED_HOURS)
GUARD_CHOICES_DAILY = _guard_choices("guards_daily", _TOUCHED_DAYS)

# One trace is found by its id once, among the spans; what else is known of it is read by its time
# too, so that it is not looked for through every day. What came without its spans (they were
# sampled out) is looked for everywhere: then the time is open.
_OF_TRACE = f"{OF_PROJECT} and trace_id = {{trace:String}}"
_IN_ITS_TIME = f"{_OF_TRACE} and start >= {SINCE} and start < {UNTIL}"

TRACE_EXTENT = f"""
select count() as spans, countIf(status = 'error') as errors,
    toUnixTimestamp64Milli(toDateTime64(min(start), 3, 'UTC')) as first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(start), 3, 'UTC')) as last_ms
from spans
where {_OF_TRACE}
"""  # noqa: S608

TRACE_SPANS = f"""
select span_id, parent_span_id, name, kind, service, start,
    toUnixTimestamp64Nano(start) / 1000000 as start_ms, duration_ms, status
from spans
where {_IN_ITS_TIME}
order by start, span_id limit {{limit:UInt32}}
"""  # noqa: S608

# With what the accounting knows of each call, `of_span`: `generations` holds only the calls that
# count, so a wrapper has no cost here either. The first calls are those of the first spans.
TRACE_TOTALS = f"""
select count() as calls, sum(g.cost) as cost,
    countIf(g.price_state = 'unpriced') as unpriced,
    sum(g.input_tokens) as input_tokens, sum(g.output_tokens) as output_tokens,
    max(g.session_id) as session_id, max(g.user_id) as user_id,
    arraySlice(arraySort(call -> (call.1, call.2), groupArray((g.start, g.span_id, g.model,
        g.cost, g.input_tokens, g.output_tokens, g.price_state, g.blocked))),
        1, {{limit:UInt32}}) as of_span
from generations as g
where {_IN_ITS_TIME}
"""  # noqa: S608

TRACE_VERDICTS = f"""
select span_id, guard, label, direction, action, tripped, failed, probability, threshold,
    duration_ms, revision, in_background
from verdicts
where {_IN_ITS_TIME}
order by tripped desc, guard, direction, label
limit 2000
"""  # noqa: S608

_OF_SPAN = f"{_IN_ITS_TIME} and span_id = {{span:String}}"

SPAN = f"select * from spans where {_OF_SPAN} order by start limit 1"  # noqa: S608
SPAN_CALL = f"select * from generations where {_OF_SPAN} order by start limit 1"  # noqa: S608

# Content may be large: no more of it is read than is shown. It may have come at another time than
# its span: it is found by its trace.
SPAN_CONTENT = f"""
select substringUTF8(input_messages, 1, 2000000) as input_messages,
    substringUTF8(output_messages, 1, 2000000) as output_messages,
    substringUTF8(system_instructions, 1, 200000) as system_instructions,
    substringUTF8(tool_definitions, 1, 200000) as tool_definitions,
    substringUTF8(documents, 1, 2000000) as documents
from messages
where {_OF_TRACE} and span_id = {{span:String}}
limit 1
"""  # noqa: S608

# The questions by name, which only they bear; the conditions that they share ask nothing.
ALL = {name: sql for name, sql in globals().items() if name.isupper() and "\nselect " in str(sql)}
