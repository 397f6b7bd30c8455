"""What is to be seen of alerts now, as values that can be written as JSON.

It reads a rule file and a book; it changes nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchpost_collector.alerting.ledger import Book
from watchpost_collector.alerting.notification import fingerprint, list_values
from watchpost_collector.alerts.finding import explain, name_series
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.rule_file import AlertFile
from watchpost_collector.alerts.state import Alarm, Silence, is_silent


def show_state(file: AlertFile, book: Book, now: int) -> dict[str, Any]:
    """Rules with their health and alerts, silences that have not ended, and what waits."""
    silences = {f"file:{nth}": one for nth, one in enumerate(file.silences, 1)} | dict(
        book.silences
    )
    current = {name: one for name, one in silences.items() if one.ends > now}
    return {
        "evaluated_at": book.evaluated_at,
        "rules": [_show_rule(rule, book, current, now) for rule in file.rules],
        "silences": [_show_silence(name, one, now) for name, one in current.items()],
        "deliveries": [
            {
                "contact": parcel.notification.contact,
                "channel": parcel.channel,
                "title": parcel.notification.title,
                "since": parcel.notification.at,
                "tries": parcel.tries,
                "reason": parcel.reason,
            }
            for parcel in book.parcels
        ],
    }


def count_alerts(file: AlertFile, book: Book, now: int) -> dict[str, int]:
    """How many alerts are pending, firing, and firing while nobody is told."""
    counted = {"pending": 0, "firing": 0, "silenced": 0}
    silences = {str(nth): one for nth, one in enumerate((*file.silences, *book.silences.values()))}
    for rule in file.rules:
        for alarm in book.alarms.get(rule.name, {}).values():
            counted[_name_state(rule, alarm, silences, now)] += 1
    return counted


def _show_rule(rule: Rule, book: Book, silences: Mapping[str, Silence], now: int) -> dict[str, Any]:
    health = book.health.get(rule.name)
    return {
        "name": rule.name,
        "kind": rule.kind,
        "notify": list(rule.notify),
        "condition": health.condition if health else "waiting",
        "since": health.since if health else 0,
        "reason": health.reason if health else "",
        "alerts": [
            _show_alarm(rule, alarm, silences, now)
            for alarm in book.alarms.get(rule.name, {}).values()
        ],
    }


def _show_alarm(
    rule: Rule, alarm: Alarm, silences: Mapping[str, Silence], now: int
) -> dict[str, Any]:
    first = alarm.findings[0]
    return {
        "fingerprint": fingerprint(rule.name, first.key),
        "state": _name_state(rule, alarm, silences, now),
        "since": alarm.since,
        "seen": alarm.seen,
        "series": dict(first.series),
        "subject": name_series(first),
        "why": "; ".join(explain(rule, finding) for finding in alarm.findings),
        "values": list_values(alarm.findings),
        "told": dict(alarm.told),
    }


def _name_state(rule: Rule, alarm: Alarm, silences: Mapping[str, Silence], now: int) -> str:
    if alarm.phase == "firing" and is_silent(silences.values(), rule, alarm, now):
        return "silenced"
    return alarm.phase


def _show_silence(name: str, silence: Silence, now: int) -> dict[str, Any]:
    return {
        "id": name,
        "rule": silence.rule,
        "where": dict(silence.series),
        "begins": silence.begins,
        "ends": silence.ends,
        "is_active": silence.begins <= now,
        "reason": silence.reason,
    }
