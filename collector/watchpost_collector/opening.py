"""The store as a server needs it: opened, its tables made, its rules and prices in force.

Whatever fails on the way, the store is closed again: the next try opens another. Its import loads
the engine. This file knows the order of things and leaves each to its room.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from watchpost_collector.access.projects import Projects
from watchpost_collector.settings import ServerSettings
from watchpost_collector.store.client import Store, open_store
from watchpost_collector.store.cluster import spread
from watchpost_collector.store.estimates import Estimates
from watchpost_collector.store.migrate import migrate
from watchpost_collector.store.prices.own import read_prices_file
from watchpost_collector.store.retention import Retention
from watchpost_collector.store.rollup import declare_segments
from watchpost_collector.store.sampling import Sampling
from watchpost_collector.store.upkeep import Upkeep


def open_upkeep(settings: ServerSettings, read_projects: Callable[[], Projects]) -> Upkeep:
    """The store of these settings, kept right from now on by what the projects are told to be.

    Raises ConfigError for what a person must change, StoreUnavailable and others for what may be
    over at the next try.
    """
    with ExitStack() as opened:
        store = open_store(settings.store)
        opened.callback(store.close)
        upkeep = _prepare(store, settings, read_projects)
        # Last, and only once: whatever failed above is tried again, with another.
        upkeep.start()
        opened.pop_all()
    return upkeep


def _prepare(
    store: Store, settings: ServerSettings, read_projects: Callable[[], Projects]
) -> Upkeep:
    migrate(store, cluster=settings.cluster)
    if settings.cluster:
        spread(store, settings.cluster)
    declare_segments(store, settings.segments)
    sampling = Sampling(lambda: read_projects().list_sampling())
    sampling.keep(store)
    upkeep = Upkeep(store)
    if settings.estimate_tokens:
        upkeep.estimates = Estimates(store)
    if (prices := settings.prices_file) is not None:
        upkeep.prices.load_own(read_prices_file(prices), str(prices))
    retention = Retention(lambda kind: read_projects().days_of(kind))
    upkeep.rules = (sampling.keep, retention.keep)
    return upkeep
