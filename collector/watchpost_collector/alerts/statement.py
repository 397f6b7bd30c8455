"""What a rule compiles to, and the parts that the statements of all kinds share.

A statement takes its evaluation times as a parameter, `at`, and unrolls them to a column: asked
with one time it says what is, with a week of hours what would have been. Its rows, whatever the
kind:

    at        the evaluation time, seconds since 1970
    series    the values of the rule's `by`
    subject   what it is about within the series (a version, a value), or ''
    against   what that was compared with, or ''
    measure   what was measured
    value     as it is; baseline: as it was expected; bound: what must be passed
    calls     how many calls (checks, scores) the value rests on
    chance    how likely a value so far off would be if nothing had changed; null where not computed
    fires     whether the rule is true at that time
    evidence  further figures by name
    since     the first second the value was taken from

Times are whole hours, since 1970 as well: `e` is the end of what is looked at, and an hour that is
still running belongs to it. This file knows the rollups' clock; it does not know a kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

HOUR_S = 3600
# Series of one rule, those with the most calls; a rule that splits finer is no rule for a person.
MOST_SERIES = 500

COLUMNS = (
    *("at", "series", "subject", "against", "measure", "value", "baseline", "bound", "calls"),
    *("chance", "fires", "evidence", "since"),
)

_PIECES = {
    "moments": "select arrayJoin({at:Array(UInt32)}) as at, intDiv(at + 3599, 3600) as e",
    "hour": "intDiv(toUnixTimestamp(hour), 3600)",
    "within": "hour >= toDateTime({since:UInt32}, 'UTC') "
    "and hour < toDateTime({until:UInt32}, 'UTC')",
    "most_series": str(MOST_SERIES),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL with the values bound to it; it reads `reach_h` hours before an evaluation time."""

    sql: str
    bound: Mapping[str, object]
    reach_h: int

    def bind(self, times: Sequence[int]) -> dict[str, object]:
        """All parameters for these evaluation times, seconds since 1970 in any order."""
        since = (min(times) // HOUR_S - self.reach_h) * HOUR_S
        return {**self.bound, "at": list(times), "since": max(since, 0), "until": max(times)}


def fill(kind: str, /, **pieces: str) -> str:
    """The text of this room's `kind`.sql, its `$name`s replaced by pieces of SQL.

    Pieces are this room's own; whatever a person wrote is bound.
    """
    text = files(__package__).joinpath(f"{kind}.sql").read_text(encoding="utf-8")
    return Template(text).substitute(_PIECES, **pieces)


def write_holm(inner: str, chance: str = "chance") -> str:
    """The rows of `inner` with `{chance}` corrected for how many were asked at the same time.

    Holm (1979): holds whatever depends on what. A null is a question that was not asked.
    """
    return f"""
    select * replace (
        if(isNull({chance}), null, max(least(1, {chance} * (of_all - nth + 1))) over (
            partition by at order by nth rows between unbounded preceding and current row
        )) as {chance})
    from (
        select *, count({chance}) over (partition by at) as of_all,
            row_number() over (partition by at order by {chance} asc nulls last) as nth
        from ({inner})
    )"""  # noqa: S608  only constants of this room are joined
