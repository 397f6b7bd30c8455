"""Screening by hand: one text, where no patched client sees it, under the policy in force.

For documents before they are put into a prompt, a tool's arguments before it runs, its result
before the model reads it, or an answer that came some other way. Each screening is a span of its
own with its verdicts, and says nothing of the text. It does not know what becomes of the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry import context as otel

from watchpost import attributes as names
from watchpost.errors import ConfigError
from watchpost.runtime import SHIELD, active
from watchpost.scope import Scope, current_scope, find_policy, make_settings
from watchpost.screening.decision import Decision, verdict_attributes
from watchpost.screening.guard import DIRECTIONS, Direction, Question
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
) -> Decision:
    """What a policy's guards make of a text: read `.text`, which raises Blocked where nothing may.

    `policy` defaults to that of the functions around, then to the configured one. `stage` says what
    the text is: "input", "output", "document", "tool_argument" or "tool_result"; `context` holds
    the documents it is to be checked against, by default those retrieved here. `.action`,
    `.verdicts` and `.fallback` tell the rest; a guard that fails never raises here. Takes as long
    as the guards do: a coroutine awaits `ascreen`. Raises ConfigError where there is no policy.
    """
    policy, question, scope = _open(text, policy, stage, context, model)
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
) -> Decision:
    """`screen`, its guards on a worker thread and not the event loop's."""
    policy, question, scope = _open(text, policy, stage, context, model)
    try:
        decision = await screen_off_loop(policy, (question,))
    except BaseException as error:
        _close(scope, None, error)
        raise
    _close(scope, decision)
    return decision


def _open(
    text: str,
    policy: Policy | None,
    stage: Direction,
    context: Sequence[str],
    model: str | None,
) -> tuple[Policy, Question, Scope | None]:
    if not isinstance(text, str):
        raise TypeError(f"a text is screened, not {type(text).__name__}: json.dumps it, say")
    if stage not in DIRECTIONS:
        raise ConfigError("screen(stage=...)", stage, f"say one of {', '.join(DIRECTIONS)}")
    if isinstance(context, str):
        raise ConfigError("screen(context=...)", "one text", "pass a list of texts")
    settings = make_settings(f"screen {stage}", names.GUARD, policy)
    found = policy or find_policy(otel.get_current()) or active().policy
    if found is None:
        cure = "pass a watchpost.Policy, or configure one"
        raise ConfigError("screen(policy=...)", policy, cure)
    around = current_scope()
    sources = tuple(context) or (around.sources_here() if around is not None else ())
    scope = None
    with SHIELD:
        scope = Scope(settings)
    return found, Question(text, stage, model, sources), scope


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
