"""What a statement's rows say: findings, sentences a person can read, and stretches of time.

It knows rules and rows; it asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watchpost_collector.alerts.regression import list_context
from watchpost_collector.alerts.rule import Rule

_DOLLARS = ("cost",)
_SHARES = ("errors", "refusals", "error_rate", "guard_rate", "refusal_rate", "guard:")
_MILLISECONDS = ("latency", "first_token", "p50", "p95")

# What an alert of a rule is remembered by: the series, and of a version which and against which.
Key = tuple[tuple[str, ...], str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule at one moment, for one series and measure. Times are seconds since 1970."""

    at: int
    series: Mapping[str, str]
    subject: str
    against: str
    measure: str
    value: float | None
    baseline: float | None
    bound: float | None
    calls: float
    chance: float | None
    fires: bool
    evidence: Mapping[str, float]
    since: int

    @property
    def key(self) -> Key:
        """What makes two findings one alert: the series and, of a version, which."""
        of_version = bool(self.against)
        subject = (self.subject, self.against) if of_version else ("", "")
        return (tuple(self.series.values()), *subject)


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch in which a rule was true: its first and last moment, and the first finding."""

    begins: int
    ends: int
    first: Finding
    measures: tuple[str, ...]


def read_findings(rule: Rule, rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """The rows of the rule's statement, as they come as JSON or from a driver."""
    names = list_context(rule) if rule.kind == "regression" else rule.by
    return [
        Finding(
            at=int(row["at"]),
            series=dict(zip(names, row["series"], strict=True)),
            subject=str(row["subject"]),
            against=str(row["against"]),
            measure=str(row["measure"]),
            value=_read_number(row["value"]),
            baseline=_read_number(row["baseline"]),
            bound=_read_number(row["bound"]),
            calls=float(row["calls"]),
            chance=_read_number(row["chance"]),
            fires=bool(row["fires"]),
            evidence={name: float(value or 0) for name, value in row["evidence"].items()},
            since=int(row["since"]),
        )
        for row in rows
    ]


def group_findings(findings: Iterable[Finding]) -> dict[Key, tuple[Finding, ...]]:
    """What fires, alert by alert: of each measure the latest finding."""
    fired: dict[Key, dict[str, Finding]] = {}
    for finding in findings:
        if finding.fires:
            # The later moment says more of the same.
            fired.setdefault(finding.key, {})[finding.measure] = finding
    return {key: tuple(found.values()) for key, found in fired.items()}


def find_episodes(findings: Sequence[Finding], step_s: int, hold_s: int = 0) -> list[Episode]:
    """Stretches of moments, at most two steps apart, in which findings fire; `hold_s` or longer."""
    open_ones: dict[Key, list[Finding]] = {}
    stretches: list[list[Finding]] = []
    for finding in sorted((f for f in findings if f.fires), key=lambda f: (f.at, f.measure)):
        current = open_ones.get(finding.key)
        if current is not None and finding.at - current[-1].at <= 2 * step_s:
            current.append(finding)
        else:
            open_ones[finding.key] = started = [finding]
            stretches.append(started)
    return [
        Episode(found[0].at, found[-1].at, found[0], tuple(dict.fromkeys(f.measure for f in found)))
        for found in stretches
        if found[-1].at - found[0].at >= hold_s
    ]


def name_series(finding: Finding) -> str:
    """Which series it is, for a person; '' where a rule does not split."""
    return ", ".join(f"{name}={value or '-'}" for name, value in finding.series.items())


def explain(rule: Rule, finding: Finding) -> str:
    """One sentence: what was measured, what was expected, and how far that is beyond chance."""
    value, baseline = (
        _show(finding.measure, finding.value),
        _show(finding.measure, finding.baseline),
    )
    bound = _show(finding.measure, finding.bound)
    if rule.kind == "regression":
        told = (
            f"{rule.of} {finding.subject}: {finding.measure} {value}, {finding.against} {baseline}"
        )
    elif rule.kind == "budget":
        spent = _show("cost", finding.evidence.get("spent"))
        told = f"{spent} spent this {rule.period}, {value} forecast, the limit is {bound}"
    elif rule.kind == "absence":
        told = f"no call for {finding.value:g} h; the longest silence was {finding.baseline:g} h"
    elif finding.measure == "shares":
        now, before = (finding.evidence.get(f"share {when}", 0) for when in ("now", "before"))
        told = (
            f"{rule.on} {finding.subject or '-'} has {now:.1%} of the calls, before {before:.1%} "
            f"(stability index {value}, bound {bound})"
        )
    else:
        told = f"{finding.measure} {value}, usually {baseline} (bound {bound})"
    chance = "" if finding.chance is None else f", by chance {finding.chance:.1g}"
    return f"{told} in {finding.calls:,.0f} calls since {show_time(finding.since)}{chance}"


def show_time(at: int) -> str:
    """A moment as people write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _read_number(value: Any) -> float | None:
    return None if value is None or float(value) != float(value) else float(value)


def _show(measure: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if measure.startswith(_SHARES):
        return f"{value:.1%}"
    if measure in _DOLLARS:
        return f"${value:,.4g}"
    unit = " ms" if measure in _MILLISECONDS else ""
    return f"{value:,.4g}{unit}"
