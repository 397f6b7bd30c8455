"""What is imported put before the guards: their rulings on both sides of a call, and masking.

Every text of a side goes in one request to the policy: messages, system instructions, what tools
were told and what they answered. It does not know which guards there are or how spans are made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from watchpost.errors import ConfigError
from watchpost.record import Part
from watchpost.screening.bulk import share_bulk_guard
from watchpost.screening.decision import Ruling, worst_action
from watchpost.screening.guard import Direction, Question
from watchpost.screening.policy import Policy
from watchpost.screening.screen import screen_all
from watchpost_collector.importing.row import Row

Capture = Literal["redacted", "full", "metadata"]
CAPTURES: tuple[Capture, ...] = ("redacted", "full", "metadata")
_MASKING = ("pii", "secrets")
_FIELDS = ("content", "arguments", "response")


def build_policy(guards: Sequence[str], capture: Capture) -> Policy:
    """The policy of an import: what finds places masks them, unless the full text is wanted."""
    if len(set(guards)) != len(guards):
        raise ConfigError("--guards", ",".join(guards), "name each guard once")
    masking = [name for name in guards if name in _MASKING and capture != "full"]
    policy = Policy(
        redact=[share_bulk_guard(name) for name in masking],
        flag=[share_bulk_guard(name) for name in guards if name not in masking],
    )
    # Loaded here, so that loading does not count against the first line's time.
    for rule in policy.rules:
        if (load := getattr(rule.guard, "warm", None)) is not None:
            load()
    return policy


def screen_row(row: Row, policy: Policy) -> tuple[Row, tuple[Ruling, ...]]:
    """The rulings on both sides of the row, and the row with the worst action noted."""
    request, result = row.generation.request, row.generation.result
    asked = [*request.system, *(part for message in request.messages for part in message["parts"])]
    said = [part for message in result.messages for part in message["parts"]]
    model = row.generation.model
    rulings = (
        *screen_texts([_text_of(part) for part in asked], "input", policy, model),
        *screen_texts([_text_of(part) for part in said], "output", policy, model),
    )
    if not rulings:
        return row, ()
    worst = worst_action(ruling.action for ruling in rulings)
    return replace(row, generation=replace(row.generation, guard_action=worst)), rulings


def screen_texts(
    texts: Sequence[str], direction: Direction, policy: Policy, model: str = ""
) -> tuple[Ruling, ...]:
    """The rulings on the texts of one side, taken together."""
    questions = [Question(text, direction, model or None) for text in texts if text]
    return screen_all(policy, questions).rulings


def _text_of(part: Part) -> str:
    value = next((part[name] for name in _FIELDS if part.get(name)), "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
