"""Where numbers are read and how: the rows themselves over a short time, the rollups over a longer
one, as one statement. It knows the store's views and measures, and no panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A range up to two days is read from the rows themselves, a longer one from the rollups: in whole
# hours, and over more than two weeks in whole days. What is not meant reads nothing: its
# condition is a constant.
LONG = "$__toTime - $__fromTime > 172800"
DAYS = "$__toTime - $__fromTime > 1209600"
_IN_SEGMENT = (
    "arrayExists((k, v) -> concat(k, '=', v) IN (${segment:singlequote}),"
    " mapKeys(segments), mapValues(segments))"
)
_COLUMNS = {
    "project": "project",
    "service": "service",
    "environment": "environment",
    "model": "model",
    "prompt": "prompt_name",
    "version": "prompt_version",
}
CHOSEN = "".join(
    f"\n  AND $__conditionalAll({column} IN (${{{name}:singlequote}}), ${name})"
    for name, column in _COLUMNS.items()
)
CHOSEN += f"\n  AND $__conditionalAll({_IN_SEGMENT}, $segment)"
MOMENTS = f"NOT ({LONG}) AND $__timeFilter(start){CHOSEN}"
# The hours and days of the range, whatever reads them.
IN_RANGE = (
    f"if({DAYS}, by_day, by_hour)"
    f" AND hour >= if({DAYS}, toStartOfDay($__fromTime, 'UTC'), toStartOfHour($__fromTime))"
    " AND hour <= $__toTime"
)
ROLLED = f"{IN_RANGE}{CHOSEN}"
HOURS_OR_DAYS = f"({LONG}) AND {ROLLED}"
# The day that runs is read by its hours: it is one point like the others.
INTERVAL = f"if({DAYS}, toStartOfDay(hour), $__timeInterval(hour))"
ALL_TOGETHER: Mapping[str, str] = {}
BY_MODEL = {"series": "model"}
BY_VERSION = {
    "series": "concat(prompt_name, ' ', prompt_version)",
    "prompt": "prompt_name",
    "version": "prompt_version",
}
NAMED = "prompt_name != ''"
SEGMENT = "segments[${key:singlequote}]"
# A segment as the variable `segment` writes it.
BY_SEGMENT = {"series": SEGMENT, "segment": f"concat(${{key:singlequote}}, '=', {SEGMENT})"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One number: from rows, each by its `weight`, and from hours or days."""

    rows: str
    rolled: str

    def per(self, other: "Measure", times: int = 1) -> "Measure":
        """This one divided by another."""
        times_sql = f" * {times}" if times != 1 else ""
        return Measure(
            *(
                f"toFloat64({a}){times_sql} / nullIf(toFloat64({b}), 0)"
                for a, b in ((self.rows, other.rows), (self.rolled, other.rolled))
            )
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Rows, the rollup of the same, and what can be measured in them."""

    rows: str
    rolled: str
    measures: Mapping[str, Measure]


def _times(level: float, rows: str, state: str) -> Measure:
    # The rollup keeps times as a histogram of ln(1 + ms) * 1500.
    return Measure(
        f"toFloat64(quantileOrNull({level})(u.{rows}))",
        f"exp(quantileTimingMerge({level})(u.{state}) / 1500) - 1",
    )


def _sum(column: str) -> Measure:
    return Measure(f"sum(u.{column} * u.weight)", f"sum(u.{column})")


def _count(rows: str, rolled: str) -> Measure:
    return Measure(f"sumIf(u.weight, {rows})", f"sum(u.{rolled})")


# Of a provider that asks to come back later, by whatever name it says so.
LIMITED = "match(lower({}), 'rate.?limit|429|too.?many|overload|529|quota|throttl')"
_WRITTEN = "u.operation != 'embeddings'"
_CALLS = Measure("sum(u.weight)", "sum(u.calls)")
_COST = Measure("sum(toDecimal128(ifNull(u.cost, 0), 9) * u.weight)", "sum(u.cost)")
_ERRORS = _count("u.status = 'error'", "errors")
_IN, _OUT, _CACHED = _sum("input_tokens"), _sum("output_tokens"), _sum("cache_read_tokens")
_LIMITED = Measure(
    f"sumIf(u.weight, u.status = 'error' AND {LIMITED.format('u.error_type')})",
    "sum(arraySum(mapValues(mapFilter((kind, found) -> "
    f"{LIMITED.format('kind')}, u.error_types))))",
)
_KNOWN = Measure("sumIf(u.weight, u.context_use > 0)", "sum(u.context_calls)")
_CROWDED = Measure("sumIf(u.weight, u.context_use >= 0.8)", "sum(u.crowded_calls)")

CALLS = Source(
    "generations",
    "usage_rolled",
    {
        "calls": _CALLS,
        "usd": Measure(*(f"toFloat64({sql})" for sql in (_COST.rows, _COST.rolled))),
        "usd_per_1000": _COST.per(_CALLS, 1000),
        "usd_per_million": _COST.per(_sum("input_tokens + u.output_tokens"), 1_000_000),
        "unpriced": _count("u.price_state = 'unpriced'", "unpriced_calls"),
        "estimated": _count("u.usage_source = 'estimated'", "estimated_calls"),
        "tokens": Measure(
            "sum((u.input_tokens + u.output_tokens) * u.weight)",
            "sum(u.input_tokens + u.output_tokens)",
        ),
        "tokens_in": _IN,
        "tokens_out": _OUT,
        "in_per_call": _IN.per(_CALLS),
        "out_per_call": _OUT.per(_CALLS),
        "cached_share": _CACHED.per(_IN),
        "errors": _ERRORS,
        "error_share": _ERRORS.per(_CALLS),
        "blocked": _count("u.blocked", "blocked_calls"),
        "limited": _LIMITED,
        "limited_share": _LIMITED.per(_CALLS),
        "retries": _sum("retries"),
        "retries_per_100": _sum("retries").per(_CALLS, 100),
        "tokens_per_s": Measure(
            f"toFloat64(sumIf(u.output_tokens * u.weight, {_WRITTEN}))",
            f"toFloat64(sumIf(u.output_tokens, {_WRITTEN}))",
        ).per(
            Measure(
                f"sumIf(u.duration_ms * u.weight, {_WRITTEN}) / 1000",
                f"sumIf(u.duration_ms_sum, {_WRITTEN}) / 1000",
            )
        ),
        "p50_ms": _times(0.5, "duration_ms", "duration_state"),
        "p95_ms": _times(0.95, "duration_ms", "duration_state"),
        "p99_ms": _times(0.99, "duration_ms", "duration_state"),
        "first_p50_ms": _times(0.5, "ttft_ms", "ttft_state"),
        "first_p95_ms": _times(0.95, "ttft_ms", "ttft_state"),
        "context_mean": Measure("sum(u.context_use * u.weight)", "sum(u.context_use_sum)").per(
            _KNOWN
        ),
        "context_most": Measure("max(u.context_use)", "max(u.context_use_max)"),
        "crowded_share": _CROWDED.per(_KNOWN),
    },
)
_CHECKS = Measure("sum(u.weight)", "sum(u.checks)")
_TRIPPED, _FAILED = _count("u.tripped", "tripped"), _count("u.failed", "failed")
CHECKS = Source(
    "verdicts",
    "guards_rolled",
    {
        "checks": _CHECKS,
        "tripped": _TRIPPED,
        "tripped_share": _TRIPPED.per(_CHECKS),
        "failures": _FAILED,
        "failed_share": _FAILED.per(_CHECKS),
        "p50_ms": _times(0.5, "duration_ms", "duration_state"),
        "p95_ms": _times(0.95, "duration_ms", "duration_state"),
    },
)


def read_either(
    source: Source,
    names: Sequence[str],
    keys: tuple[str, str] = ("", ""),
    by: str = "",
    where: str = "",
) -> str:
    """The question to the rows and to the rollup; only one of them has an answer."""
    halves = []
    for which, table in enumerate((source.rows, source.rolled)):
        measures = [source.measures[name] for name in names]
        told = (one.rolled if which else one.rows for one in measures)
        listed = ", ".join(f"{sql} AS {name}" for sql, name in zip(told, names, strict=True))
        also = f"\n  AND {where}" if where else ""
        halves.append(
            f"SELECT {keys[which]}{listed}\nFROM watchpost.{table} AS u\n"
            f"WHERE {(MOMENTS, HOURS_OR_DAYS)[which]}{also}"
            # An empty half says nothing, instead of a sum of nothing.
            f"\n{f'GROUP BY {by}' if by else 'HAVING count() > 0'}"
        )
    return "\nUNION ALL\n".join(halves)


def read_total(source: Source, *names: str, where: str = "") -> str:
    """One row: the measures of everything chosen."""
    return read_either(source, names, where=where)


def read_over_time(
    source: Source, *names: str, by: Mapping[str, str] = ALL_TOGETHER, where: str = ""
) -> str:
    """Points over time; `by` are labels and their expressions, of which `series` is shown."""
    labels = "".join(f"{sql} AS {name}, " for name, sql in by.items())
    keys = (f"$__timeInterval(start) AS time, {labels}", f"{INTERVAL} AS time, {labels}")
    found = read_either(source, names, keys, ", ".join(("time", *by)), where)
    return f"SELECT * FROM (\n{found}\n) ORDER BY time"  # noqa: S608


def read_grouped(
    source: Source,
    by: Mapping[str, str],
    *names: str,
    order: str = "",
    where: str = "",
    most: int = 50,
) -> str:
    """A row for each value of the expressions in `by`, which are named by their keys."""
    key = "".join(f"{sql} AS {name}, " for name, sql in by.items())
    found = read_either(source, names, (key, key), ", ".join(by), where)
    ordered = f"{order or names[0]} DESC NULLS LAST"
    return f"SELECT * FROM (\n{found}\n) ORDER BY {ordered} LIMIT {most}"  # noqa: S608
