"""Calls landed in the store and what they came to cost: shared by the tests of prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.price import EPOCH, Band, Price, fill_rates

# make_call's usage: 100 tokens in, 10 out, at noon of 2026-09-21.
DAY = date(2026, 9, 21)


def land_call(store: Store, **attributes: Any) -> str:
    """Insert one call in a project of its own, named like its segment; the name."""
    project = name_segment("price")
    store.insert_segment(pack_segment(project, [make_call(**attributes)], project), project)
    return project


def price_of(store: Store, project: str) -> tuple[Decimal | None, str, str]:
    """Cost, state and source of the project's one call."""
    (row,) = store.query(
        "select cost, price_state, price_source from watchpost.generations "
        "where project = {p:String}",
        {"p": project},
    )
    return row[0], row[1], row[2]


def make_price(
    model: str, dollars: str, *, source: str = "a list", day: date = EPOCH, provider: str = "openai"
) -> Price:
    """A price of so many dollars per million tokens, in and out alike."""
    rates = fill_rates({"input": Decimal(dollars), "output": Decimal(dollars)})
    return Price(source, "1", provider, model, day, {"": (Band(0, rates),)}, "by name")
