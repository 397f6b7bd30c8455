"""The evaluator: every rule asked when it is due, and what follows from the answers written down.

A round asks all rules that are due, then writes their states and the messages that follow from them
at once. When that cannot be written, nothing was decided, and the next round decides it. This file
does not know who answers, nor how anybody is told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from watchpost_collector.alerting.courier import MOST_PARCELS
from watchpost_collector.alerting.ledger import Book, Ledger, Parcel
from watchpost_collector.alerting.notification import Notification, compose
from watchpost_collector.alerting.tally import Tally
from watchpost_collector.alerts.contact import Contact
from watchpost_collector.alerts.evaluation import Ask, ask_examples, evaluate_rule
from watchpost_collector.alerts.finding import Finding
from watchpost_collector.alerts.health import Complaint, Condition, Health, examine
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import AlertFile
from watchpost_collector.alerts.state import News, advance
from watchpost_collector.fault import reach
from watchpost_collector.trouble import describe, summarize

log = logging.getLogger(__name__)

# What changes over days is looked at once an hour.
_SLOW = ("regression", "drift")
_SLOW_EVERY_S = 3600
_RETRY_S = 30.0
CONDITIONS: tuple[Condition, ...] = ("ok", "no_data", "failing")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What asking one rule came to."""

    rule: Rule
    condition: Condition
    reason: str = ""
    findings: Sequence[Finding] = ()


class Evaluator:
    """Asks the rules of a file. Lives from `start` to `close`.

    `hold_off` says why the store's answers are not to be believed now, or ''. `tell` is called when
    there is something to deliver. `page` is what links begin with, '' for none.
    """

    def __init__(
        self,
        file: AlertFile,
        ask: Ask,
        ledger: Ledger,
        *,
        page: str = "",
        hold_off: Callable[[], str] = lambda: "",
        tell: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.file = file
        self._ask, self._ledger, self._page = ask, ledger, page
        self._hold_off, self._tell, self._clock = hold_off, tell, clock
        self._contacts = {contact.name: contact for contact in file.contacts}
        self._due = dict.fromkeys((rule.name for rule in file.rules), 0.0)
        self.tally = Tally(*((condition,) for condition in CONDITIONS))
        self.dropped = Tally()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchpost-alerts", daemon=True)

    def start(self) -> None:
        """Begin with a round."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the rule that is being asked; what was not written down is asked again."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def work(self) -> None:
        """One round over what is due now. OSError when its outcome cannot be written down."""
        now = int(self._clock())
        due = [rule for rule in self.file.rules if self._is_due(rule, now)]
        reason = self._hold_off()
        answers = []
        for rule in due:
            if self._stopping.is_set():
                return
            answers.append(self._judge(rule, reason, now))
        if not answers:
            return
        book, news, complaints = self._decide(answers, now)
        found = compose(news, complaints, now, self._page, self._find_traces)
        parcels = [*book.parcels, *self._pack(found)]
        for parcel in parcels[MOST_PARCELS:]:
            log.error("%s is not told by %s: too much waits to be told", *parcel.lane)
            self.dropped.add(parcel.channel)
        added = parcels[len(book.parcels) : MOST_PARCELS]
        self._ledger.change(
            lambda known: replace(
                known,
                alarms=book.alarms,
                health=book.health,
                silences={name: one for name, one in known.silences.items() if one.ends > now},
                parcels=(*known.parcels, *added),
                evaluated_at=now,
            )
        )
        reach("alert_decided")
        for answer in answers:
            self.tally.add(answer.condition)
            self._due[answer.rule.name] = now + self._choose_pause(answer)
        if added:
            self._tell()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.work()
            except Exception as error:
                log.warning("alerts were not evaluated, and will be: %s", describe(error))
                self._stopping.wait(_RETRY_S)
                continue
            wait_s = min(self._due.values()) - self._clock()
            self._stopping.wait(min(max(wait_s, 1.0), self.file.every_s))

    def _is_due(self, rule: Rule, now: int) -> bool:
        """Whether its time has come, or was set by a clock that has been put back since."""
        return not 0 < self._due[rule.name] - now <= max(self.file.every_s, _SLOW_EVERY_S)

    def _judge(self, rule: Rule, reason: str, now: int) -> _Answer:
        if reason:
            return _Answer(rule, "failing", reason)
        try:
            findings = evaluate_rule(rule, self._ask, now)
        except Exception as error:
            # Whatever it is, the other rules are asked, and this one again.
            return _Answer(rule, "failing", summarize(error))
        return _Answer(rule, "ok" if findings else "no_data", findings=findings)

    def _decide(
        self, answers: Iterable[_Answer], now: int
    ) -> tuple[Book, list[News], list[Complaint]]:
        """The book after these answers, but for what is no rule's, and what is to be told."""
        known = self._ledger.read()
        names = {rule.name for rule in self.file.rules}
        alarms = {name: found for name, found in known.alarms.items() if name in names}
        health: dict[str, Health] = {
            name: found for name, found in known.health.items() if name in names
        }
        silences = (*self.file.silences, *known.silences.values())
        news: list[News] = []
        complaints: list[Complaint] = []
        for answer in answers:
            rule = answer.rule
            contacts = self._list_contacts(rule)
            before = health.get(rule.name)
            told = (rule, before, answer.condition, answer.reason, now, contacts)
            health[rule.name], grumbles = examine(*told)
            complaints += grumbles
            if answer.condition == "failing":
                continue
            before_alarms = alarms.get(rule.name, {})
            step = advance(rule, before_alarms, answer.findings, now, contacts, silences)
            alarms[rule.name] = step.alarms
            news += step.news
        return replace(known, alarms=alarms, health=health), news, complaints

    def _list_contacts(self, rule: Rule) -> list[Contact]:
        return [self._contacts[name] for name in rule.notify if name in self._contacts]

    def _pack(self, notifications: Iterable[Notification]) -> list[Parcel]:
        return [
            Parcel(notification, channel)
            for notification in notifications
            for channel in self._contacts[notification.contact].channels
        ]

    def _find_traces(self, rule: Rule, finding: Finding) -> tuple[str, ...]:
        try:
            return ask_examples(rule, finding, self._ask)
        except Exception as error:
            # The alert is told without them.
            log.warning("no examples for an alert: %s", describe(error))
            return ()

    def _choose_pause(self, answer: _Answer) -> int:
        every_s = self.file.every_s
        is_slow = answer.rule.kind in _SLOW and answer.condition == "ok"
        return max(every_s, _SLOW_EVERY_S) if is_slow else every_s
