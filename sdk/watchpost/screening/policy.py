"""A policy: which guards run, in which direction, and what a tripped one leads to.

A policy is a value, checked when it is made so that a misspelt guard is found at start-up and not
in production. It knows guards by name (the `watchpost.guards` entry points) or by object. It does
not run them (screening) and does not decide what their verdicts mean (decision).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

from watchpost.errors import ConfigError
from watchpost.screening.factory import find_guard as find_guard
from watchpost.screening.factory import share_guard
from watchpost.screening.guard import DIRECTIONS, Direction, Guard, Question, Verdict

Action = Literal["allow", "flag", "escalate", "redact", "fallback", "block"]
OnFailure = Literal["open", "closed"]
Answer = str | Callable[[Question, Verdict], str]
"""What answers instead: a text, or a function of the question and the verdict that tripped."""

REMOTE_DEADLINE_S = 5.0
"""How long a remote guard may take where the policy says nothing: nobody waits for ever."""

ACTIONS: Final[tuple[Action, ...]] = ("block", "fallback", "redact", "escalate", "flag")
"""What a policy may want of a guard that trips, the most severe first."""
WITHHOLDING: Final[frozenset[Action]] = frozenset(("redact", "fallback", "block"))
"""Actions under which something must not be shown, nor leave the process."""
ON_FAILURE: Final[tuple[OnFailure, ...]] = ("open", "closed")
CARRIED: Final[Mapping[Direction, frozenset[Direction]]] = MappingProxyType(
    {
        "input": frozenset(("input", "document", "tool_result")),
        # A provider's own tools are run while it answers.
        "output": frozenset(("output", "tool_argument", "tool_result")),
    }
)
"""What a request and an answer hold; each is looked at by the rules for the whole as well."""
_BOTH: Final[frozenset[Direction]] = frozenset(("input", "output"))
_SETTINGS = ("directions", "on_failure", "thresholds", "deadlines", "answers", "shares")


@dataclass(frozen=True, slots=True)
class Rule:
    """One guard and what the policy wants of it.

    `threshold` is None where the guard's own stands, `deadline_s` where it may take its time.
    `answer` is there under "fallback" alone, `share` is that of the traces a collector looks at.
    Where `covers` is said, "input" and "output" are all of a request and an answer.
    """

    guard: Guard
    action: Action
    directions: frozenset[Direction]
    on_failure: OnFailure
    threshold: float | None
    deadline_s: float | None = None
    answer: Answer | None = None
    share: float = 1.0
    covers: bool = True

    def looks_at(self, stage: Direction, within: Direction | None = None) -> bool:
        """Whether it looks at such a text, by itself or `within` a request or an answer."""
        return stage in self.directions or (self.covers and within in self.directions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """Guards and what to do when they trip.

    `block`, `fallback`, `redact`, `escalate` and `flag` list guards by entry-point name or as Guard
    objects, each guard once: stop the call, answer instead, mask, mark for human review, or only
    say so. `answer` is what a fallback answers: a text, or a function of the question and the
    verdict that returns one; its `Blocked` carries it.

    The mappings are keyed by guard name: `directions` says where a guard looks ("input", "output",
    "document", "tool_argument", "tool_result", several of them, or "both" for input and output;
    by default where the guard says; of a model's call "input" is all of the request, documents and
    tools' results too, and "output" all of the answer), `on_failure` says "open" or "closed"
    (default open: a guard that cannot answer does not stop the call), `thresholds` override a
    guard's own, between 0 and 1, `deadlines` and `answers` override `deadline_s` and `answer`.
    `deadline_s` is the longest one guard may take for the texts of one request, in seconds; None
    leaves a guard its time, and a remote one `REMOTE_DEADLINE_S`. `shares` override `share`, the
    share of the traces from 0 to 1 that a collector with this policy looks at afterwards; a program
    that has it looks at everything.
    Raises ConfigError for a value it does not know and MissingExtra for a guard whose extra is
    not installed.
    """

    block: Sequence[str | Guard] = ()
    fallback: Sequence[str | Guard] = ()
    redact: Sequence[str | Guard] = ()
    escalate: Sequence[str | Guard] = ()
    flag: Sequence[str | Guard] = ()
    directions: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    on_failure: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    deadline_s: float | None = None
    deadlines: Mapping[str, float] = field(default_factory=dict)
    answer: Answer | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    share: float = 1.0
    shares: Mapping[str, float] = field(default_factory=dict)
    rules: tuple[Rule, ...] = field(init=False, repr=False)
    _by_direction: Mapping[Direction, tuple[Rule, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every value and look every guard up, once."""
        for name in _SETTINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        _check_seconds("Policy(deadline_s=...)", self.deadline_s)
        _check_share("Policy(share=...)", self.share)
        rules = _make_rules(self)
        _refuse_strangers(self, {rule.guard.name for rule in rules})
        object.__setattr__(self, "rules", rules)
        sorted_out = {way: tuple(r for r in rules if way in r.directions) for way in DIRECTIONS}
        object.__setattr__(self, "_by_direction", sorted_out)

    def rules_for(self, direction: Direction, within: Direction | None = None) -> tuple[Rule, ...]:
        """The rules for texts of one stage, alone or `within` a request or an answer."""
        if within is None or within == direction:
            return self._by_direction[direction]
        return tuple(rule for rule in self.rules if rule.looks_at(direction, within))

    def rules_within(self, whole: Direction) -> tuple[Rule, ...]:
        """The rules for anything that a request ("input") or an answer ("output") may carry."""
        carried = CARRIED[whole]
        return tuple(rule for rule in self.rules if not carried.isdisjoint(rule.directions))

    @property
    def has_redaction(self) -> bool:
        """Whether anything here must never leave the process: whatever a rule withholds."""
        return any(rule.action in WITHHOLDING for rule in self.rules)


@lru_cache(maxsize=64)
def keep_rules(policy: Policy, names: frozenset[str]) -> Policy:
    """The policy with only the rules of these guards."""
    kept = {rule.guard.name: rule for rule in policy.rules if rule.guard.name in names}
    settings: dict[str, Any] = {}
    for each in fields(policy):
        value = getattr(policy, each.name)
        if not each.init:
            continue
        if each.name in ACTIONS:
            value = [rule.guard for rule in kept.values() if rule.action == each.name]
        elif each.name in _SETTINGS:
            value = {name: item for name, item in value.items() if name in kept}
        settings[each.name] = value
    return Policy(**settings)


def _make_rules(policy: Policy) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for action in ACTIONS:
        items: Sequence[str | Guard] = getattr(policy, action)
        if isinstance(items, str):
            raise ConfigError(f"Policy({action}=...)", items, f'write {action}=("{items}",)')
        for item in items:
            guard = _resolve_guard(item, action)
            if any(rule.guard.name == guard.name for rule in rules):
                raise ConfigError(f"Policy({action}=...)", guard.name, "list each guard once")
            rules.append(_make_rule(policy, guard, action))
    return tuple(rules)


def _resolve_guard(item: str | Guard, action: str) -> Guard:
    if isinstance(item, str):
        return share_guard(item)
    if isinstance(item, type) or not isinstance(item, Guard):
        cure = "pass a guard's name or an object with a `name` and a `check(question)`"
        raise ConfigError(f"Policy({action}=...)", item, cure)
    return item


def _make_rule(policy: Policy, guard: Guard, action: Action) -> Rule:
    name = guard.name
    on_failure = policy.on_failure.get(name, "open")
    if on_failure not in ON_FAILURE:
        raise ConfigError(f"Policy(on_failure[{name!r}])", on_failure, 'say "open" or "closed"')
    threshold = policy.thresholds.get(name)
    if threshold is not None:
        _check_share(f"Policy(thresholds[{name!r}])", threshold)
    share = policy.shares.get(name, policy.share)
    _check_share(f"Policy(shares[{name!r}])", share)
    deadline_s = policy.deadlines.get(name, policy.deadline_s)
    _check_seconds(f"Policy(deadlines[{name!r}])", deadline_s)
    if deadline_s is None and getattr(guard, "remote", False):
        deadline_s = REMOTE_DEADLINE_S
    return Rule(
        guard=guard,
        action=action,
        directions=_read_directions(policy, guard),
        on_failure="closed" if on_failure == "closed" else "open",
        threshold=threshold,
        deadline_s=deadline_s,
        answer=_find_answer(policy, name) if action == "fallback" else None,
        share=share,
        # A guard that knows stages is one of what is said, say, and not of what a tool is given.
        covers=bool(getattr(guard, "whole", False)) or not hasattr(guard, "directions"),
    )


def _read_directions(policy: Policy, guard: Guard) -> frozenset[Direction]:
    name = guard.name
    given = policy.directions.get(name, getattr(guard, "directions", DIRECTIONS))
    if given == "both":
        return _BOTH
    named = (given,) if isinstance(given, str) else tuple(given)
    known = frozenset(way for way in DIRECTIONS if way in named)
    if not named or len(known) != len(set(named)):
        cure = f"say one or several of {', '.join(DIRECTIONS)}, or both"
        raise ConfigError(f"Policy(directions[{name!r}])", given, cure)
    return known


def _find_answer(policy: Policy, name: str) -> Answer:
    answer = policy.answers.get(name, policy.answer)
    if not isinstance(answer, str) and not callable(answer):
        cure = "give `answer`, or `answers` by guard: a text, or a function that returns one"
        raise ConfigError(f"Policy(answers[{name!r}])", answer, cure)
    return answer


def _check_share(setting: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(setting, share, "give a number from 0 to 1")


def _check_seconds(setting: str, seconds: float | None) -> None:
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ConfigError(setting, seconds, "give seconds above 0")


def _refuse_strangers(policy: Policy, names: set[str]) -> None:
    """A setting for a guard that is not listed would silently do nothing."""
    for setting in _SETTINGS:
        for name in getattr(policy, setting):
            if name not in names:
                cure = f"list {name!r} under {', '.join(ACTIONS[:-1])} or flag, or drop the entry"
                raise ConfigError(f"Policy({setting}=...)", name, cure)
