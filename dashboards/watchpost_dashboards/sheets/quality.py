"""Quality and safety: what guards and people say of texts, and whether the guards are well."""

from collections.abc import Mapping
from dataclasses import replace

from watchpost_dashboards.panel import Column, Panel, Sheet, Variable
from watchpost_dashboards.reading import (
    CHECKS,
    CHOSEN,
    HOURS_OR_DAYS,
    INTERVAL,
    MOMENTS,
    SEGMENT,
    Measure,
    Source,
    read_grouped,
    read_over_time,
    read_total,
)
from watchpost_dashboards.variables import CALLS as VARIABLES
from watchpost_dashboards.variables import KEY

_OF_GUARD = "$__conditionalAll(guard IN (${guard:singlequote}), $guard)"
# What each guard finds, its heading, and what to do when it finds much of it.
_KINDS = {
    "grounded": (
        "Not grounded",
        "Share of answers that say what their documents do not (guard `grounded`). If high, look at"
        " what was retrieved: the answer is rarely worse than its sources.",
    ),
    "refusal": (
        "Refused",
        "Share of answers that turn the user away (guard `refusal`). If it jumped, compare prompt"
        " versions: the newest one usually forbids too much.",
    ),
    "unsafe": (
        "Unsafe",
        "Share of texts the guard `unsafe` trips on. If it rises, see which segment it comes from,"
        " and block instead of flag where it must not pass.",
    ),
    "injection": (
        "Injection",
        "Share of texts that try to give the model other orders (guard `injection`). If it rises,"
        " open the traces: one user means an attack, one document means poisoned sources.",
    ),
    "pii": (
        "Personal data",
        "Share of texts with personal data in them (guard `pii`). If it rises, an upstream form may"
        " send more than it should; see that the action is redact and not flag.",
    ),
}


def _share(guard: str) -> Measure:
    def of(tripped: str, checks: str) -> str:
        return f"toFloat64({tripped}) / nullIf(toFloat64({checks}), 0)"

    return Measure(
        of(
            f"sumIf(u.weight, u.tripped AND guard = '{guard}')",
            f"sumIf(u.weight, guard = '{guard}')",
        ),
        of(f"sumIf(u.tripped, guard = '{guard}')", f"sumIf(u.checks, guard = '{guard}')"),
    )


_BY_KIND = Source(
    CHECKS.rows,
    CHECKS.rolled,
    {**CHECKS.measures, **{f"{guard}_share": _share(guard) for guard in _KINDS}},
)
_COLUMNS = {
    "model": Column(title="Model"),
    "prompt_name": Column(title="Prompt"),
    "prompt_version": Column(title="Version", width=80),
    "segment": Column(title="Segment"),
    "guard": Column(title="Guard"),
    "direction": Column(title="Text", width=80),
    "checks": Column("short", "Checks", 85),
    "tripped_share": Column("percentunit", "Tripped", 85, 2),
    "failed_share": Column("percentunit", "Failed", 80, 2),
    "p50_ms": Column("ms", "p50", 80),
    "p95_ms": Column("ms", "p95", 80),
    **{
        f"{guard}_share": Column("percentunit", title, 8 * len(title) + 30, 2)
        for guard, (title, _) in _KINDS.items()
    },
}
_LABELS = f"""SELECT * FROM (
SELECT $__timeInterval(start) AS time, concat(guard, ' ', label) AS series, guard,
  sum(weight) AS found
FROM watchpost.verdicts
WHERE {MOMENTS} AND tripped AND label != '' AND {_OF_GUARD}
GROUP BY time, series, guard
UNION ALL
SELECT {INTERVAL} AS time, concat(guard, ' ', kind) AS series, guard, sum(times) AS found
FROM watchpost.guards_rolled
ARRAY JOIN mapKeys(labels) AS kind, mapValues(labels) AS times
WHERE {HOURS_OR_DAYS} AND {_OF_GUARD}
GROUP BY time, series, guard
) ORDER BY time"""  # noqa: S608
_SCORES = f"""SELECT at AS time, name AS series, avg(value) AS mean FROM (
  SELECT {INTERVAL.replace("hour", "time")} AS at, name, value
  FROM watchpost.scores
  WHERE $__timeFilter(time) AND value IS NOT NULL{CHOSEN}
)
GROUP BY at, name
ORDER BY at"""  # noqa: S608


def _split(title: str, told: str, by: Mapping[str, str], narrows: Mapping[str, str]) -> Panel:
    names = ("checks", *(f"{guard}_share" for guard in _KINDS))
    return Panel(
        title,
        told,
        "table",
        read_grouped(_BY_KIND, by, *names),
        columns=_COLUMNS,
        narrows={**narrows, "status": "=tripped"},
    )


_STATS = (
    *(
        Panel(
            title,
            told,
            "stat",
            read_total(CHECKS, "tripped_share", where=f"guard = '{guard}'"),
            "percentunit",
            decimals=1,
            narrows={"guard": f"={guard}", "status": "=tripped"},
        )
        for guard, (title, told) in _KINDS.items()
    ),
    Panel(
        "Checks failed",
        "Share of checks that ended without a verdict. A guard that does not answer protects"
        " nobody: look at its failures and latency below, and at the guard service.",
        "stat",
        read_total(CHECKS, "failed_share"),
        "percentunit",
        decimals=2,
        limits=(0.001, 0.01),
    ),
)
_OTHERS = (
    Panel(
        "Tripped share by guard",
        "If one line rises after a release, open its traces and the prompt versions; if it rises by"
        " itself, your users or your documents changed.",
        "series",
        read_over_time(
            CHECKS, "tripped_share", by={"series": "guard", "guard": "guard"}, where=_OF_GUARD
        ),
        "percentunit",
        narrows={"guard": "guard", "status": "=tripped"},
    ),
    Panel(
        "Tripped share by user segment",
        "Of the guards chosen above, by the segment key chosen above. One segment above the others:"
        " look there first, for an abuser or a badly served language.",
        "series",
        read_over_time(
            CHECKS,
            "tripped_share",
            by={"series": SEGMENT, "segment": f"concat(${{key:singlequote}}, '=', {SEGMENT})"},
            where=_OF_GUARD,
        ),
        "percentunit",
        narrows={"segment": "segment", "status": "=tripped"},
    ),
    _split(
        "By user segment",
        "Rates of every kind, by the segment key chosen above. A row far above the others is where"
        " to begin: click it for its traces.",
        {"segment": f"concat(${{key:singlequote}}, '=', {SEGMENT})"},
        {"segment": "segment"},
    ),
    _split(
        "By model",
        "If a model refuses or invents more than another on the same prompts, route those prompts"
        " to the better one.",
        {"model": "model"},
        {"model": "model"},
    ),
    _split(
        "By prompt version",
        "If a newer version trips more than the one before, compare both on the dashboard of prompt"
        " versions, which has the intervals, and roll back.",
        {"prompt_name": "prompt_name", "prompt_version": "prompt_version"},
        {"version": "prompt_version", "prompt": "prompt_name"},
    ),
    Panel(
        "Guards",
        "How often each trips and fails, and what it takes. A high p95 is time your users wait:"
        " give the guard a deadline, a smaller model, or the background.",
        "table",
        read_grouped(
            CHECKS,
            {"guard": "guard", "direction": "direction"},
            *("checks", "tripped_share", "failed_share", "p50_ms", "p95_ms"),
            where=_OF_GUARD,
        ),
        columns=_COLUMNS,
        narrows={"guard": "guard", "status": "=tripped"},
    ),
    Panel(
        "Guard latency, 95th percentile",
        "What a check takes. If it climbs with traffic, the guard service is full: give it more"
        " replicas or let it share batches.",
        "series",
        read_over_time(CHECKS, "p95_ms", by={"series": "guard"}, where=_OF_GUARD),
        "ms",
        narrows={"guard": "series"},
    ),
    Panel(
        "Guard failures",
        "Checks without a verdict. Any bar means texts passed or were stopped unseen, as the policy"
        " says: mend the guard, then look what passed.",
        "bars",
        read_over_time(CHECKS, "failures", by={"series": "guard"}, where=_OF_GUARD),
        narrows={"guard": "series"},
    ),
    Panel(
        "What was found",
        "Labels of tripped verdicts. A label that was never there before is worth a trace: is it a"
        " new kind of input, or a false alarm to calibrate away?",
        "bars",
        _LABELS,
        narrows={"guard": "guard", "status": "=tripped"},
    ),
    Panel(
        "Scores",
        "Mean of what people and judges gave, by name (thumbs as 0 and 1). If it falls, see the"
        " prompt versions for which one; empty means that nobody scored.",
        "series",
        _SCORES,
    ),
)

SHEET = Sheet(
    "quality",
    "quality and safety",
    "What guards and people say of texts, by segment, and whether the guards are well.",
    (*(replace(panel, width=4, height=4) for panel in _STATS), *_OTHERS),
    (
        *VARIABLES,
        KEY,
        Variable(
            "guard", "SELECT DISTINCT guard FROM watchpost.guards_daily ORDER BY 1 LIMIT 1000"
        ),
    ),
    since="now-7d",
)
