"""What becomes of an alert from one evaluation to the next: pending, firing, resolved.

Pure: the states before, what was found, and the time go in, the states after and what contacts are
to be told come out. Whoever keeps the states keeps them whole, and keeps what is to be told with
them, so that nothing is told twice after a restart, or never. This file knows no clock, no file and
no way to tell anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from watchpost_collector.alerts.contact import Contact
from watchpost_collector.alerts.finding import Finding, Key, group_findings
from watchpost_collector.alerts.rule import Rule

Phase = Literal["pending", "firing"]
Status = Literal["firing", "resolved"]

# How long a finding may be missing before its alert is over: one evaluation may fall between data.
PATIENCE_S = 2 * 3600
# Of one rule at a time: more are one thing that went wrong.
MOST_ALARMS = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert that is true: since when, whether long enough, and which contacts were told when.

    `seen` is when it was last found and `findings` what was found then, one a measure. Times are
    seconds since 1970.
    """

    phase: Phase
    since: int
    seen: int
    findings: tuple[Finding, ...]
    told: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch in which nobody is told of a rule's alerts, of those with all of these values."""

    rule: str
    begins: int
    ends: int
    series: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    def covers(self, rule: Rule, finding: Finding, now: int) -> bool:
        """Whether the finding is silent now."""
        of_rule = self.rule in ("", rule.name) and self.begins <= now < self.ends
        return of_rule and all(finding.series.get(name) == value for name, value in self.series)


@dataclass(frozen=True, slots=True)
class News:
    """What one contact is to be told of one alert."""

    contact: Contact
    rule: Rule
    status: Status
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Step:
    """The states after an evaluation, and what is to be told of it."""

    alarms: Mapping[Key, Alarm]
    news: tuple[News, ...]


def is_silent(silences: Iterable[Silence], rule: Rule, alarm: Alarm, now: int) -> bool:
    """Whether nobody is told of an alert now."""
    return any(silence.covers(rule, alarm.findings[0], now) for silence in silences)


def advance(
    rule: Rule,
    before: Mapping[Key, Alarm],
    findings: Iterable[Finding],
    now: int,
    contacts: Sequence[Contact] = (),
    silences: Sequence[Silence] = (),
) -> Step:
    """The states of one rule after an evaluation that could be made, told to `contacts`.

    An evaluation that failed is no evaluation: then nothing begins or ends.
    """
    after: dict[Key, Alarm] = {}
    news: list[News] = []
    for key, found in _bound(group_findings(findings), before).items():
        alarm = before.get(key) or Alarm("pending", now, now, found)
        held = now - alarm.since >= rule.hold_s
        alarm = replace(alarm, seen=now, findings=found, phase="firing" if held else alarm.phase)
        if alarm.phase == "firing" and not is_silent(silences, rule, alarm, now):
            due = [contact for contact in contacts if _is_due(contact, alarm, now)]
            alarm = replace(alarm, told={**alarm.told, **{one.name: now for one in due}})
            news += [News(contact, rule, "firing", alarm) for contact in due]
        after[key] = alarm
    for key, alarm in before.items():
        if key in after:
            continue
        if alarm.phase == "firing" and now - alarm.seen < PATIENCE_S:
            after[key] = alarm
            continue
        told = [contact for contact in contacts if contact.name in alarm.told and contact.resolved]
        news += [News(contact, rule, "resolved", alarm) for contact in told]
    return Step(after, tuple(news))


def _bound(
    found: Mapping[Key, tuple[Finding, ...]], before: Mapping[Key, Alarm]
) -> Mapping[Key, tuple[Finding, ...]]:
    """At most MOST_ALARMS of what was found, those known before first."""
    if len(found) <= MOST_ALARMS:
        return found
    kept = sorted(found, key=lambda key: key not in before)[:MOST_ALARMS]
    return {key: found[key] for key in kept}


def _is_due(contact: Contact, alarm: Alarm, now: int) -> bool:
    told = alarm.told.get(contact.name)
    return told is None or 0 < contact.repeat_s <= now - told
