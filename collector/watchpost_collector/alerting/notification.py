"""One message to one contact: numbers and links, never the content of a call.

It puts together what is to be told at once. It does not know by which channel, nor how a message
looks there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from watchpost_collector.alerts.finding import Finding, Key, explain, show_time
from watchpost_collector.alerts.health import Complaint
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.state import News

# More are one thing that went wrong; the others are counted.
MOST_ENTRIES = 20
_MOST_TRACED = 5
# What the page can be narrowed to, by the names that rules use.
_ON_PAGE = {
    "project": "project",
    "service": "service",
    "environment": "environment",
    "model": "model",
    "prompt.name": "prompt",
    "prompt.version": "version",
    "guard": "guard",
}
_DAY_S = 86_400

FindTraces = Callable[[Rule, Finding], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert in a message. `condition` is '' unless it is about the rule's own evaluations.

    `values` are numbers by name, `link` and `traces` addresses of the page. Times are seconds since
    1970, and `until` is 0 while it lasts.
    """

    fingerprint: str
    status: str
    rule: str
    kind: str
    said: str
    since: int
    until: int = 0
    condition: str = ""
    series: Mapping[str, str] | None = None
    values: Mapping[str, float] | None = None
    link: str = ""
    traces: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Which of the rule's series it is; '' where a rule does not split."""
        return ", ".join(f"{name}={value or '-'}" for name, value in (self.series or {}).items())


@dataclass(frozen=True, slots=True)
class Notification:
    """What one contact is told at once. `id` stays the same however often it is sent."""

    id: str
    contact: str
    at: int
    entries: tuple[Entry, ...]
    left_out: int = 0
    page: str = ""

    @property
    def status(self) -> str:
        """`firing` while anything in it is, else `resolved`."""
        return "firing" if any(one.status == "firing" for one in self.entries) else "resolved"

    @property
    def title(self) -> str:
        """A line that says what it is about."""
        rules = list(dict.fromkeys(one.rule for one in self.entries))
        [first, *others] = rules
        if others:
            return f"{first} and {len(others)} more"
        subjects = [one.subject for one in self.entries]
        if len(subjects) == 1 and not self.left_out:
            return f"{first}: {subjects[0]}" if subjects[0] else first
        return f"{first}: {len(subjects) + self.left_out} alerts"


def restore_notification(told: Mapping[str, Any]) -> Notification:
    """The notification out of its own `asdict`; KeyError or TypeError for anything else."""
    entries = tuple(Entry(**{**one, "traces": tuple(one["traces"])}) for one in told["entries"])
    return Notification(**{**told, "entries": entries})


def fingerprint(rule: str, key: Key | str) -> str:
    """What stays the same of an alert from its first message to its last."""
    return hashlib.sha256(json.dumps([rule, key]).encode()).hexdigest()[:16]


def compose(
    news: Iterable[News],
    complaints: Iterable[Complaint],
    now: int,
    page: str,
    find_traces: FindTraces,
) -> list[Notification]:
    """What is to be told at `now`, grouped as the contacts want it, with links below `page`.

    Complaints are one message a contact: what keeps one rule from being evaluated keeps many.
    """
    grouped: dict[tuple[str, str, str], list[News]] = {}
    for one in news:
        of_rule = one.rule.name if one.contact.group == "rule" else ""
        grouped.setdefault((one.contact.name, "rules", of_rule), []).append(one)
    made = []
    for (contact, *_), group in grouped.items():
        kept = sorted(group, key=lambda one: one.status)[:MOST_ENTRIES]
        entries = [
            _tell(one, now, page, find_traces if place < _MOST_TRACED else None)
            for place, one in enumerate(kept)
        ]
        made.append(_seal(contact, entries, len(group), now, page))
    grumbles: dict[str, list[Complaint]] = {}
    for complaint in complaints:
        grumbles.setdefault(complaint.contact.name, []).append(complaint)
    for contact, found in grumbles.items():
        entries = [_complain(one, now, page) for one in found[:MOST_ENTRIES]]
        made.append(_seal(contact, entries, len(found), now, page))
    return made


def _seal(contact: str, entries: list[Entry], of_all: int, now: int, page: str) -> Notification:
    named = [contact, now, [(one.fingerprint, one.status, one.since) for one in entries]]
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]
    return Notification(digest, contact, now, tuple(entries), of_all - len(entries), page)


def _tell(news: News, now: int, page: str, find_traces: FindTraces | None) -> Entry:
    rule, alarm = news.rule, news.alarm
    first = alarm.findings[0]
    is_firing = news.status == "firing"
    found = find_traces(rule, first) if is_firing and find_traces and page else ()
    said = "; ".join(explain(rule, finding) for finding in alarm.findings)
    return Entry(
        fingerprint=fingerprint(rule.name, first.key),
        status=news.status,
        rule=rule.name,
        kind=rule.kind,
        said=said if is_firing else f"over; last seen {show_time(alarm.seen)}: {said}",
        since=alarm.since,
        until=0 if is_firing else now,
        series=dict(first.series),
        values=list_values(alarm.findings),
        link=_link(page, rule, first, now),
        traces=tuple(f"{page}/trace/{trace}" for trace in found),
    )


def list_values(findings: Iterable[Finding]) -> dict[str, float]:
    """The numbers of an alert by name, each measure's value, baseline and bound, and its calls."""
    told: dict[str, float] = {}
    for finding in findings:
        for name in ("value", "baseline", "bound", "chance"):
            if (number := getattr(finding, name)) is not None:
                told[f"{finding.measure} {name}"] = number
        told["calls"] = finding.calls
    return told


def _complain(complaint: Complaint, now: int, page: str) -> Entry:
    rule, health = complaint.rule, complaint.health
    is_firing = complaint.status == "firing"
    since = show_time(health.since)
    if health.condition == "failing":
        said = f"cannot be evaluated since {since} ({health.reason}): it would tell of nothing"
    else:
        said = f"nothing to judge since {since}"
    return Entry(
        fingerprint=fingerprint(rule.name, health.condition),
        status=complaint.status,
        rule=rule.name,
        kind=rule.kind,
        said=said if is_firing else f"over: {said}",
        since=health.since,
        until=0 if is_firing else now,
        condition=health.condition,
        series={},
        values={},
        link=page,
    )


def _link(page: str, rule: Rule, finding: Finding, now: int) -> str:
    """The page narrowed to the alert's series, as far as it can be."""
    if not page:
        return ""
    named = {name: values[0] for name, values in rule.where if len(values) == 1}
    named |= finding.series
    asked = {_ON_PAGE[name]: value for name, value in named.items() if value and name in _ON_PAGE}
    age_s = now - finding.since
    if age_s > _DAY_S:
        asked["range"] = "7d" if age_s <= 7 * _DAY_S else "14d"
    return f"{page}/?{urlencode(asked)}" if asked else page
