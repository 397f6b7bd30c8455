"""Prompt versions: every measure of quality, cost and latency side by side, and when each came."""

from watchpost_dashboards.intervals import OF_CALLS, OF_CHECKS, compare
from watchpost_dashboards.panel import Column, Panel, Rollout, Sheet
from watchpost_dashboards.reading import BY_VERSION, CALLS, CHECKS, CHOSEN, NAMED, read_over_time
from watchpost_dashboards.variables import CALLS as VARIABLES

_PROMPT = "$__conditionalAll({} IN (${{prompt:singlequote}}), $prompt)"
_PROJECT = "$__conditionalAll(project IN (${project:singlequote}), $project)"
# A version that nobody called for three months before is new again.
_FIRST_CALLS = f"""SELECT time, text, tags FROM (
  SELECT min(hour) AS time, concat(prompt_name, ' ', prompt_version) AS text, 'first calls' AS tags
  FROM watchpost.usage_rolled
  WHERE by_hour AND prompt_version != '' AND hour <= $__toTime
    AND hour >= $__fromTime - INTERVAL 90 DAY{CHOSEN}
  GROUP BY prompt_name, prompt_version
)
WHERE time >= $__fromTime
ORDER BY time"""  # noqa: S608
_LABELS = f"""SELECT toDateTime(moved) AS time,
  concat(name, ': ', label, ' is version ', toString(version)) AS text, 'label moved' AS tags
FROM watchpost.prompt_labels
WHERE moved >= $__fromTime AND moved <= $__toTime AND {_PROJECT}
  AND {_PROMPT.format("name")}
ORDER BY time"""  # noqa: S608
# A score weighs as much as any other: its interval is that of a mean of single values.
_SCORES = f"""SELECT prompt_name, prompt_version, name, count() AS given, avg(s.value) AS mean,
  if(given < 3, NULL, (1.96 + 2.372 / (given - 1) + 2.822 / pow(given - 1, 2))
    * stddevSamp(s.value) / sqrt(given)) AS mean_pm
FROM watchpost.scores AS s
WHERE $__timeFilter(time) AND prompt_name != '' AND s.value IS NOT NULL{CHOSEN}
GROUP BY prompt_name, prompt_version, name
ORDER BY name, prompt_name, length(prompt_version) DESC, prompt_version DESC
LIMIT 100"""  # noqa: S608
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
_NAMES = {
    "prompt_name": Column(title="Prompt", width=130),
    "prompt_version": Column(title="Version", width=80),
    "since": Column("dateTimeAsIso", "Since", 160),
    "calls": Column("short", "Calls", 75),
}
_NARROWS = {"version": "prompt_version", "prompt": "prompt_name"}


def _paired(unit: str, decimals: int, **titles: str) -> dict[str, Column]:
    """Columns of values, each with the column of its interval."""
    return {
        key: column
        for name, title in titles.items()
        for key, column in (
            (name, Column(unit, title, 8 * len(title) + 30, decimals)),
            (f"{name}_pm", Column(unit, _PLUS_MINUS, 75, decimals)),
        )
    }


_TABLES = (
    Panel(
        "Cost, tokens, latency and errors",
        "Each version beside its predecessors, newest first, with 95 % intervals over hours (days"
        " in ranges over two weeks). Two versions whose value and interval do not overlap differ:"
        " if the newer one is worse, move the label back or roll out less of it. Times are"
        " geometric means. No interval: fewer than three hours.",
        "table",
        compare("usage_rolled", OF_CALLS, "calls"),
        width=24,
        height=9,
        narrows=_NARROWS,
        columns={
            **_NAMES,
            **_paired("currencyUSD", 2, usd="1000 calls"),
            **_paired("short", 0, tokens_in="Tokens in", tokens_out="Tokens out"),
            **_paired("ms", 0, typical_ms="Latency", first_ms="First token"),
            **_paired("percentunit", 1, errors="Failed", blocked="Blocked"),
        },
    ),
    Panel(
        "What guards say",
        "Share of checks that tripped, by version and guard, with 95 % intervals. If a version"
        " refuses, or is unsafe or not grounded, more often than the one before, and the intervals"
        " do not overlap, roll it back and read the traces it tripped on.",
        "table",
        compare("guards_rolled", OF_CHECKS, "checks", ("guard",)),
        height=9,
        width=14,
        narrows={"version": "prompt_version", "prompt": "prompt_name", "guard": "guard"},
        columns={
            **_NAMES,
            "guard": Column(title="Guard"),
            "checks": Column("short", "Checks", 80),
            **_paired("percentunit", 2, tripped="Tripped", failed="Failed"),
        },
    ),
    Panel(
        "What people and judges say",
        "Mean of the scores given, with its 95 % interval. If a newer version is rated lower and"
        " the intervals do not overlap, people see it too: open its traces, or roll back. Empty:"
        " nobody scored in this time.",
        "table",
        _SCORES,
        height=9,
        width=10,
        narrows=_NARROWS,
        columns={
            **_NAMES,
            "name": Column(title="Score"),
            "given": Column("short", "Given", 75),
            **_paired("short", 3, mean="Mean"),
        },
    ),
)


def _follow(title: str, told: str, measure: str, unit: str) -> Panel:
    return Panel(
        title,
        told,
        "series",
        read_over_time(CALLS, measure, by=BY_VERSION, where=NAMED),
        unit,
        narrows={"prompt": "prompt", "version": "version"},
    )


_OVER_TIME = (
    _follow(
        "1000 calls",
        "Cost of a thousand calls by version; rollouts are marked. If a new line lies above the old"
        " one, the version is dearer: compare its tokens in and out.",
        "usd_per_1000",
        "currencyUSD",
    ),
    _follow(
        "Tokens out",
        "Length of answers by version. If a rollout makes answers longer without need, say in the"
        " prompt how long they may be.",
        "out_per_call",
        "short",
    ),
    _follow(
        "95th percentile",
        "Latency by version. If the new version is slower, its answers are longer or its input is"
        " no longer cached.",
        "p95_ms",
        "ms",
    ),
    _follow(
        "Failed share",
        "Errors by version. If they begin at a rollout, roll back first and look at the traces"
        " after.",
        "error_share",
        "percentunit",
    ),
    Panel(
        "Refused share",
        "Share of answers that the guard `refusal` calls a refusal, by version. A jump at a"
        " rollout: the new prompt forbids too much; read a few of its traces.",
        "series",
        read_over_time(
            CHECKS, "tripped_share", by=BY_VERSION, where=f"{NAMED} AND guard = 'refusal'"
        ),
        "percentunit",
        narrows={"prompt": "prompt", "version": "version", "guard": "=refusal"},
    ),
    Panel(
        "Calls by version",
        "Who answers how many. After a rollout the old line must fall as far as planned: if it does"
        " not, some service still holds the old version.",
        "bars",
        read_over_time(CALLS, "calls", by=BY_VERSION, where=NAMED),
        narrows={"prompt": "prompt", "version": "version"},
    ),
)

SHEET = Sheet(
    "prompts",
    "prompt versions",
    "Quality, cost and latency of prompt versions side by side, with intervals and rollouts.",
    (*_TABLES, *_OVER_TIME),
    VARIABLES,
    (
        Rollout("First calls of a version", _FIRST_CALLS, "purple"),
        Rollout("Labels moved", _LABELS, "blue"),
    ),
    since="now-14d",
)
