"""Alert rules that are run, put together: the file, the ledger, the evaluator and the courier.

This file knows what belongs to whom and in which order it starts and ends.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchpost.errors import ConfigError
from watchpost_collector.alerting.courier import Courier
from watchpost_collector.alerting.evaluator import Evaluator
from watchpost_collector.alerting.ledger import Book, Ledger
from watchpost_collector.alerting.sending import Send, open_channels
from watchpost_collector.alerting.snapshot import count_alerts, show_state
from watchpost_collector.alerts.dimensions import CALLS, CHECKS, is_known
from watchpost_collector.alerts.evaluation import Ask
from watchpost_collector.alerts.rule_file import AlertFile, check_contacts, load_alerts
from watchpost_collector.alerts.state import Silence

if TYPE_CHECKING:
    from watchpost_collector.context import Context

# What was sent longer ago and is not stored: rules would judge what is missing.
_MOST_BEHIND_S = 300.0
_MOST_SILENCES = 200
_DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class AlertingState:
    """Counts since the start (`evaluations` by condition, `deliveries` by channel and fate), and
    what is now: alerts by state, deliveries that wait, when the last round was."""

    evaluations: Mapping[tuple[str, ...], int]
    deliveries: Mapping[tuple[str, ...], int]
    alerts: Mapping[str, int]
    failing: int
    waiting: int
    evaluated_at: int


class Alerting:
    """The rules of one file, run. Lives from `start` to `close`."""

    def __init__(
        self,
        file: AlertFile,
        sends: Mapping[tuple[str, str], Send],
        ask: Ask,
        directory: Path,
        *,
        page: str = "",
        hold_off: Callable[[], str] = lambda: "",
    ) -> None:
        self.file = file
        self._ledger = Ledger(directory)
        self._courier = Courier(self._ledger, sends)
        self._evaluator = Evaluator(
            file,
            ask,
            self._ledger,
            page=file.page or page,
            hold_off=hold_off,
            tell=self._courier.wake,
        )

    def start(self) -> None:
        """Deliver what an earlier run left, and begin to ask."""
        self._courier.start()
        self._evaluator.start()

    def close(self) -> None:
        """Stop; what was decided and not told is in the ledger."""
        self._evaluator.close()
        self._courier.close()

    @property
    def state(self) -> AlertingState:
        """Where it is."""
        book = self._ledger.read()
        deliveries = self._courier.tally.read()
        for (channel,), dropped in self._evaluator.dropped.read().items():
            deliveries[channel, _DROPPED] = deliveries.get((channel, _DROPPED), 0) + dropped
        names = {rule.name for rule in self.file.rules}
        return AlertingState(
            self._evaluator.tally.read(),
            deliveries,
            count_alerts(self.file, book, int(time.time())),
            sum(one.condition == "failing" for name, one in book.health.items() if name in names),
            len(book.parcels),
            book.evaluated_at,
        )

    def show(self) -> dict[str, Any]:
        """Every rule, alert, silence and delivery that waits, for people and programs."""
        return show_state(self.file, self._ledger.read(), int(time.time()))

    def silence(self, silence: Silence) -> str:
        """Tell nobody for a while; the silence's id.

        ConfigError for a rule or a name that is not there, and when there are too many; OSError
        when it cannot be written down.
        """
        for key, _ in silence.series:
            if not any(is_known(key, columns) for columns in (CALLS, CHECKS)):
                raise ConfigError("where", key, "use names that rules split `by`: service, model")
        if silence.rule and all(rule.name != silence.rule for rule in self.file.rules):
            known = ", ".join(rule.name for rule in self.file.rules)
            raise ConfigError("rule", silence.rule, f"the file has {known}")
        name = secrets.token_hex(4)

        def add(book: Book) -> Book:
            if len(book.silences) >= _MOST_SILENCES:
                raise ConfigError("silences", len(book.silences), "end some of them first")
            return replace(book, silences={**book.silences, name: silence})

        self._ledger.change(add)
        return name

    def end_silence(self, name: str) -> bool:
        """End a silence that was not written in the file; whether there was one of this id."""
        if name not in self._ledger.read().silences:
            return False
        self._ledger.change(
            lambda book: replace(
                book, silences={key: one for key, one in book.silences.items() if key != name}
            )
        )
        return True


def load_run(
    path: Path, environ: Mapping[str, str]
) -> tuple[AlertFile, dict[tuple[str, str], Send]]:
    """A rule file and the ways to its contacts.

    Raises ConfigError for what cannot be used in either, or is not in the environment.
    """
    file = load_alerts(path)
    check_contacts(file, path.name)
    return file, open_channels(file.contacts, file.mail, environ)


def open_alerting(context: Context) -> Alerting:
    """The alerting of a collector's settings, not started yet."""
    path = context.settings.alerts_file
    if path is None:
        raise RuntimeError("nothing is evaluated without a rule file")
    file, sends = load_run(path, os.environ)

    def ask(sql: str, bound: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        return context.reader.query(sql, bound).records()

    def hold_off() -> str:
        if (state := context.flusher.state).name != "ready":
            return f"the store is {state.name}"
        behind_s = max(spool.oldest_s for spool in context.spools.values())
        told = f"what was sent waits {behind_s:.0f} s to be stored"
        return told if behind_s > _MOST_BEHIND_S else ""

    return Alerting(
        file, sends, ask, context.settings.data, page=context.page_url, hold_off=hold_off
    )
