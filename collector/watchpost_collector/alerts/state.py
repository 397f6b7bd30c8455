"""What becomes of an alert from one evaluation to the next: pending, firing, resolved.

Pure: the states before, what was found, and the time go in, the states after and what is worth a
message come out. Whoever keeps the states keeps them whole, so that nothing is told twice after a
restart. This file knows no clock, no file and no way to tell anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from watchpost_collector.alerts.finding import Finding
from watchpost_collector.alerts.rule import Rule

Phase = Literal["pending", "firing"]
Key = tuple[str, tuple[str, ...], str, str]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert that is true: since when, whether long enough, and whether anybody was told.

    `seen` is when it was last found. Times are seconds since 1970.
    """

    phase: Phase
    since: int
    seen: int
    is_told: bool = False


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
class Message:
    """What one rule has to say at once: what began, and what is over."""

    rule: Rule
    firing: tuple[Finding, ...]
    resolved: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """The states after an evaluation, and the message it is worth, if any."""

    alarms: Mapping[Key, Alarm]
    message: Message | None


# How long a finding may be missing before its alert is over: one evaluation may fall between data.
PATIENCE_S = 2 * 3600


def name_key(rule: Rule, finding: Finding) -> Key:
    """What an alert is remembered by."""
    return (rule.name, *finding.key)


def advance(
    rule: Rule,
    before: Mapping[Key, Alarm],
    findings: Iterable[Finding],
    now: int,
    silences: Sequence[Silence] = (),
) -> Step:
    """The states of one rule after an evaluation that could be made.

    An evaluation that failed, or found no data, is no evaluation: then nothing begins or ends.
    """
    first: dict[Key, Finding] = {}
    for finding in findings:
        if finding.fires:
            first.setdefault(name_key(rule, finding), finding)
    after: dict[Key, Alarm] = {}
    told: list[Finding] = []
    for key, finding in first.items():
        alarm = before.get(key) or Alarm("pending", now, now)
        held = now - alarm.since >= rule.hold_s
        silent = any(silence.covers(rule, finding, now) for silence in silences)
        alarm = replace(alarm, seen=now, phase="firing" if held else alarm.phase)
        if alarm.phase == "firing" and not alarm.is_told and not silent:
            told.append(finding)
            alarm = replace(alarm, is_told=True)
        after[key] = alarm
    over: list[Key] = []
    for key, alarm in before.items():
        if key in first or key[0] != rule.name:
            continue
        if alarm.phase == "firing" and now - alarm.seen < PATIENCE_S:
            after[key] = alarm
        elif alarm.is_told:
            over.append(key)
    message = Message(rule, tuple(told), tuple(over)) if told or over else None
    return Step(after, message)
