"""The price book of a running store: which lists are in force, and what they say of models seen.

It lives as long as its store. A model is looked up once, when its first call is stored: by a
person's own rules, then by the public list's. Whoever changes a list does it here, one at a time.
It does not know HTTP or files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from watchpost_collector.store.client import Store
from watchpost_collector.store.prices.explanation import Explanation, explain
from watchpost_collector.store.prices.in_force import Unpriced, find_unpriced, list_in_force
from watchpost_collector.store.prices.own import OwnPrices, read_own_prices
from watchpost_collector.store.prices.price import OVERRIDE, Price
from watchpost_collector.store.prices.public_list import (
    SOURCE,
    PublicList,
    list_prices,
    packaged_list,
    read_list,
    read_standard,
    resolve_model,
)
from watchpost_collector.store.prices.repricing import Backfill, Scope, backfill, reprice
from watchpost_collector.store.prices.table import (
    KeptList,
    add_prices,
    find_list,
    keep_list,
    knows_list,
    renew_dictionaries,
)

Pair = tuple[str, str]
_READ_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a person's file: its version, its entries, and the models it prices so far."""

    version: str
    entries: int
    models: int
    priced_anew: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """What a new public list changes on its day: models as `provider/model`."""

    version: str
    known: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    priced_anew: int = 0


class PriceBook:
    """The lists in force over a migrated store; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._history = threading.Lock()
        self._public: PublicList | None = None
        self._own: OwnPrices | None = None
        self._own_read_again_at = 0.0
        # Looked up already, each once; what an own rule priced is known after a restart too.
        self._tried: set[Pair] = set()
        self._alarm = False

    @property
    def public(self) -> PublicList:
        """The public list in force: the newest that was loaded, else the packaged one."""
        with self._lock:
            if self._public is None:
                kept = find_list(self._store, SOURCE)
                day = date(1970, 1, 1)
                if kept is None or not kept.text:
                    self._public = packaged_list()
                else:
                    self._public = PublicList(kept.version, read_list(kept.text, day).snapshot)
            return self._public

    @property
    def own(self) -> OwnPrices | None:
        """A person's own prices in force."""
        with self._lock:
            if time.monotonic() < self._own_read_again_at:
                return self._own
            kept = find_list(self._store, OVERRIDE)
            # Another collector of the same store may load some.
            self._own_read_again_at = time.monotonic() + _READ_AGAIN_S
            if kept is not None and (self._own is None or self._own.version != kept.version):
                read = read_own_prices(kept.text)
                self._own = OwnPrices(kept.version, read.entries)
                rows = self._store.query(
                    "select distinct provider, model from watchpost.prices_in_force where own"
                )
                self._tried.update((str(provider), str(model)) for provider, model in rows)
            return self._own

    def load_packaged(self) -> int:
        """Put the installed public list into the store, once a version; the rows added."""
        with self._lock:
            packaged = packaged_list()
            if knows_list(self._store, SOURCE, packaged.version):
                return 0
            added = add_prices(self._store, list_prices(packaged))
            keep_list(self._store, SOURCE, KeptList(packaged.version, ""))
            self._public = packaged
            return added

    def load_own(self, text: str, name: str = "prices") -> Loaded:
        """Put a person's prices in force, in place of the ones before; ConfigError names the line.

        Stored calls that had no price get theirs now; others keep what they were priced by until
        they are filled back.
        """
        own = read_own_prices(text, name)
        with self._lock:
            self._own_read_again_at = 0.0
            if self.own is not None and self.own.version == own.version:
                return Loaded(own.version, len(own.entries), 0, 0, known=True)
            seen = self._list_seen()
            pairs = dict.fromkeys((*own.named(), *((p, m.lower()) for p, m in seen)))
            prices = [price for pair in pairs for price in own.resolve(*pair)]
            keep_list(self._store, OVERRIDE, KeptList(own.version, text))
            add_prices(self._store, prices)
            renew_dictionaries(self._store)  # also when every price was taken out
            self._own = own
            self._tried = {(p, m.lower()) for p, m in seen}
            models = {(price.provider, price.model) for price in prices}
            return Loaded(own.version, len(own.entries), len(models), self._price_late(models))

    def update(self, text: str, day: date) -> Updated:
        """Put a newer public list in force for what is stored from now on; says what it changes.

        Calls without a price get one where the new list has it. ConfigError: it is no such list.
        """
        fresh = read_list(text, day)
        with self._lock:
            before = self.public
            if before.version.partition(".")[2] == fresh.version.partition(".")[2]:
                return Updated(before.version, known=True)
            old, new = read_standard(before, day), read_standard(fresh, day)
            add_prices(self._store, list_prices(fresh))
            keep_list(self._store, SOURCE, KeptList(fresh.version, text))
            self._public = fresh
            exact = {(price.provider, price.model) for price in list_prices(fresh)}
            seen = {(p, m.lower()) for p, m in self._list_seen()}
            ruled = [price for pair in seen - exact for price in resolve_model(fresh, *pair)]
            add_prices(self._store, ruled)
            self._tried = set(seen)
            return Updated(
                fresh.version,
                added=_spell(new.keys() - old.keys()),
                removed=_spell(old.keys() - new.keys()),
                changed=_spell(pair for pair in new.keys() & old.keys() if new[pair] != old[pair]),
                priced_anew=self._price_late(seen),
            )

    def resolve(self, segment: str = "") -> int:
        """Look up the models a segment brought ('' for all) that were not seen before.

        Returns how many models got a price. One that stays unknown stays visibly unpriced.
        """
        with self._lock:
            own = self.own
            found: list[Price] = []
            for provider, model in self._list_new(segment, every=own is not None):
                pair = (provider, model.lower())
                if pair in self._tried:
                    continue
                self._tried.add(pair)
                prices = own.resolve(*pair) if own is not None else []
                prices = prices or self._resolve_public(pair)
                self._alarm = self._alarm or not prices
                found.extend(prices)
            add_prices(self._store, found)
            late = {(price.provider, price.model) for price in found}
            reprice(self._store, late)
            return len(late)

    def backfill(self, scope: Scope, *, dry_run: bool) -> Backfill:
        """Price history again by what is in force; see `repricing.backfill`."""
        # Not under the lock: new segments are priced meanwhile.
        with self._history:
            return backfill(self._store, scope, dry_run=dry_run)

    def explain(self, trace_id: str, span_id: str = "", project: str = "") -> list[Explanation]:
        """How the calls of a trace came to cost what they cost."""
        return explain(self._store, trace_id, span_id, project)

    def list_in_force(
        self, model: str = "", *, every: bool = False, project: str = ""
    ) -> list[dict[str, Any]]:
        """The price rows in force; see `in_force.list_in_force`."""
        return list_in_force(self._store, model, every=every, project=project)

    def find_unpriced(self) -> tuple[Unpriced, ...]:
        """The models of the last week's calls that nobody has a price for."""
        return find_unpriced(self._store)

    def take_alarm(self) -> bool:
        """Whether a model came since the last time that may have no price."""
        with self._lock:
            alarm, self._alarm = self._alarm, False
        return alarm

    def _resolve_public(self, pair: Pair) -> list[Price]:
        """What the public list's rules say of a model that has no row yet."""
        rows = self._store.query(
            "select 1 from watchpost.prices_in_force "
            "where provider = {provider:String} and model = {model:String} limit 1",
            {"provider": pair[0], "model": pair[1]},
        )
        return [] if rows.rows else resolve_model(self.public, *pair)

    def _list_new(self, segment: str, *, every: bool) -> list[Pair]:
        where = "spool_segment = {segment:String}" if segment else "{segment:String} = ''"
        # A name that the public list knows needs no look-up, unless a person's pattern may mean it.
        unpriced = "" if every else "and price_state = 'unpriced' "
        rows = self._store.query(
            "select distinct provider, model from watchpost.calls "  # noqa: S608
            f"where {where} and counted {unpriced} and model != ''",
            {"segment": segment},
        )
        return [(str(provider), str(model)) for provider, model in rows]

    def _list_seen(self) -> list[Pair]:
        return self._list_new("", every=True)

    def _price_late(self, models: Iterable[Pair]) -> int:
        """Price the calls of these models that had no price; how many of them have one now."""
        wanted = set(models)
        before = self._count_unpriced(wanted)
        if before:
            reprice(self._store, wanted, unpriced=True)
        return before - self._count_unpriced(wanted) if before else 0

    def _count_unpriced(self, models: set[Pair]) -> int:
        rows = self._store.query(
            "select toString(provider), lower(model), count() from watchpost.calls final "
            "where counted and price_state = 'unpriced' group by 1, 2"
        )
        return sum(int(calls) for provider, model, calls in rows if (provider, model) in models)


def _spell(pairs: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(sorted(f"{provider}/{model}" for provider, model in pairs))
