"""How the demo's shop sets watchpost up: its name, its segments, and its policy.

The one place of the demo that calls `configure`. It knows no ticket and no model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import watchpost
from watchpost.screening.bulk import share_bulk_guard
from watchpost_collector.demo.assistant import RefusalGuard

SERVICE = "support-assistant"
ENVIRONMENT = "demo"
SEGMENTS = ("plan", "topic")


@cache
def make_policy() -> watchpost.Policy:
    """Personal data is masked, secrets stop the call, refusals are flagged."""
    policy = watchpost.Policy(
        redact=(share_bulk_guard("pii"),),
        block=("secrets",),
        flag=(RefusalGuard(),),
        directions={"pii": "input", "secrets": "input", "refusal": "output"},
    )
    # Loaded before the first ticket, so that no ticket waits for it.
    for rule in policy.rules:
        if (load := getattr(rule.guard, "warm", None)) is not None:
            load()
    return policy


def configure_shop(endpoint: str, release: str, clock: Callable[[], int] | None = None) -> None:
    """Starts recording as the shop's assistant of that release."""
    watchpost.configure(
        endpoint=endpoint,
        service=SERVICE,
        service_version=release,
        environment=ENVIRONMENT,
        policy=make_policy(),
        segments=SEGMENTS,
        clock=clock,
    )
