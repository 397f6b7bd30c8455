"""What a running collector shares with the rooms that read: settings, keys, counters, the store.

The engine takes seconds to load, so the store and its reader are promised before they are there.
This file knows no route.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchpost.errors import CollectorError
from watchpost.serving.keys import Keys
from watchpost_collector.access.projects import Projects
from watchpost_collector.counters import Counters
from watchpost_collector.intake.throttle import Throttle
from watchpost_collector.settings import ServerSettings
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.flush import Flusher
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import Spool
from watchpost_collector.watched_file import WatchedFile

if TYPE_CHECKING:
    from watchpost_collector.alerting.running import Alerting
    from watchpost_collector.erasure.application import ErasureApp
    from watchpost_collector.intake.redaction import Redaction
    from watchpost_collector.query.reader import Reader
    from watchpost_collector.screening.background import Screening
    from watchpost_collector.store.upkeep import Upkeep


@dataclass(slots=True)
class Context:
    """One running collector; `opened_store` is None until the engine is loaded.

    `spool` is that of spans, `spools` those of all signals by name. `query_port` is where questions
    are answered, for clients that know the main port only, and `page_url` where people look.
    """

    settings: ServerSettings
    keys: Keys
    spool: Spool
    digests: Digests
    counters: Counters
    flusher: Flusher
    set_aside: SetAside
    projects: WatchedFile[Projects]
    throttle: Throttle
    spools: Mapping[str, Spool]
    opened_store: Upkeep | None = None
    opened_reader: Reader | None = None
    erasing: ErasureApp | None = None
    redaction: Redaction | None = None
    screening: Screening | None = None
    alerting: Alerting | None = None
    query_port: int = 0
    page_url: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def store(self) -> Upkeep:
        """The store; CollectorError while it is not there."""
        if self.opened_store is None:
            raise CollectorError(self.explain_absence(), "try again in a moment")
        return self.opened_store

    @property
    def reader(self) -> Reader:
        """The bounded read-only door to the store; CollectorError while it is not there."""
        if self.opened_reader is None:
            raise CollectorError(self.explain_absence(), "try again in a moment")
        return self.opened_reader

    def explain_absence(self) -> str:
        """Why there is no store yet."""
        state = self.flusher.state
        return f"the store is away ({state.reason})" if state.reason else "the store is loading"
