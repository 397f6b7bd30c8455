"""A policy as a YAML file: guards by name, each with its action or with what else is said of it.

    deadline_s: 0.5
    answer: I cannot help with that.
    guards:
      pii: redact
      length: {action: flag, directions: input}
      secrets:
        action: block
        on_failure: closed
      billing:
        guard: custom
        action: escalate
        settings: {file: billing.json}

The keys are those of `Policy`, and mean what they mean there; `settings` are the guard's own, and
`guard` is its kind where the key is a name of one's own. What cannot be used is refused with
the file, the line, the value and what may stand there. It runs no guard and no code that a file
names: what answers instead is a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.factory import make_guard, share_guard
from watchpost.screening.guard import DIRECTIONS, Guard
from watchpost.screening.policy import ACTIONS, ON_FAILURE, Policy

if TYPE_CHECKING:
    from watchpost.yaml_page import Fields, Node, YamlPage

T = TypeVar("T")

SETTING = "policy"
MOST_BYTES = 256 * 1024

_TOP = ("guards", "deadline_s", "answer", "share")
_ENTRY = (
    *("action", "directions", "on_failure", "threshold", "deadline_s", "answer"),
    *("guard", "settings", "share"),
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a file says of one guard; None where it says nothing."""

    guard: Guard
    action: str
    directions: str | tuple[str, ...] | None = None
    on_failure: str | None = None
    threshold: float | None = None
    deadline_s: float | None = None
    answer: str | None = None
    share: float | None = None


def load_policy(path: str | Path, *, guards: Sequence[Guard] = ()) -> Policy:
    """The policy a YAML file writes down; `guards` are objects it may name beside those known.

    Raises ConfigError with the file and line of what cannot be used, and MissingExtra where PyYAML
    or what a guard needs is not installed.
    """
    try:
        from watchpost.yaml_page import YamlPage, read_text_file
    except ImportError as error:
        raise MissingExtra("guards", "reading policies from YAML (it needs PyYAML)") from error
    path = Path(path)
    page = YamlPage(SETTING, path.name)
    text = read_text_file(SETTING, path, MOST_BYTES)
    top = page.read_fields(page.compose(text, MOST_BYTES, "write `guards:`"), _TOP)
    if "guards" not in top:
        raise ConfigError(SETTING, path.name, "write `guards:` and a line for each guard below")
    own = {guard.name: guard for guard in guards}
    answer = _read(page.read_text, top, "answer")
    share = _read(partial(_read_share, page), top, "share")
    find = partial(_find_guard, page, own, path.parent)
    entries = [
        _read_entry(page, key, node, find, answer)
        for key, node in page.read_pairs(top["guards"], None)
    ]
    listed = {action: [e.guard for e in entries if e.action == action] for action in ACTIONS}
    return Policy(
        block=listed["block"],
        fallback=listed["fallback"],
        redact=listed["redact"],
        escalate=listed["escalate"],
        flag=listed["flag"],
        deadline_s=_read(partial(_read_seconds, page), top, "deadline_s"),
        answer=answer,
        directions={e.guard.name: e.directions for e in entries if e.directions is not None},
        on_failure={e.guard.name: e.on_failure for e in entries if e.on_failure is not None},
        thresholds={e.guard.name: e.threshold for e in entries if e.threshold is not None},
        deadlines={e.guard.name: e.deadline_s for e in entries if e.deadline_s is not None},
        answers={e.guard.name: e.answer for e in entries if e.answer is not None},
        share=1.0 if share is None else share,
        shares={e.guard.name: e.share for e in entries if e.share is not None},
    )


def _read_entry(
    page: YamlPage,
    key: Node,
    node: Node,
    find: Callable[[Node, Fields], Guard],
    answer: str | None,
) -> _Entry:
    """One guard of `guards`: its action, or keys that say more."""
    is_short = isinstance(node.value, str)
    fields = {"action": node} if is_short else page.read_fields(node, _ENTRY)
    guard = find(key, fields)
    if "action" not in fields:
        raise page.refuse(key, f"say its `action`: one of {', '.join(ACTIONS)}")
    action = _choose(page, ACTIONS, fields["action"])
    own_answer = _read(page.read_text, fields, "answer")
    if action == "fallback" and own_answer is None and answer is None:
        raise page.refuse(fields["action"], "write `answer` too, here or at the top of the file")
    return _Entry(
        guard=guard,
        action=action,
        directions=_read(partial(_read_directions, page), fields, "directions"),
        on_failure=_read(partial(_choose, page, ON_FAILURE), fields, "on_failure"),
        threshold=_read(partial(_read_share, page), fields, "threshold"),
        deadline_s=_read(partial(_read_seconds, page), fields, "deadline_s"),
        answer=own_answer,
        share=_read(partial(_read_share, page), fields, "share"),
    )


def _find_guard(
    page: YamlPage, own: Mapping[str, Guard], folder: Path, key: Node, fields: Fields
) -> Guard:
    """The guard of one entry: one handed over, one that all share, or one with settings."""
    given = page.read_pairs(fields["settings"], None) if "settings" in fields else []
    kind = fields.get("guard")
    if key.value in own:
        if kind is not None or given:
            raise page.refuse(kind or given[0][0], "this guard was made in Python: set it there")
        return own[key.value]
    try:
        if kind is None and not given:
            return share_guard(key.value)
        settings = {name.value: page.read_plain(value) for name, value in given}
        called = None if kind is None else key.value
        name = key.value if kind is None else page.read_text(kind)
        return make_guard(name, settings, called=called, folder=folder)
    except ConfigError as error:
        places = (value for name, value in given if f"({name.value}=" in error.setting)
        if (place := next(places, None)) is not None:
            raise page.refuse(place, f"{error.setting}: {error.cure}") from error
        if error.setting == SETTING:
            raise
        beside = f" (beside {', '.join(own)})" if own else ""
        raise page.refuse(kind or key, error.cure + beside) from error


def _read(read: Callable[[Node], T], fields: Fields, key: str) -> T | None:
    return read(fields[key]) if key in fields else None


def _choose(page: YamlPage, offered: Sequence[str], node: Node) -> str:
    word = page.read_text(node)
    if word not in offered:
        raise page.refuse(node, f"use one of {', '.join(offered)}")
    return word


def _read_directions(page: YamlPage, node: Node) -> str | tuple[str, ...]:
    if isinstance(node.value, str):
        return _choose(page, (*DIRECTIONS, "both"), node)
    found = tuple(_choose(page, DIRECTIONS, one) for one in page.read_list(node))
    if not found:
        raise page.refuse(node, f"name one or several of {', '.join(DIRECTIONS)}")
    return found


def _read_share(page: YamlPage, node: Node) -> float:
    share = _read_number(page, node)
    if not 0 <= share <= 1:
        raise page.refuse(node, "write a number from 0 to 1")
    return share


def _read_seconds(page: YamlPage, node: Node) -> float:
    seconds = _read_number(page, node)
    if not 0 < seconds < math.inf:
        raise page.refuse(node, "write seconds above 0")
    return seconds


def _read_number(page: YamlPage, node: Node) -> float:
    try:
        return float(page.read_text(node))
    except ValueError as error:
        raise page.refuse(node, "write a number") from error
