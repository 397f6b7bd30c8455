"""The price table in the store: rows added, lists kept with their text, dictionaries renewed.

It knows the tables of `0005_prices.sql`. It does not know where a price comes from, and touches no
call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.price import COLUMNS, Price

_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class KeptList:
    """A list as the store has it; `text` is empty for the one that comes with the package."""

    version: str
    text: str


def add_prices(store: Store, prices: Iterable[Price]) -> int:
    """Add rows and have the engine's dictionaries see them; the number of rows."""
    rows = [row for price in prices for row in price.rows()]
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        store.insert_rows("prices", COLUMNS, rows[first : first + _ROWS_AT_ONCE])
    if rows:
        renew_dictionaries(store)
    return len(rows)


def renew_dictionaries(store: Store) -> None:
    """Have calls priced by the rows as they are now."""
    # Rates first: a number that the other one gives must be known already.
    store.command("system reload dictionary watchpost.price_rates")
    store.command("system reload dictionary watchpost.price_numbers")


def keep_list(store: Store, source: str, kept: KeptList) -> None:
    """Make this the source's list in force."""
    store.insert_rows("price_lists", ["source", "version", "text"], [[source, *_fields(kept)]])


def find_list(store: Store, source: str) -> KeptList | None:
    """The list of a source that is in force."""
    rows = store.query(
        "select version, text from watchpost.price_lists final where source = {source:String} "
        "order by added_at desc limit 1",
        {"source": source},
    ).rows
    return KeptList(*rows[0]) if rows else None


def knows_list(store: Store, source: str, version: str) -> bool:
    """Whether this version was kept before."""
    rows = store.query(
        "select 1 from watchpost.price_lists "
        "where source = {source:String} and version = {version:String} limit 1",
        {"source": source, "version": version},
    )
    return len(rows) > 0


def _fields(kept: KeptList) -> tuple[str, str]:
    return kept.version, kept.text
