"""Stored calls priced again: those of a model, or a stretch of history with its dollars told.

What is computed is what the pricing view says: its own SQL is read from the engine and run over the
calls in question. Corrections are later versions of the same calls; an hour that is closed opens by
the write and is counted anew. It does not know where prices come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from watchpost_collector.store.client import Store

# What goes as a parameter goes, over HTTP, in the address.
_PAIRS_AT_ONCE = 200
_LAST_DAY = date(2261, 1, 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls: started since `since` and before `until`, of one model if it is named."""

    since: datetime | None = None
    until: datetime | None = None
    model: str = ""
    project: str = ""

    def bound(self) -> Mapping[str, Any]:
        """The values of `_IN_SCOPE`."""
        first = self.since or datetime(1970, 1, 1, tzinfo=UTC)
        last = self.until or datetime(_LAST_DAY.year, 1, 1, tzinfo=UTC)
        return {
            "since": _spell(first),
            "until": _spell(last),
            "model": self.model.lower(),
            "project": self.project,
        }


@dataclass(frozen=True, slots=True)
class Shift:
    """What repricing changes for one model: calls, and their dollars before and after.

    As in every total, a call that stands for others sampled away counts as so many.
    """

    provider: str
    model: str
    calls: int
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a backfill looked at and changed (or would change, when it was a trial)."""

    looked_at: int = 0
    shifts: tuple[Shift, ...] = field(default=())

    @property
    def changed(self) -> int:
        """The calls with another price."""
        return sum(shift.calls for shift in self.shifts)

    @property
    def before(self) -> Decimal:
        """Dollars of the changed calls, before; a call without a price counts as nothing here."""
        return sum((shift.before for shift in self.shifts), Decimal(0))

    @property
    def after(self) -> Decimal:
        """Dollars of the changed calls, after."""
        return sum((shift.after for shift in self.shifts), Decimal(0))


def reprice(store: Store, models: Iterable[tuple[str, str]], *, unpriced: bool = False) -> None:
    """Price the stored calls of these (provider, model) pairs again, at today's rows.

    With `unpriced` only those that have no price. A call comes by `to_price` once more under a
    later version; its other values do not change.
    """
    pairs = [(provider, model.lower()) for provider, model in models]
    for first in range(0, len(pairs), _PAIRS_AT_ONCE):
        store.command(
            "insert into watchpost.to_price "
            "select * replace (toUInt64(toUnixTimestamp64Nano(now64(9))) as version) "
            "from watchpost.calls final where counted "
            "and (toString(provider), lower(model)) in {pairs:Array(Tuple(String, String))} "
            "and ({unpriced:UInt8} = 0 or price_state = 'unpriced')",
            {"pairs": pairs[first : first + _PAIRS_AT_ONCE], "unpriced": int(unpriced)},
        )


def backfill(store: Store, scope: Scope, *, dry_run: bool) -> Backfill:
    """Price history again and say what that changes; with `dry_run` nothing is written.

    A day at a time, so that neither memory nor a failure half way grows with the history. A call
    that comes out the same is left alone: a second run changes nothing.
    """
    priced = _read_pricing(store)
    looked_at = 0
    shifts: dict[tuple[str, str], Shift] = {}
    for day, calls in _list_days(store, scope):
        looked_at += calls
        bound = {**scope.bound(), "day": day.isoformat()}
        for row in store.query(_TELL.format(priced=priced), bound):
            found = Shift(*row)
            known = shifts.get((found.provider, found.model))
            shifts[found.provider, found.model] = _add(known, found) if known else found
        if not dry_run:
            store.command(_WRITE.format(columns=_list_columns(store), priced=priced), bound)
    ordered = sorted(shifts.values(), key=lambda shift: (-shift.calls, shift.provider, shift.model))
    return Backfill(looked_at, tuple(ordered))


def _add(one: Shift, other: Shift) -> Shift:
    return Shift(
        *(one.provider, one.model, one.calls + other.calls),
        *(one.before + other.before, one.after + other.after),
    )


def _list_days(store: Store, scope: Scope) -> list[tuple[date, int]]:
    rows = store.query(
        "select toDate(start) as day, sum(weight) from watchpost.calls final "  # noqa: S608
        f"where counted and {_IN_SCOPE} group by day order by day",
        scope.bound(),
    )
    return [(row[0], int(row[1])) for row in rows]


def _read_pricing(store: Store) -> str:
    """The pricing view's SELECT, over the calls in scope in place of those that arrive."""
    [(select,)] = store.query(
        "select as_select from system.tables "
        "where database = 'watchpost' and name = 'to_price_to_calls'"
    )
    head, mark, tail = str(select).rpartition("watchpost.to_price")
    if not mark:
        raise AssertionError("the pricing view does not read from to_price")
    return f"({head}{_SOURCE}{tail})"


def _list_columns(store: Store) -> str:
    rows = store.query(
        "select name from system.columns "
        "where database = 'watchpost' and table = 'calls' and name != 'version' order by position"
    )
    return ", ".join(str(row[0]) for row in rows)


def _spell(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def next_day(day: date) -> datetime:
    """Midnight, UTC, after a day: the end of a stretch that includes it."""
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=UTC)


_IN_SCOPE = """start >= {since:DateTime64(6, 'UTC')} and start < {until:DateTime64(6, 'UTC')}
    and ({model:String} = '' or lower(model) = {model:String})
    and ({project:String} = '' or project = {project:String})"""
_SOURCE = f"""(
    select *, cost as cost_before, price_state as state_before, price_source as source_before
    from watchpost.calls final
    where counted and toDate(start) = {{day:Date}} and {_IN_SCOPE}
)"""  # noqa: S608
_CHANGED = """cost is distinct from cost_before
    or price_state != state_before or price_source != source_before"""
_TELL = f"""
select toString(provider), toString(model), sum(weight) as calls,
    sum(toDecimal128(ifNull(cost_before, 0), 9) * weight),
    sum(toDecimal128(ifNull(cost, 0), 9) * weight)
from {{priced}} where {_CHANGED} group by provider, model
"""  # noqa: S608
_WRITE = f"""
insert into watchpost.calls ({{columns}}, version)
select {{columns}}, toUInt64(toUnixTimestamp64Nano(now64(9))) from {{priced}} where {_CHANGED}
"""  # noqa: S608
