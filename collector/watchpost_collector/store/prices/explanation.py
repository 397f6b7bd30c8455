"""How a stored call came to cost what it costs: the sum, line by line, from its price row.

Quantities come from the call by the very SQL that priced it, rates from the row whose name the call
carries. Rows of prices never change, so the sum is that of the day; where it is not what is stored
(nobody but a bug can do that) it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.units import (
    DIVISOR,
    HALF_DIGIT,
    NAMES,
    OTHERS,
    TOKENS,
    UNITS,
    Unit,
)

MOST_CALLS = 500
_DIGIT = Decimal("0.000000001")
_MILLION = Decimal(DIVISOR)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sum: so many of a thing, each `per` of them at `rate`, in USD."""

    told: str
    quantity: Decimal
    rate: Decimal
    per: str
    dollars: Decimal


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The row that applied: its list and tier, the day and context it begins at, and why."""

    name: str
    tier: str
    valid_from: date
    above: int
    rule: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One call and its sum. `total` is what the lines add up to, `cost` what is stored."""

    trace_id: str
    span_id: str
    start: str
    provider: str
    model: str
    tier: str
    usage_source: str
    state: str
    cost: Decimal | None
    cost_reported: Decimal | None
    row: PriceRow | None
    lines: tuple[Line, ...]
    total: Decimal | None
    why: str

    @property
    def agrees(self) -> bool:
        """Whether the sum is what is stored."""
        return self.total == self.cost


def explain(store: Store, trace_id: str, span_id: str = "", project: str = "") -> list[Explanation]:
    """The calls of a trace (or its one span), first one first; `project` '' means any."""
    calls = store.query(
        _CALLS, {"trace": trace_id.lower(), "span": span_id.lower(), "project": project}
    )
    return [_explain_call(store, call) for call in calls.as_dicts()]


def _explain_call(store: Store, call: Mapping[str, Any]) -> Explanation:
    found = _find_row(store, call) if call["price_source"] else None
    lines: tuple[Line, ...] = ()
    total: Decimal | None = None
    why = ""
    if found is None:
        named = f"{call['provider'] or 'no provider'}/{call['model'] or 'no model'}"
        why = f"nobody knows a price of {named}"
    elif call["usage_source"] == "none" and (_asks_for_tokens(found) or call["blocked"]):
        why = "nobody knows its tokens, and the price asks for them"
    else:
        lines = tuple(_lines(call, found))
        total = _sum(call, found)
        if not total and not _asks_for_tokens(found) and any(found[u.name] for u in OTHERS):
            total, why = None, "nobody told how much there was of what the price asks for"
    row = None if found is None else PriceRow(**{key: found[key] for key in _ROW})
    return Explanation(
        trace_id=call["trace_id"],
        span_id=call["span_id"],
        start=call["began"],
        provider=call["provider"],
        model=call["model"],
        tier=call["service_tier"],
        usage_source=call["usage_source"],
        state=call["price_state"],
        cost=call["cost"],
        cost_reported=call["cost_reported"],
        row=row,
        lines=lines,
        total=total,
        why=why,
    )


def _find_row(store: Store, call: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The price row that applied: the call's tier if it has one, its day, its size of context."""
    rows = store.query(
        _PRICES,
        {
            "name": call["price_source"],
            "provider": call["provider"],
            "model": str(call["model"]).lower(),
            "tier": str(call["service_tier"]).lower(),
            "day": call["day"].isoformat(),
            "tokens": call["input_tokens"],
        },
    ).as_dicts()
    return rows[0] if rows else None


def _asks_for_tokens(row: Mapping[str, Any]) -> bool:
    return any(row[unit.name] for unit in TOKENS)


def _lines(call: Mapping[str, Any], row: Mapping[str, Any]) -> list[Line]:
    """A line for everything there was of and that costs something; tokens also for nothing."""
    tokens = {unit.name for unit in TOKENS}
    free = {unit.name for unit in OTHERS if row[unit.name]} and not _asks_for_tokens(row)
    found = []
    for unit in UNITS:
        count, rate = Decimal(call[_quantity(unit)]), row[unit.name]
        if not count or (not rate and (free or unit.name not in tokens)):
            continue
        a_million = unit.name in tokens
        found.append(
            Line(
                told=unit.told,
                quantity=count / unit.scale,
                rate=rate if a_million else rate * unit.scale / _MILLION,
                per="a million" if a_million else "each",
                dollars=count * rate / _MILLION,
            )
        )
    return found


def _sum(call: Mapping[str, Any], row: Mapping[str, Any]) -> Decimal:
    """The sum as the pricing view makes it, to the last digit."""
    micros = sum((Decimal(call[_quantity(unit)]) * row[unit.name] for unit in UNITS), Decimal(0))
    dollars = (micros + Decimal(HALF_DIGIT)) / _MILLION
    return dollars.quantize(_DIGIT, rounding=ROUND_DOWN)


def _quantity(unit: Unit) -> str:
    return f"quantity_{unit.name}"


def _name_quantities(units: Sequence[Unit]) -> str:
    return ", ".join(f"{unit.quantity} as {_quantity(unit)}" for unit in units)


_ROW = ("name", "tier", "valid_from", "above", "rule")
_CALLS = f"""
select
    trace_id, span_id, formatDateTime(start, '%Y-%m-%d %H:%i:%S') as began, toDate(start) as day,
    provider, model, service_tier, usage_source, blocked, input_tokens, price_state, price_source,
    cost, cost_reported, {_name_quantities(UNITS)}
from watchpost.generations
where trace_id = {{trace:String}} and ({{span:String}} = '' or span_id = {{span:String}})
    and ({{project:String}} = '' or project = {{project:String}})
order by start, span_id limit {MOST_CALLS}
"""  # noqa: S608
_PRICES = f"""
select concat(source, ' ', version) as name, tier, valid_from, above, rule, {", ".join(NAMES)}
from watchpost.prices final
where name = {{name:String}} and provider = {{provider:String}} and model = {{model:String}}
    and tier in ('', {{tier:String}}) and valid_from <= {{day:Date}}
    and (above = 0 or above < {{tokens:UInt64}})
order by tier != '' desc, valid_from desc, above desc limit 1
"""  # noqa: S608
