"""One stored call before the guards: its texts become questions, what they say becomes rulings.

Rulings and calls go between processes as JSON. A ruling holds no text, a call holds all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from watchpost import attributes as names
from watchpost.screening.decision import Ruling, decide, verdict_attributes
from watchpost.screening.guard import DIRECTIONS, Direction, Question, Verdict, fail
from watchpost.screening.policy import Policy, keep_rules
from watchpost.screening.screen import screen_all
from watchpost_collector.store.stored_texts import list_texts

Text = tuple[str, Direction]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """What was asked and answered in a call, each text with its stage, and the guards to ask.

    `system` are those of the asked texts that are its system prompt.
    """

    model: str
    asked: Sequence[Text]
    said: Sequence[Text]
    guards: Sequence[str]
    system: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """As it goes to the process that asks."""
        return asdict(self)


def read_call(told: Mapping[str, Any]) -> StoredCall:
    """A call as `to_json` wrote it."""
    asked, said = ([(text, stage) for text, stage in told[name]] for name in ("asked", "said"))
    return StoredCall(told["model"], asked, said, told["guards"], told["system"])


def open_call(model: str, messages: Mapping[str, Any], guards: Sequence[str]) -> StoredCall:
    """A call from its row of `messages`."""
    system = list(list_texts(messages["system_instructions"]))
    asked = [*system, *list_texts(messages["input_messages"])]
    said = list(list_texts(messages["output_messages"], "output"))
    return StoredCall(model, asked, said, guards, [text for text, _ in system])


def judge(policy: Policy, call: StoredCall) -> tuple[Ruling, ...]:
    """What the call's guards make of both its sides."""
    kept = keep_rules(policy, frozenset(call.guards))
    model = call.model or None
    said_last = (text for text, stage in reversed(call.asked) if stage == "input")
    prompt = next(said_last, None)
    asked = [
        Question(text, stage, model, within="input", is_system=text in call.system)
        for text, stage in call.asked
    ]
    system = "\n".join(call.system) or None
    known = Question("", "output", model, within="output", prompt=prompt, system=system)
    said = [replace(known, text=text, direction=stage) for text, stage in call.said]
    return (*screen_all(kept, asked).rulings, *screen_all(kept, said).rulings)


def fail_all(policy: Policy, guards: Collection[str], reason: str, label: str) -> list[Ruling]:
    """The rulings on a call that these guards were not asked about, or gave no answer on."""
    rules = [rule for rule in policy.rules if rule.guard.name in guards]
    verdicts = [fail(rule.guard, reason, 0.0, label) for rule in rules]
    found: list[Ruling] = []
    for rule, verdict in zip(rules, verdicts, strict=True):
        stage = next(way for way in DIRECTIONS if way in rule.directions)
        found += decide(policy, Question("", stage), [verdict]).rulings
    return found


def write_ruling(ruling: Ruling) -> dict[str, Any]:
    """A ruling as it comes back from the process that asked."""
    return dict(verdict_attributes(ruling))


def read_ruling(told: Mapping[str, Any]) -> Ruling:
    """A ruling as `write_ruling` wrote it."""
    verdict = Verdict(
        guard=told[names.VERDICT_GUARD],
        label=told[names.VERDICT_LABEL],
        probability=told[names.VERDICT_PROBABILITY],
        threshold=told[names.VERDICT_THRESHOLD],
        tripped=told[names.VERDICT_TRIPPED],
        failed=told[names.VERDICT_FAILED],
        duration_ms=told[names.VERDICT_DURATION_MS],
        revision=told[names.VERDICT_REVISION],
    )
    return Ruling(verdict, told[names.VERDICT_ACTION], told[names.VERDICT_DIRECTION])
