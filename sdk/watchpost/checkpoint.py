"""Screening by hand: one text, where no patched client sees it, under the policy in force.

For documents before they are put into a prompt, a tool's arguments before it runs, its result
before the model reads it, or an answer that came some other way. Each screening is a span of its
own with its verdicts, and says nothing of the text. It does not know what becomes of the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import context as otel

from watchpost import attributes as names
from watchpost.errors import ConfigError
from watchpost.inquiry import place_tokens
from watchpost.runtime import SHIELD, active
from watchpost.scope import Scope, current_scope, find_policy, make_settings
from watchpost.screening.decision import Decision, verdict_attributes
from watchpost.screening.guard import DIRECTIONS, Direction, Question, TokenScore
from watchpost.screening.screen import screen_all, screen_off_loop

if TYPE_CHECKING:
    from watchpost.screening.policy import Policy


def screen(
    text: str,
    policy: Policy | None = None,
    *,
    stage: Direction = "input",
    context: Sequence[str] = (),
    model: str | None = None,
    prompt: str | None = None,
    system: str | None = None,
    logprobs: Iterable[tuple[str, float]] = (),
    samples: Sequence[str] = (),
) -> Decision:
    """What a policy's guards make of a text: read `.text`, which raises Blocked where nothing may.

    `policy` defaults to that of the functions around, then to the configured one. `stage` says what
    the text is: "input", "output", "document", "tool_argument" or "tool_result"; `context` holds
    the documents it is to be checked against, by default those retrieved here. Of an answer can
    be told, too: the `prompt` it answers, the `system` prompt, its tokens as (token, natural
    log-probability) in `logprobs`, and other `samples` of the same answer. `.action`, `.verdicts`
    and `.fallback` tell the rest; a guard that fails never raises here. Takes as long as the guards
    do: a coroutine awaits `ascreen`. Raises ConfigError where there is no policy, or where
    `logprobs` do not spell the text.
    """
    told = _Told(stage, context, model, prompt, system, logprobs, samples)
    policy, question, scope = _open(text, policy, told)
    try:
        decision = screen_all(policy, (question,))
    except BaseException as error:
        _close(scope, None, error)
        raise
    _close(scope, decision)
    return decision


async def ascreen(
    text: str,
    policy: Policy | None = None,
    *,
    stage: Direction = "input",
    context: Sequence[str] = (),
    model: str | None = None,
    prompt: str | None = None,
    system: str | None = None,
    logprobs: Iterable[tuple[str, float]] = (),
    samples: Sequence[str] = (),
) -> Decision:
    """`screen`, its guards on a worker thread and not the event loop's."""
    told = _Told(stage, context, model, prompt, system, logprobs, samples)
    policy, question, scope = _open(text, policy, told)
    try:
        decision = await screen_off_loop(policy, (question,))
    except BaseException as error:
        _close(scope, None, error)
        raise
    _close(scope, decision)
    return decision


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said of a text besides the text."""

    stage: Direction
    context: Sequence[str]
    model: str | None
    prompt: str | None
    system: str | None
    logprobs: Iterable[tuple[str, float]]
    samples: Sequence[str]


def _open(text: str, policy: Policy | None, told: _Told) -> tuple[Policy, Question, Scope | None]:
    if not isinstance(text, str):
        raise TypeError(f"a text is screened, not {type(text).__name__}: json.dumps it, say")
    stage = told.stage
    if stage not in DIRECTIONS:
        raise ConfigError("screen(stage=...)", stage, f"say one of {', '.join(DIRECTIONS)}")
    for name, texts in (("context", told.context), ("samples", told.samples)):
        if isinstance(texts, str):
            raise ConfigError(f"screen({name}=...)", "one text", "pass a list of texts")
    settings = make_settings(f"screen {stage}", names.GUARD, policy)
    found = policy or find_policy(otel.get_current()) or active().policy
    if found is None:
        cure = "pass a watchpost.Policy, or configure one"
        raise ConfigError("screen(policy=...)", policy, cure)
    around = current_scope()
    sources = tuple(told.context) or (around.sources_here() if around is not None else ())
    question = Question(
        text,
        stage,
        told.model,
        sources,
        prompt=told.prompt,
        system=told.system,
        tokens=_place(text, told.logprobs),
        samples=tuple(told.samples),
    )
    scope = None
    with SHIELD:
        scope = Scope(settings)
    return found, question, scope


def _place(text: str, logprobs: Iterable[tuple[str, float]]) -> tuple[TokenScore, ...]:
    tokens = [(token.encode("utf-8", "surrogatepass"), float(value)) for token, value in logprobs]
    placed = place_tokens(text, tokens)
    if tokens and not placed:
        cure = "pass all tokens of the text, in order, as (token, log-probability)"
        raise ConfigError("screen(logprobs=...)", f"{len(tokens)} tokens", cure)
    return placed


def _close(
    scope: Scope | None, decision: Decision | None, error: BaseException | None = None
) -> None:
    if scope is None:
        return
    with SHIELD:
        if decision is not None and scope.span.is_recording():
            scope.span.set_attribute(names.GUARD_ACTION, decision.action)
            now_ns = scope.runtime.clock()
            for ruling in decision.rulings:
                scope.span.add_event(names.VERDICT_EVENT, verdict_attributes(ruling), now_ns)
    scope.end(error=error)
