"""A policy: which guards run, in which direction, and what a tripped one leads to.

A policy is a value, checked when it is made so that a misspelt guard is found at start-up and not
in production. It knows guards by name (the `watchpost.guards` entry points) or by object. It does
not run them (screening) and does not decide what their verdicts mean (decision).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Direction, Guard

Action = Literal["allow", "flag", "redact", "block"]
OnFailure = Literal["open", "closed"]

GROUP = "watchpost.guards"
_DIRECTIONS = ("input", "output", "both")
_ON_FAILURE = ("open", "closed")


@dataclass(frozen=True, slots=True)
class Rule:
    """One guard and what the policy wants of it.

    `threshold` is None where the guard's own stands.
    """

    guard: Guard
    action: Action
    directions: frozenset[Direction]
    on_failure: OnFailure
    threshold: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """Guards and what to do when they trip.

    `block`, `redact` and `flag` list guards by entry-point name or as Guard objects, each guard
    once. The mappings are keyed by guard name: `directions` says "input", "output" or "both"
    (default both), `on_failure` says "open" or "closed" (default open: a guard that cannot answer
    does not stop the call), `thresholds` override a guard's own, between 0 and 1. `deadline_s` is
    the longest one guard may take, in seconds; None leaves it to the guard.
    Raises ConfigError for a value it does not know and MissingExtra for a guard whose extra is
    not installed.
    """

    block: Sequence[str | Guard] = ()
    redact: Sequence[str | Guard] = ()
    flag: Sequence[str | Guard] = ()
    directions: Mapping[str, str] = field(default_factory=dict)
    on_failure: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    deadline_s: float | None = None
    rules: tuple[Rule, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every value and look every guard up, once."""
        for name in ("directions", "on_failure", "thresholds"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        if self.deadline_s is not None and not self.deadline_s > 0:
            raise ConfigError("Policy(deadline_s=...)", self.deadline_s, "give seconds above 0")
        rules = _make_rules(self)
        _refuse_strangers(self, {rule.guard.name for rule in rules})
        object.__setattr__(self, "rules", rules)

    def rules_for(self, direction: Direction) -> tuple[Rule, ...]:
        """The rules that apply to texts going one way."""
        return tuple(rule for rule in self.rules if direction in rule.directions)

    @property
    def has_redaction(self) -> bool:
        """Whether anything here must never leave the process: a redacting or a blocking rule."""
        return any(rule.action in ("redact", "block") for rule in self.rules)


def find_guard(name: str) -> Guard:
    """The guard an entry point of the group `watchpost.guards` makes.

    Raises ConfigError for a name nobody registered, MissingExtra when what it needs is absent.
    """
    # It takes 20 ms, and a policy of Guard objects never asks.
    from importlib.metadata import entry_points

    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        offered = ", ".join(sorted(known)) or "none is installed"
        raise ConfigError("Policy guard", name, f"name one of: {offered}; or pass a Guard object")
    try:
        create: Callable[[], Guard] = known[name].load()
        return create()
    except ImportError as error:
        raise MissingExtra("guards") from error


@cache
def _share_guard(name: str) -> Guard:
    """One object for all policies that name it: it loads once and remembers its verdicts once."""
    return find_guard(name)


def _make_rules(policy: Policy) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    listed: tuple[tuple[Action, Sequence[str | Guard]], ...] = (
        ("block", policy.block),
        ("redact", policy.redact),
        ("flag", policy.flag),
    )
    for action, items in listed:
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
        return _share_guard(item)
    if isinstance(item, type) or not isinstance(item, Guard):
        cure = "pass a guard's name or an object with a `name` and a `check(question)`"
        raise ConfigError(f"Policy({action}=...)", item, cure)
    return item


def _make_rule(policy: Policy, guard: Guard, action: Action) -> Rule:
    direction = policy.directions.get(guard.name, "both")
    if direction not in _DIRECTIONS:
        raise ConfigError(
            f"Policy(directions[{guard.name!r}])", direction, 'say "input", "output" or "both"'
        )
    on_failure = policy.on_failure.get(guard.name, "open")
    if on_failure not in _ON_FAILURE:
        raise ConfigError(
            f"Policy(on_failure[{guard.name!r}])", on_failure, 'say "open" or "closed"'
        )
    threshold = policy.thresholds.get(guard.name)
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(
            f"Policy(thresholds[{guard.name!r}])", threshold, "give a number from 0 to 1"
        )
    ways: dict[str, frozenset[Direction]] = {
        "input": frozenset(("input",)),
        "output": frozenset(("output",)),
        "both": frozenset(("input", "output")),
    }
    closed: OnFailure = "closed" if on_failure == "closed" else "open"
    return Rule(guard, action, ways[direction], closed, threshold)


def _refuse_strangers(policy: Policy, names: set[str]) -> None:
    """A setting for a guard that is not listed would silently do nothing."""
    for setting in ("directions", "on_failure", "thresholds"):
        for name in getattr(policy, setting):
            if name not in names:
                cure = f"list {name!r} under block, redact or flag, or drop the entry"
                raise ConfigError(f"Policy({setting}=...)", name, cure)
