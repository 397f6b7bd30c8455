"""Whether a rule can be evaluated at all, and when somebody is to be told that it cannot.

A rule that fails says nothing, and silence looks like peace: after a while its contacts are told,
and told again when it works. Of a rule without anything to judge they are told where it says so.
Pure, as `state` is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from watchpost_collector.alerts.contact import Contact
from watchpost_collector.alerts.rule import Rule
from watchpost_collector.alerts.state import Status

Condition = Literal["ok", "no_data", "failing"]

# A store that restarts is away for less.
FAILING_S = 900


@dataclass(frozen=True, slots=True)
class Health:
    """How a rule's evaluations go: since when, why not well, and which contacts were told when."""

    condition: Condition
    since: int
    reason: str = ""
    told: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What one contact is to be told of a rule's evaluations: the health that began, or is over."""

    contact: Contact
    rule: Rule
    status: Status
    health: Health


def examine(
    rule: Rule,
    before: Health | None,
    condition: Condition,
    reason: str,
    now: int,
    contacts: Sequence[Contact] = (),
) -> tuple[Health, tuple[Complaint, ...]]:
    """A rule's health after an evaluation, and what is to be told of it."""
    if before is None:
        before = Health(condition, now, reason)
    complaints: list[Complaint] = []
    health = replace(before, reason=reason)
    if condition != before.condition:
        over = [contact for contact in contacts if contact.name in before.told and contact.resolved]
        complaints = [Complaint(contact, rule, "resolved", before) for contact in over]
        health = Health(condition, now, reason)
    bound_s = {"ok": 0, "no_data": rule.no_data_s, "failing": FAILING_S}[condition]
    if not bound_s or now - health.since < bound_s:
        return health, tuple(complaints)
    due = [contact for contact in contacts if contact.name not in health.told]
    health = replace(health, told={**health.told, **{one.name: now for one in due}})
    begun = [Complaint(contact, rule, "firing", health) for contact in due]
    return health, (*complaints, *begun)
