"""What is in force, to be shown: lists, prices of models, and the models nobody has a price for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.units import NAMES

MOST_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model with calls of the last days whose cost nobody knows."""

    provider: str
    model: str
    calls: int


def find_unpriced(store: Store, days: int = 7) -> tuple[Unpriced, ...]:
    """The models whose calls of the last days have usage and no cost, most calls first."""
    rows = store.query(
        "select toString(provider), toString(model), sum(unpriced_calls) as calls "
        "from watchpost.usage_hourly "
        "where hour >= now() - toIntervalDay({days:UInt32}) group by 1, 2 "
        "having calls > 0 order by calls desc, 1, 2 limit 1000",
        {"days": days},
    )
    return tuple(Unpriced(str(provider), str(model), int(calls)) for provider, model, calls in rows)


def list_in_force(
    store: Store, model: str = "", *, every: bool = False, project: str = ""
) -> list[dict[str, Any]]:
    """Price rows in force whose model holds the text `model`; of models with calls, or of `every`.

    Calls are those of one project, or of all where it is ''.

    Rates are in USD per million units, by the names of `UNITS`.
    """
    bound = {"model": model.lower(), "every": int(every), "project": project, "most": MOST_ROWS}
    return [_shorten(row) for row in store.query(_IN_FORCE, bound).as_dicts()]


def _shorten(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with those of its rates that are not nothing."""
    named = {key: value for key, value in row.items() if key not in NAMES}
    return {**named, "rates": {name: row[name] for name in NAMES if row[name]}}


_IN_FORCE = f"""
select provider, model, tier, valid_from, above, concat(source, ' ', version) as name, own, rule,
    {", ".join(NAMES)}
from watchpost.prices_in_force
where position(model, {{model:String}}) > 0 and ({{every:UInt8}} = 1
    or (provider, model) in (
        select distinct toString(provider), lower(model) from watchpost.calls
        where {{project:String}} = '' or project = {{project:String}}))
order by provider, model, own desc, tier, valid_from, above limit {{most:UInt32}}
"""  # noqa: S608
