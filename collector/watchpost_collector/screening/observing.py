"""A policy as the collector can follow it: it looks at a share of what arrived, and only says so.

What a policy would stop or mask has long been sent, so everything but `escalate` becomes `flag`.
Nobody waits, so no deadline holds but that of remote guards. It runs no guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost.screening.policy import Policy
from watchpost.screening.policy_file import load_policy

SETTING = "--policy"


@dataclass(frozen=True, slots=True)
class Observing:
    """A policy of `flag` and `escalate` alone, and the share of the traces each guard looks at."""

    policy: Policy
    shares: Mapping[str, float]

    @property
    def share(self) -> float:
        """The share of the traces that any guard looks at."""
        return max(self.shares.values(), default=0.0)


def load_observing(path: Path) -> Observing:
    """The file as the collector follows it; raises as `load_policy` does, and for no guard."""
    given = load_policy(path)
    if not given.rules:
        raise ConfigError(SETTING, str(path), "name a guard below `guards:`")
    escalated = [rule.guard for rule in given.rules if rule.action == "escalate"]
    policy = Policy(
        escalate=escalated,
        flag=[rule.guard for rule in given.rules if rule.action != "escalate"],
        directions=given.directions,
        on_failure=given.on_failure,
        thresholds=given.thresholds,
    )
    return Observing(policy, {rule.guard.name: rule.share for rule in given.rules})
