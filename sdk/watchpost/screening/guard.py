"""What a guard is asked and what it answers: Question in, Verdict out.

Values only. This file does not know which guards exist, what a policy does with a verdict, or
where a text came from; anything with a `name` and a `check` is a guard, no base class needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

Direction = Literal["input", "output", "document", "tool_argument", "tool_result"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
NOT_CHECKABLE = "not_checkable"
"""The label of a verdict that says: nothing was found because there was nothing to go by."""


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token of an answer: its characters `start` to `end` (exclusive) in the text, how likely.

    `logprob` is the natural logarithm of the probability the model gave it.
    """

    start: int
    end: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Question:
    """One text to be judged.

    `direction` says whether the text is on its way to the model ("input") or from it ("output"),
    or what else it is: a retrieved "document", a "tool_argument" before the tool runs, or a
    "tool_result" before the model reads it. `model` is the provider's model name where it is
    known. `context` holds the documents an answer is to be checked against. `within` says that a
    request ("input") or an answer ("output") carries the text: rules for the whole look at it too.

    `is_system` says that the text is a request's system prompt, which the application's own people
    wrote.

    The rest is known of answers, where their call tells it: `prompt` is what the model was asked
    last, `system` its system prompt, `tokens` the answer's tokens with their log-probabilities in
    order, and `samples` are the other answers to the same request. Like the text itself these are
    content: they go into no log, and into no message to a guard elsewhere that does not ask for
    them.
    """

    text: str
    direction: Direction = "input"
    model: str | None = None
    context: tuple[str, ...] = ()
    within: Direction | None = field(default=None, kw_only=True)
    is_system: bool = field(default=False, kw_only=True)
    prompt: str | None = field(default=None, kw_only=True, repr=False)
    system: str | None = field(default=None, kw_only=True, repr=False)
    tokens: tuple[TokenScore, ...] = field(default=(), kw_only=True, repr=False)
    samples: tuple[str, ...] = field(default=(), kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One stretch of the text: characters `start` to `end` (exclusive), what it is, how sure."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard said about one text.

    `tripped` and `failed` are two things: a guard that could not answer did not find the text
    safe. One that has nothing to judge by says so with the label `NOT_CHECKABLE` (see `abstain`).
    `probability` is between 0 and 1; a rule that is certain says 1.0 or 0.0. `findings`
    carry places and never text. `revision` changes whenever the guard could answer differently.
    """

    guard: str
    label: str = ""
    probability: float = 0.0
    threshold: float = 0.5
    tripped: bool = False
    failed: bool = False
    duration_ms: float = 0.0
    findings: tuple[Finding, ...] = ()
    revision: str = ""
    reason: str = ""


@runtime_checkable
class Guard(Protocol):
    """Anything that judges a text.

    A guard may also carry any of these, all optional: `pure = True` (the verdict depends on the
    text alone and nothing else of the question, so it may be remembered), `remote = True` (it waits
    on a network, so it gets threads of its own, a deadline and a circuit breaker), `whole = True`
    (it judges the request's texts together, not one by one), `locates = True` (its findings say
    where, so what it finds in disguise is found too), `reach` (the longest stretch of text, in
    characters, that can decide a finding; without it a stream is held whole), `directions` (where
    it looks if the policy does not say; without it everywhere), `by_form` (the guard to be asked
    instead about texts that are no prose, a span's short fields), `of_others = True` (it judges
    what strangers write, so no system prompt is shown to it) and `warm()` (loads what the first
    check would otherwise wait for).
    """

    @property
    def name(self) -> str:
        """The name verdicts, policies and dashboards know this guard by."""
        ...

    def check(self, question: Question) -> Verdict:
        """Judge one text. Any exception is recorded as a failed verdict by the caller."""
        ...


def settle(
    guard: str,
    findings: Sequence[Finding],
    *,
    threshold: float,
    revision: str,
    duration_ms: float,
    reason: str = "",
) -> Verdict:
    """The verdict of a guard that finds places: as sure as its surest finding."""
    worst = max(findings, key=lambda finding: finding.score, default=None)
    probability = worst.score if worst else 0.0
    return Verdict(
        guard=guard,
        label=worst.label if worst else "",
        probability=probability,
        threshold=threshold,
        tripped=worst is not None and probability >= threshold,
        duration_ms=duration_ms,
        findings=tuple(sorted(findings, key=lambda finding: (finding.start, finding.end))),
        revision=revision,
        reason=reason,
    )


def abstain(
    guard: str, reason: str, *, threshold: float, revision: str, duration_ms: float
) -> Verdict:
    """The verdict of a guard that lacks what it judges by, as an answer without its sources.

    It never trips, and is no failure: asking again would not help. `reason` says what is missing.
    """
    return Verdict(
        guard=guard,
        label=NOT_CHECKABLE,
        threshold=threshold,
        duration_ms=duration_ms,
        revision=revision,
        reason=reason,
    )


def decide(guard: Guard, label: str, reason: str, duration_ms: float) -> Verdict:
    """The verdict of a guard that knows for sure: tripped by what `label` names, or by nothing."""
    return Verdict(
        guard=guard.name,
        label=label,
        probability=1.0 if label else 0.0,
        threshold=1.0,
        tripped=bool(label),
        duration_ms=duration_ms,
        revision=str(getattr(guard, "revision", "")),
        reason=reason,
    )


def fail(guard: Guard, reason: str, duration_ms: float, label: str = "error") -> Verdict:
    """The verdict of a guard that gave none; `label` says in one word why."""
    return Verdict(
        guard=guard.name,
        label=label,
        failed=True,
        duration_ms=duration_ms,
        revision=str(getattr(guard, "revision", "")),
        reason=reason,
    )
