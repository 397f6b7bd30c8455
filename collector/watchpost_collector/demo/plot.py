"""The story the demo's traffic tells: how busy the shop is, and what goes wrong when.

Fourteen days with quiet nights and weekends, two new prompt versions, an outage of one model, and a
customer whose integration pastes whole threads. Pure: no call is made here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from watchpost_collector.demo.assistant import WRITER
from watchpost_collector.demo.tickets import Ticket, make_tickets

PASTING_CUSTOMER = "customer-901"
LIVE_VERSIONS = {"v1": 0.12, "v2": 0.44, "v3": 0.44}
TICKET_POOL = 160
_PASTED_TURNS = 80
_SHARE_PASTED = 0.10
_RELEASES = ((-8.0, "v1", "1.4.0"), (-1.5, "v2", "1.5.0"), (0.0, "v3", "1.6.0"))
_OUTAGE_DAYS = 3
_OUTAGE_HOURS = (13, 14)


@dataclass(frozen=True, slots=True)
class Moment:
    """One ticket arriving: when, what, and how the assistant is set up then."""

    at: datetime
    ticket: Ticket
    version: str
    release: str
    overloaded: frozenset[str] = frozenset()


def plan_history(now: datetime, days: int, tickets: int, seed: int = 3) -> Iterator[Moment]:
    """Tickets over the days before `now`, oldest first, about as many as asked for."""
    chance = random.Random(seed)  # noqa: S311 - invented traffic, no secret
    pool = make_tickets(TICKET_POOL, seed)
    first = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    hours = [first + timedelta(hours=n) for n in range(days * 24)]
    weights = [_busyness(hour) for hour in hours]
    per_weight = tickets / sum(weights)
    for hour, weight in zip(hours, weights, strict=True):
        count = _round_fairly(weight * per_weight * chance.uniform(0.85, 1.15), chance)
        for second in sorted(chance.uniform(0, 3600) for _ in range(count)):
            at = hour + timedelta(seconds=second)
            down = frozenset((WRITER,)) if _is_outage(at, now) else frozenset[str]()
            age_days = (at - now) / timedelta(days=1)
            yield Moment(at, chance.choice(pool), *_release_at(age_days, chance), down)


def plan_live(tickets: int, seed: int = 5) -> list[tuple[Ticket, str]]:
    """Tickets of the live run with the prompt version each meets; some come with whole threads."""
    chance = random.Random(seed)  # noqa: S311 - invented traffic, no secret
    versions = list(LIVE_VERSIONS)
    planned = []
    for ticket in make_tickets(tickets, seed + 1):
        version = chance.choices(versions, list(LIVE_VERSIONS.values()))[0]
        pasted = chance.random() < _SHARE_PASTED
        planned.append((paste_thread(ticket) if pasted else ticket, version))
    return planned


def paste_thread(ticket: Ticket) -> Ticket:
    """The ticket as the broken integration sends it: with the whole thread, again and again."""
    quoted = "\n".join(f"> {turn}: {ticket.body}" for turn in range(_PASTED_TURNS))
    return replace(
        ticket, customer=PASTING_CUSTOMER, plan="business", body=f"{ticket.body}\n\n{quoted}"
    )


def _busyness(hour: datetime) -> float:
    """How many tickets an hour sees, relatively: days over nights, weekdays over weekends."""
    daily = 0.18 + math.exp(-(((hour.astimezone(UTC).hour - 14) / 4.2) ** 2))
    return daily * (0.4 if hour.weekday() >= 5 else 1.0)


def _release_at(age_days: float, chance: random.Random) -> tuple[str, str]:
    """The reply prompt's version and the assistant's release at that age."""
    _, version, release = next(r for r in _RELEASES if age_days <= r[0])
    if version == "v3" and chance.random() < 0.5:
        version = "v2"  # Rolled out to half of the traffic, as one does.
    return version, release


def _is_outage(at: datetime, now: datetime) -> bool:
    day = (now - timedelta(days=_OUTAGE_DAYS)).date()
    return at.date() == day and at.hour in _OUTAGE_HOURS


def _round_fairly(value: float, chance: random.Random) -> int:
    return int(value) + (chance.random() < value % 1)
