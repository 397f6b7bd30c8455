"""What the verdicts on one text lead to under a policy. Pure: no guard runs here, no clock.

Also home of `mask`, the one place where a finding becomes a placeholder, so that a text sent to
the provider and a span leaving the process are masked alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from watchpost import attributes
from watchpost.errors import Blocked, GuardUnavailable
from watchpost.screening.guard import Direction, Finding, Question, Verdict
from watchpost.screening.policy import ACTIONS, Action, Policy, Rule

_SEVERITY: dict[Action, int] = {
    action: rank for rank, action in enumerate(("allow", *reversed(ACTIONS)))
}


@dataclass(frozen=True, slots=True)
class Ruling:
    """One verdict, the way its text was going, and what the policy made of it."""

    verdict: Verdict
    action: Action
    direction: Direction


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one text, or to the texts of one request taken together.

    `action` is the worst of the rulings. `texts` are what may be sent or shown, in the order they
    were asked about; after "block" and "fallback" they must not be used. `unavailable` names guards
    that gave no answer although the policy says closed: the caller raises GuardUnavailable.
    `fallback` is what answers instead under "fallback"; None where its function failed.
    """

    action: Action
    texts: tuple[str, ...]
    rulings: tuple[Ruling, ...]
    unavailable: tuple[str, ...] = ()
    fallback: str | None = None

    @property
    def text(self) -> str:
        """What may be sent or shown: the text as it was masked, or what answers instead of it.

        Texts are joined where there were several. Raises Blocked or GuardUnavailable where there
        is nothing to show.
        """
        if self.fallback is not None:
            return self.fallback
        enforce(self)
        return self.texts[0] if len(self.texts) == 1 else "\n".join(self.texts)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts behind the rulings, in the policy's order."""
        return tuple(ruling.verdict for ruling in self.rulings)

    @property
    def blocking(self) -> Ruling | None:
        """The first of the rulings that stop the text, if any: what Blocked tells the user."""
        if self.action not in ("fallback", "block"):
            return None
        return next((ruling for ruling in self.rulings if ruling.action == self.action), None)


def decide(policy: Policy, question: Question, verdicts: Sequence[Verdict]) -> Decision:
    """The decision on one text, given the verdicts of the policy's guards for its direction.

    A verdict is matched to its rule by guard name; one that no rule asked for is ignored.
    """
    applicable = policy.rules_for(question.direction, question.within)
    rules = {rule.guard.name: rule for rule in applicable}
    rulings: list[Ruling] = []
    unavailable: list[str] = []
    findings: list[Finding] = []
    for verdict in verdicts:
        rule = rules.get(verdict.guard)
        if rule is None:
            continue
        judged = _apply_threshold(rule, verdict)
        action = _action_for(rule, judged)
        if judged.failed and action in ("fallback", "block"):
            unavailable.append(judged.guard)
        if action == "redact":
            # A redacting guard that trips without saying where can only hide everything.
            findings += judged.findings or (Finding(0, len(question.text), judged.label, 1.0),)
        rulings.append(Ruling(judged, action, question.direction))
    return Decision(
        action=worst_action(ruling.action for ruling in rulings),
        texts=(mask(question.text, findings),),
        rulings=tuple(rulings),
        unavailable=tuple(unavailable),
    )


def enforce(decision: Decision) -> None:
    """Raise what the decision asks for: GuardUnavailable, Blocked, or nothing at all.

    The verdicts of Blocked start with the one that blocks. Both carry the fallback's answer.
    """
    for ruling in decision.rulings:
        if ruling.verdict.guard in decision.unavailable:
            raise GuardUnavailable(ruling.verdict.guard, ruling.verdict.reason, decision.fallback)
    if (blocking := decision.blocking) is not None:
        others = [verdict for verdict in decision.verdicts if verdict is not blocking.verdict]
        raise Blocked(blocking.direction, [blocking.verdict, *others], decision.fallback)


def verdict_attributes(ruling: Ruling) -> dict[str, str | bool | float]:
    """A ruling as the attributes of a `watchpost.guard.verdict` event. Holds no text."""
    verdict = ruling.verdict
    return {
        attributes.VERDICT_GUARD: verdict.guard,
        attributes.VERDICT_LABEL: verdict.label,
        attributes.VERDICT_DIRECTION: ruling.direction,
        attributes.VERDICT_ACTION: ruling.action,
        attributes.VERDICT_TRIPPED: verdict.tripped,
        attributes.VERDICT_FAILED: verdict.failed,
        attributes.VERDICT_PROBABILITY: float(verdict.probability),
        attributes.VERDICT_THRESHOLD: float(verdict.threshold),
        attributes.VERDICT_DURATION_MS: float(verdict.duration_ms),
        attributes.VERDICT_REVISION: verdict.revision,
    }


def merge(decisions: Sequence[Decision]) -> Decision:
    """One decision for a request of several texts: one ruling a guard and stage, its worst.

    Durations add up, because that is what the caller waited for. A guard that tripped on one text
    and failed on another did both.
    """
    worst: dict[tuple[str, Direction], Ruling] = {}
    for ruling in (ruling for decision in decisions for ruling in decision.rulings):
        key = (ruling.verdict.guard, ruling.direction)
        held = worst.get(key)
        if held is None:
            worst[key] = ruling
            continue
        bad = max(held, ruling, key=_gravity)
        spent_ms = held.verdict.duration_ms + ruling.verdict.duration_ms
        has_failed = held.verdict.failed or ruling.verdict.failed
        verdict = replace(bad.verdict, duration_ms=spent_ms, failed=has_failed)
        worst[key] = replace(bad, verdict=verdict)
    unavailable = [name for decision in decisions for name in decision.unavailable]
    return Decision(
        action=worst_action(decision.action for decision in decisions),
        texts=tuple(text for decision in decisions for text in decision.texts),
        rulings=tuple(worst.values()),
        unavailable=tuple(dict.fromkeys(unavailable)),
    )


def worst_action(actions: Iterable[Action]) -> Action:
    """The most severe of some actions; "allow" when there are none."""
    return max(actions, key=_SEVERITY.__getitem__, default="allow")


def mask(text: str, findings: Iterable[Finding]) -> str:
    """The text with every finding replaced by its label in brackets, as in `[EMAIL_ADDRESS]`.

    Findings that overlap become one placeholder, named by the surest of them.
    """
    pieces: list[str] = []
    position = 0
    for start, end, label in merge_spans(findings, len(text)):
        pieces += (text[position:start], placeholder(label))
        position = end
    return "".join((*pieces, text[position:])) if pieces else text


def placeholder(label: str) -> str:
    """What stands where something was taken out."""
    return f"[{label.upper() or 'REDACTED'}]"


def merge_spans(findings: Iterable[Finding], length: int) -> list[tuple[int, int, str]]:
    """Stretches to hide: clipped to the text, in order, none overlapping."""
    merged: list[tuple[int, int, str, float]] = []
    for finding in sorted(findings, key=lambda item: (item.start, -item.end)):
        start, end = max(0, finding.start), min(length, finding.end)
        if start >= end:
            continue
        if merged and start < merged[-1][1]:
            held_start, held_end, label, score = merged[-1]
            if finding.score > score:
                label, score = finding.label, finding.score
            merged[-1] = (held_start, max(held_end, end), label, score)
        else:
            merged.append((start, end, finding.label, finding.score))
    return [(start, end, label) for start, end, label, _ in merged]


def _apply_threshold(rule: Rule, verdict: Verdict) -> Verdict:
    """The verdict as the policy's threshold has it: the guard's own word counts without one."""
    if rule.threshold is None or verdict.failed:
        return verdict
    return replace(
        verdict,
        threshold=rule.threshold,
        tripped=verdict.probability > 0 and verdict.probability >= rule.threshold,
        findings=tuple(item for item in verdict.findings if item.score >= rule.threshold),
    )


def _action_for(rule: Rule, verdict: Verdict) -> Action:
    if verdict.failed:
        # A text nobody could check cannot be masked: closed means stopped where something would
        # have been withheld, and what would only have been marked is marked.
        if rule.on_failure == "open":
            return "allow"
        return "block" if rule.action == "redact" else rule.action
    return rule.action if verdict.tripped else "allow"


def _gravity(ruling: Ruling) -> tuple[int, bool, float]:
    return (_SEVERITY[ruling.action], ruling.verdict.failed, ruling.verdict.probability)
