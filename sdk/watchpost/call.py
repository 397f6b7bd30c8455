"""One model call from its request to its end: what a patched client's shells drive.

A `Call` is mutable and lives one call. It opens the span, lets guards see what goes out and comes
back, and leaves behind a frozen `Generation` that becomes attributes when somebody reads them. It
does no waiting of its own, so that sync and async shells share it; it does not know any client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from watchpost import attributes as names
from watchpost.deferred import defer
from watchpost.errors import Blocked, GuardUnavailable, WatchpostError
from watchpost.http_status import find_status
from watchpost.inquiry import Asked, Text, add_certainty, list_texts, read_asked, read_system
from watchpost.masking.vault import Vault, find_vault
from watchpost.origin import find_origin
from watchpost.prompts.filled import prefer_filled
from watchpost.providers.provider import Provider, get, visit_request
from watchpost.providers.stages import Visit
from watchpost.record import (
    Attribute,
    Generation,
    Request,
    Result,
    snapshot,
    to_attributes,
)
from watchpost.runtime import SHIELD, active
from watchpost.scope import Scope, current_scope, find_policy, mark_error, name_error

if TYPE_CHECKING:
    from watchpost.screening.decision import Decision, Ruling
    from watchpost.screening.guard import Direction, Question

CALL = otel.create_key("watchpost-call")

_TOKEN_BYTES = 5
_CHUNK_BYTES = 1000
# An answer in more parts (log-probabilities are that) is read about as soon as it is copied.
_MOST_PARTS = 300


class Call:
    """The life of one call. `body` is what is sent, `context` where its parts run."""

    __slots__ = (
        *("body", "chunks", "context", "held_characters", "held_ns", "policy", "provider"),
        *("retries", "rulings", "runtime", "scope", "server", "span", "streaming", "vault"),
        *("_answer", "_asked", "_blocked", "_ended", "_error_type"),
        *("_first_ns", "_http_status", "_kept", "_name", "_origin", "_result", "_started_ns"),
        *("_stream_end", "_unread", "_weight"),
    )

    def __init__(
        self, provider: Provider, name: str, server: str, body: Mapping[str, Any], streaming: bool
    ) -> None:
        self.runtime = runtime = active()
        around = otel.get_current()
        self.scope: Scope | None = current_scope()
        # As of now: what is said in the scope while this call runs is about later ones.
        said = self.scope.origin_here() if self.scope else find_origin(around)
        self._origin = prefer_filled(said, body, provider.roots)
        self.provider = provider
        self.server = server
        self.body = body
        self.streaming = streaming
        self.policy = find_policy(around) or runtime.policy
        self.rulings: tuple[Ruling, ...] = ()
        self.retries = 0
        self.chunks: list[Any] = []
        self.held_characters = self.held_ns = 0
        self.vault = find_vault(around)
        if self.vault is not None:
            _keep_out(self.vault, self.scope)
        self._name = name
        self._kept: dict[str, Any] = {}
        self._result: Result | None = None
        self._answer: Any = None
        self._asked: Asked | None = None
        self._unread: Any = None
        self._first_ns = 0
        self._error_type = ""
        self._http_status = 0
        self._blocked = self._ended = False
        self._stream_end = ""
        self._weight = 0
        self._started_ns = runtime.clock()
        self.span = runtime.tracer.start_span(
            f"{provider.operation} {body.get('model', '')}",
            around,
            SpanKind.CLIENT,
            start_time=self._started_ns,
        )
        inside = trace.set_span_in_context(self.span, around)
        self.context: Context = otel.set_value(CALL, self, inside)

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of this call."""
        return self._ended

    def keep_request(self) -> None:
        """Keep the request as it is sent; to be called after guards have seen it."""
        if not self.span.is_recording():
            return
        with SHIELD:
            # Tool schemas are long and nobody rewrites them: they are shared, not copied.
            tools = self.body.get("tools")
            self._kept, self._weight = snapshot({**self.body, "tools": None})
            if isinstance(tools, list):
                self._kept["tools"] = tools.copy()

    # --- guards -------------------------------------------------------------------------------

    def has_rules(self, whole: Direction) -> bool:
        """Whether any guard looks at anything in the request ("input") or the answer ("output")."""
        return self.policy is not None and bool(self.policy.rules_within(whole))

    @property
    def is_checked(self) -> bool:
        """Whether a stream is looked at, or changed, on its way to the caller."""
        return self.vault is not None or self.has_rules("output")

    @property
    def holds(self) -> bool:
        """Whether a stream must be checked whole before any of it is shown."""
        if self.policy is None:
            return False
        from watchpost.screening.policy import WITHHOLDING

        return any(rule.action in WITHHOLDING for rule in self.policy.rules_within("output"))

    def ask_input(self) -> Sequence[Question]:
        """The texts about to be sent."""
        return self._ask(
            "input", lambda visit: visit_request(self.body, self.provider.roots, visit)
        )

    def ask_result(self, result: Any) -> Sequence[Question]:
        """The texts that came back at once."""
        asked = self._ask("output", lambda visit: self.provider.visit_result(result, visit))
        return add_certainty(self.provider, asked, [result], is_stream=False)

    def ask_stream(self) -> Sequence[Question]:
        """The texts that came back in chunks, each whole."""
        asked = self._ask("output", lambda visit: self.provider.visit_stream(self.chunks, visit))
        return add_certainty(self.provider, asked, self.chunks, is_stream=True)

    def make_questions(
        self, texts: Sequence[Text], whole: Direction = "output"
    ) -> Sequence[Question]:
        """What guards are asked about texts of this call's request or answer."""
        from watchpost.screening.guard import Question

        model = str(self.body.get("model", ""))
        if whole == "input":
            own = read_system(self.provider, self._kept or snapshot(self.body)[0])
            return [
                Question(text, stage, model, within=whole, is_system=text in own)
                for text, stage in texts
            ]
        sources = self.scope.sources_here() if self.scope else ()
        if self._asked is None:  # A stream asks about its texts many times.
            self._asked = read_asked(self.provider, self._kept or snapshot(self.body)[0])
        asked = self._asked
        return [
            Question(
                *(text, stage, model, sources),
                within=whole,
                prompt=asked.prompt,
                system=asked.system,
            )
            for text, stage in texts
        ]

    def apply_input(self, decision: Decision, change: Visit) -> None:
        """Change what is sent where the decision redacts. Raises Blocked or GuardUnavailable."""
        self._enforce(decision)
        if decision.action == "redact":
            self.body = visit_request(self.body, self.provider.roots, change)

    def apply_result(self, result: Any, decision: Decision) -> None:
        """Put the decision's texts into a result. Raises Blocked or GuardUnavailable."""
        self._enforce(decision, result)
        if decision.action == "redact":
            self.provider.visit_result(result, hand_out(decision))

    def apply_stream(self, decision: Decision) -> None:
        """Put the decision's texts into a held stream. Raises Blocked or GuardUnavailable."""
        self._enforce(decision)
        if decision.action == "redact":
            self.provider.visit_stream(self.chunks, hand_out(decision))

    def stop_stream(self, error: BaseException, held: Sequence[Any]) -> None:
        """End a stream that is not to go on: what it cost is known by all of it that came.

        `chunks` are what was shown, and all that is recorded of its words; `held` were not.
        """
        self._blocked = True
        with SHIELD:
            told = self.provider.read_stream([*self.chunks, *held])
            shown = self.provider.read_stream(self.chunks).messages if self.chunks else ()
            said = [m for m in shown if any(part.get("content", True) for part in m["parts"])]
            self._result = replace(told, messages=said)
        self.end(error=error)

    def refuse(self, decision: Decision) -> None:
        """Block where a redaction was decided but cannot be put into what the user gets."""
        self._blocked = True
        self.rulings = (*self.rulings, *decision.rulings)
        error = Blocked("output", decision.verdicts)
        self.end(error=error)
        raise error

    # --- the answer -----------------------------------------------------------------------------

    def see(self, chunk: Any) -> None:
        """Keep one chunk of a stream as it passes."""
        self.chunks.append(chunk)
        self.time_output(chunk)

    def time_output(self, chunk: Any) -> None:
        """Note when a stream's first output came."""
        if not self._first_ns:
            with SHIELD:
                if self.provider.has_output(chunk):
                    self._first_ns = self.runtime.clock()

    def complete(self, result: Any) -> None:
        """End with a whole result, and only then put back in it what a vault hid."""
        if result is not None and self.span.is_recording():
            self._answer = result
            with SHIELD:
                self._keep_answer(result)
        self.end()
        if self.vault is not None and result is not None:
            with SHIELD:
                self.provider.visit_result(result, self.vault.restore)

    def _keep_answer(self, result: Any) -> None:
        if self.provider.reads_snapshots:
            # Reading takes several times as long as this, and can be done elsewhere.
            with suppress(OverflowError, RecursionError):
                self._unread, weight = snapshot(result, most_opened=_MOST_PARTS)
                self._weight += weight
                return
        self._result = self.provider.read_result(result)

    def end(self, error: BaseException | None = None, *, closed: bool = False) -> None:
        """End the span with what was seen. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        if isinstance(error, GeneratorExit):
            error, closed = None, True
        if closed:
            self._stream_end = "closed"
        elif error is not None and self.chunks:
            self._stream_end = "error"
        with SHIELD:
            self._describe(error)
        with SHIELD:
            self.span.end(end_time=self.runtime.clock())

    def _describe(self, error: BaseException | None) -> None:
        if self.scope is not None:
            known = self._result.id if self._result else get(self._unread, "id", "")
            self.scope.count_generation(known, self._answer)
        self._answer = None
        if not self.span.is_recording():
            return
        if error is not None:
            # The error itself is not kept: it holds the frames, and what was in them.
            self._error_type = name_error(error)
            mark_error(self.span, error, self.runtime)
            with SHIELD:
                self._http_status = find_status(error)
        if self.held_ns:
            self.span.set_attribute(names.STREAM_HELD_CHARACTERS, self.held_characters)
            self.span.set_attribute(names.STREAM_HELD_MS, self.held_ns / 1e6)
        if self.rulings:
            from watchpost.screening.decision import verdict_attributes

            now_ns = self.runtime.clock()
            for ruling in self.rulings:
                self.span.add_event(names.VERDICT_EVENT, verdict_attributes(ruling), now_ns)
        weight = self._weight + _CHUNK_BYTES * len(self.chunks)
        if self._result is not None and self._result.usage is not None:
            weight += _TOKEN_BYTES * self._result.usage.output_tokens
        defer(self.span, self._attributes, weight)

    def _attributes(self) -> dict[str, Attribute]:
        from watchpost.accounting import settle

        result = self._result
        with SHIELD:
            if self.chunks and not self._blocked:
                result = self.provider.read_stream(self.chunks)
            elif self._unread is not None and result is None:
                result = self.provider.read_result(self._unread)
        first_ns = self._first_ns
        generation = Generation(
            operation=self.provider.operation,
            provider=(result.provider if result else "") or self._name,
            server=self.server,
            request=self.provider.read_request(self._kept) if self._kept else Request(),
            result=result or Result(),
            origin=self._origin,
            streaming=self.streaming,
            time_to_first_token_s=(first_ns - self._started_ns) / 1e9 if first_ns else None,
            retries=self.retries,
            error_type=self._error_type,
            http_status=self._http_status,
            stream_end=self._stream_end,
            blocked=self._blocked,
            guard_action=self._worst_action(),
        )
        settled = settle(generation, self.runtime.prices, self._started_ns)
        if self.runtime.notice is not None:
            self.runtime.notice(settled)
        return to_attributes(settled, content=self.runtime.content)

    def _worst_action(self) -> str:
        if not self.rulings:
            return ""
        from watchpost.screening.decision import worst_action

        return worst_action(ruling.action for ruling in self.rulings)

    def _ask(self, whole: Direction, walk: Callable[[Visit], object]) -> Sequence[Question]:
        try:
            found = list_texts(walk, whole)
        except Exception as error:
            # What cannot be shown to a guard must not pass it.
            trouble = GuardUnavailable("watchpost", type(error).__name__)
            self.end(error=trouble)
            raise trouble from error
        return self.make_questions(found, whole)

    def _enforce(self, decision: Decision, result: Any = None) -> None:
        from watchpost.screening.decision import enforce

        self.rulings = (*self.rulings, *decision.rulings)
        try:
            enforce(decision)
        except WatchpostError as error:
            self._blocked = True
            if result is not None or self.chunks:
                self._keep_withheld(result)
            if not self._kept:
                # It was never sent, and the text is what a guard objected to.
                roots = self.provider.roots
                self.body = {key: v for key, v in self.body.items() if key not in roots}
                self.keep_request()
            self.end(error=error)
            raise

    def _keep_withheld(self, result: Any) -> None:
        """A blocked answer was paid for: everything about it is kept but its words."""
        with SHIELD:
            if result is None:
                read = self.provider.read_stream(self.chunks)
            else:
                read = self.provider.read_result(result)
            self._result = replace(read, messages=())


def _keep_out(vault: Vault, scope: Scope | None) -> None:
    """Keep what a vault puts back inside a scope out of its span and of those around."""
    while scope is not None:
        if vault not in scope.vaults:
            scope.vaults = (*scope.vaults, vault)
        scope = scope.parent


def hand_out(decision: Decision) -> Visit:
    """Hands the decision's texts out in the order they were asked about."""
    texts = iter(decision.texts)
    return lambda text: next(texts) if text else text
