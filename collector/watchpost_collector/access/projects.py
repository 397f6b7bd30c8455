"""Rules of projects: how much one may send, which share of it is stored, and for how long.

They live in `projects.json` in the data directory, written by `watchpost projects`, `watchpost
sampling` and `watchpost retention` or by hand, and are in force within seconds. The rules
of `*` hold for every project that says nothing else. This file reads and writes rules; it enforces
none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_collector.access.issued_keys import PROJECT
from watchpost_collector.watched_file import WatchedFile, rewrite

FILE_NAME = "projects.json"
EVERY = "*"
# Days of each kind of data where no rule says otherwise.
DEFAULT_DAYS: Mapping[str, int] = {
    "content": 30,
    "spans": 184,
    "rollups": 5 * 366,
    "logs": 30,
    "metrics": 184,
}
MOST_DAYS = 100 * 366
# The share of traces that is stored, the share of those whose content is too, and the milliseconds
# beyond which a call is always stored (0: however long it took, it is not for that).
DEFAULT_SAMPLING: Mapping[str, float] = {"keep": 1.0, "content": 1.0, "slow_ms": 0.0}
LEAST_SHARE = 1e-6
MOST_SLOW_MS = 31 * 86_400_000.0
DEFAULT_BURST_S = 10.0
_VERSION = 1
_RATES = ("spans_per_second", "bytes_per_second", "burst_s")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is said of one project; None, or a kind that is missing, leaves it to `*`.

    A rate is of what arrives, on average; `burst_s` is how many seconds' worth may come at once.
    """

    spans_per_second: float | None = None
    bytes_per_second: float | None = None
    burst_s: float | None = None
    days: Mapping[str, int] = field(default_factory=dict)
    sampling: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Projects:
    """The rules by project, `*` among them."""

    rules: Mapping[str, Rules] = field(default_factory=dict)

    def rules_of(self, project: str) -> Rules:
        """The rules in force for a project: its own, else those of `*`, else the defaults."""
        own, every = self.rules.get(project, Rules()), self.rules.get(EVERY, Rules())
        chosen = {
            name: getattr(every, name) if getattr(own, name) is None else getattr(own, name)
            for name in _RATES
        }
        return Rules(
            **chosen,
            days={**DEFAULT_DAYS, **every.days, **own.days},
            sampling={**DEFAULT_SAMPLING, **every.sampling, **own.sampling},
        )

    def days_of(self, kind: str) -> dict[str, int]:
        """The days a kind is kept, by project; `*` is always among them."""
        names = {EVERY, *(name for name, rules in self.rules.items() if kind in rules.days)}
        return {name: self.rules_of(name).days[kind] for name in sorted(names)}

    def list_sampling(self) -> dict[str, Mapping[str, float]]:
        """What of each project is stored; `*` is always among them."""
        names = {EVERY, *(name for name, rules in self.rules.items() if rules.sampling)}
        return {name: self.rules_of(name).sampling for name in sorted(names)}


def watch_projects(data: Path) -> WatchedFile[Projects]:
    """The rules of a data directory, kept up to date; none where there is no file."""
    return WatchedFile(data / FILE_NAME, _parse, Projects())


def change_rules(data: Path, project: str, change: Callable[[Rules], Rules]) -> Projects:
    """Replace one project's rules by `change` of them; returns all rules as they are then.

    Raises ConfigError for a name that is none, or rules that contradict each other.
    """
    if project != EVERY and not PROJECT.fullmatch(project):
        raise ConfigError("--project", project, "use letters, digits, '.', '_' and '-'")
    changed: list[Projects] = []

    def write(content: bytes) -> bytes:
        before = _parse(content)
        after = Projects({**before.rules, project: change(before.rules.get(project, Rules()))})
        text = _write(after)
        changed.append(_parse(text))
        return text

    rewrite(data / FILE_NAME, write)
    return changed[0]


def set_days(rules: Rules, kind: str, days: int | None) -> Rules:
    """The rules with one kind kept for so many days; None leaves it to `*` again."""
    others = {name: kept for name, kept in rules.days.items() if name != kind}
    return replace(rules, days=others if days is None else {**others, kind: days})


def set_sampling(rules: Rules, **told: float | None) -> Rules:
    """The rules with these of `DEFAULT_SAMPLING` changed; None leaves one to `*` again."""
    others = {name: value for name, value in rules.sampling.items() if name not in told}
    return replace(
        rules, sampling={**others, **{name: v for name, v in told.items() if v is not None}}
    )


def check_sampling(name: str, value: object) -> float:
    """The value as a number; ValueError says what it has to be."""
    least, most = {
        "keep": (LEAST_SHARE, 1.0), "content": (0.0, 1.0), "slow_ms": (0.0, MOST_SLOW_MS)
    }.get(name, (0.0, 0.0))  # fmt: skip
    if not most:
        raise ValueError(f"sampling has no {name[:80]!r}: use one of {', '.join(DEFAULT_SAMPLING)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is no number from {least:g} to {most:.10g}")
    return float(value)


def _parse(content: bytes) -> Projects:
    if not content:
        return Projects()
    try:
        told = json.loads(content)
        if told["version"] != _VERSION:
            raise ValueError(f"its version is {told['version']}, not {_VERSION}")
        found = {
            str(name): _parse_rules(str(name), said) for name, said in told["projects"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "--data", FILE_NAME, f"its rules cannot be read ({type(error).__name__}: {error})"
        ) from error
    projects = Projects(found)
    for name in {EVERY, *found}:
        days = projects.rules_of(name).days
        if days["rollups"] < days["spans"]:
            cure = f"keep rollups ({days['rollups']} days) at least as long as spans"
            raise ConfigError("--days", f"{name}: spans {days['spans']}", cure)
    return projects


def _parse_rules(name: str, said: Mapping[str, Any]) -> Rules:
    if name != EVERY and not PROJECT.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no project name")
    unknown = set(said) - {*_RATES, "days", "sampling"}
    if unknown:
        raise ValueError(f"{name}: there is no rule {sorted(unknown)[0][:80]!r}")
    rates = {rate: _parse_rate(said.get(rate), f"{name}: {rate}") for rate in _RATES}
    days = {kind: _parse_days(kind, kept) for kind, kept in said.get("days", {}).items()}
    shares = {rule: check_sampling(rule, told) for rule, told in said.get("sampling", {}).items()}
    return Rules(**rates, days=days, sampling=shares)


def _parse_rate(value: object, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        raise ValueError(f"{what} is no number above zero")
    return float(value)


def _parse_days(kind: str, days: object) -> int:
    if kind not in DEFAULT_DAYS:
        raise ValueError(f"there is no kind {kind[:80]!r}: use one of {', '.join(DEFAULT_DAYS)}")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
        raise ValueError(f"days of {kind} are not between 1 and {MOST_DAYS}")
    return days


def _write(projects: Projects) -> bytes:
    told: dict[str, dict[str, Any]] = {}
    for name, rules in sorted(projects.rules.items()):
        rates = {rate: getattr(rules, rate) for rate in _RATES}
        told[name] = {rate: value for rate, value in rates.items() if value is not None}
        if rules.days:
            told[name]["days"] = dict(rules.days)
        if rules.sampling:
            told[name]["sampling"] = dict(rules.sampling)
    return json.dumps({"version": _VERSION, "projects": told}, indent=1).encode()
