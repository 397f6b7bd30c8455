"""The story the demo's traffic tells: how busy the shop is, and what goes wrong when.

Fourteen days with quiet nights and weekends, two new prompt versions, an outage of one model, and,
for the last two hours, a customer's integration that pastes whole threads. The shop's clock is set
so that the demo runs in its busiest hour, whenever that is: what is unusual then does not depend on
the time of day. Pure: no call is made here.
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
TICKET_POOL = 160
# The integration's own pace, which knows no night, and for how long it has been at it.
PASTED_AN_HOUR = 26
PASTING_H = 2
_PASTED_TURNS = 160
_RELEASES = ((-8.0, "v1", "1.4.0"), (-1.5, "v2", "1.5.0"), (0.0, "v3", "1.6.0"))
_OUTAGE_DAYS = 3
_OUTAGE_HOURS = (13, 14)
_BUSIEST_HOUR = 14
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One ticket arriving: when, what, and how the assistant is set up then."""

    at: datetime
    ticket: Ticket
    version: str
    release: str
    overloaded: frozenset[str] = frozenset()


def plan_traffic(now: datetime, days: int, tickets: int, seed: int = 3) -> Iterator[Moment]:
    """Tickets over the days before `now`, oldest first: about as many, and the pasted ones."""
    chance = random.Random(seed)  # noqa: S311 - invented traffic, no secret
    pool = make_tickets(TICKET_POOL, seed)
    first = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    hours = [first + n * _HOUR for n in range(days * 24 + 1)]
    # Of the hour that is running there is only what is over.
    weights = [
        _busyness(_read_shop_clock(hour, now)) * min((now - hour) / _HOUR, 1) for hour in hours
    ]
    per_weight = tickets / sum(weights)
    for hour, weight in zip(hours, weights, strict=True):
        end = min(hour + _HOUR, now)
        count = _round_fairly(weight * per_weight * chance.uniform(0.85, 1.15), chance)
        arriving = [(at, chance.choice(pool)) for at in _spread(count, hour, end, chance)]
        begin = max(hour, now - PASTING_H * _HOUR)
        count = _round_fairly(max((end - begin) / _HOUR, 0) * PASTED_AN_HOUR, chance)
        for at in _spread(count, begin, end, chance):
            arriving.append((at, paste_thread(chance.choice(pool))))
        for at, ticket in sorted(arriving, key=lambda one: one[0]):
            down = frozenset((WRITER,)) if _is_outage(at, now) else frozenset[str]()
            age_days = (at - now) / timedelta(days=1)
            yield Moment(at, ticket, *_release_at(age_days, chance), down)


def paste_thread(ticket: Ticket) -> Ticket:
    """The ticket as the broken integration sends it: the whole thread pasted into its text."""
    quoted = "\n".join(f"> {turn}: {ticket.body}" for turn in range(_PASTED_TURNS))
    body = f"{ticket.body}\n\n{quoted}"
    return replace(ticket, customer=PASTING_CUSTOMER, plan="business", body=body, thread=())


def _spread(count: int, begin: datetime, end: datetime, chance: random.Random) -> list[datetime]:
    return [begin + (end - begin) * chance.random() for _ in range(count)]


def _read_shop_clock(at: datetime, now: datetime) -> datetime:
    """What the shop's clock showed at `at`, when it shows its busiest hour at `now`."""
    return at.astimezone(UTC) + timedelta(hours=_BUSIEST_HOUR - now.astimezone(UTC).hour)


def _busyness(hour: datetime) -> float:
    """How many tickets an hour sees, relatively: days over nights, weekdays over weekends."""
    daily = 0.18 + math.exp(-(((hour.hour - _BUSIEST_HOUR) / 4.2) ** 2))
    return daily * (0.4 if hour.weekday() >= 5 else 1.0)


def _release_at(age_days: float, chance: random.Random) -> tuple[str, str]:
    """The reply prompt's version and the assistant's release at that age."""
    _, version, release = next(r for r in _RELEASES if age_days <= r[0])
    if version == "v3" and chance.random() < 0.5:
        version = "v2"  # Rolled out to half of the traffic, as one does.
    return version, release


def _is_outage(at: datetime, now: datetime) -> bool:
    shown, today = _read_shop_clock(at, now), _read_shop_clock(now, now)
    day = (today - timedelta(days=_OUTAGE_DAYS)).date()
    return shown.date() == day and shown.hour in _OUTAGE_HOURS


def _round_fairly(value: float, chance: random.Random) -> int:
    return int(value) + (chance.random() < value % 1)
