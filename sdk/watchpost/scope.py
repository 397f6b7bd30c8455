"""Scopes: the stretch of a program one `@observe` or `span` stands for, and what it hands down.

A scope travels in OpenTelemetry's context beside its span, so it goes wherever the trace goes.
Prompt, session, user, tags, segments and policy flow from it to the calls inside. It does not know
providers' formats; what a function returned is read by `recorded`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode

from watchpost import attributes as names
from watchpost.deferred import defer
from watchpost.documents import Document, read_documents
from watchpost.errors import ConfigError
from watchpost.kinds import describe_kind
from watchpost.masking.vault import Vault, conceal_all
from watchpost.origin import PROMPT_FIELDS, change_origin, find_origin, take_prompt
from watchpost.record import Attribute, Origin, origin_attributes, snapshot
from watchpost.runtime import SHIELD, Runtime, active
from watchpost.screening.declared import declare

if TYPE_CHECKING:
    from watchpost.record import Generation
    from watchpost.screening.policy import Policy

SCOPE = otel.create_key("watchpost-scope")
POLICY = otel.create_key("watchpost-policy")

P = ParamSpec("P")
R = TypeVar("R")

# What a function returns is among the last answers it got; older ones need not be kept for it.
_SEEN_OBJECTS = 16
# What an answer is checked against: the documents retrieved last.
_SOURCES = 256

# The prompt last named in this task or thread, and the scope it was named in: tasks that share a
# scope may each be at a prompt of their own.
_prompted: ContextVar[tuple[object, Origin] | None] = ContextVar("watchpost-prompt", default=None)


@dataclass(frozen=True, slots=True)
class ScopeSettings:
    """What was written at a decorator or a `span`."""

    name: str
    kind: str = names.CHAIN
    changes: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy | None = None


class Scope:
    """One run of an observed function, from its start to its end."""

    __slots__ = (
        *("context", "documents", "generations", "inputs", "kind", "mark", "name", "origin"),
        *("parent", "policy", "recorded", "runtime", "seen", "seen_objects", "sources", "span"),
        *("started_ns", "vaults", "weight", "_ended", "generation"),
    )

    def __init__(self, settings: ScopeSettings) -> None:
        self.runtime: Runtime = active()
        around = otel.get_current()
        parent = around.get(SCOPE)
        self.parent: Scope | None = parent if isinstance(parent, Scope) else None
        self.name = settings.name
        self.kind = settings.kind
        self.mark = object()
        inherited = self.parent.origin_here() if self.parent else find_origin(around)
        self.origin: Origin = change_origin(inherited, settings.changes)
        self.policy: Policy | None = settings.policy or find_policy(around)
        declare(settings.policy)
        self.generations = 0
        self.seen: set[str] = set()
        self.seen_objects: deque[Any] = deque(maxlen=_SEEN_OBJECTS)
        self.recorded: list[tuple[Any, int]] = []
        self.generation: Generation | None = None
        self.documents: list[Document] = []
        self.sources: deque[str] = deque(maxlen=_SOURCES)
        self.inputs: Any = None
        self.vaults: tuple[Vault, ...] = ()
        self.weight = 0
        self.started_ns = self.runtime.clock()
        self.span = self.runtime.tracer.start_span(self.name, around, start_time=self.started_ns)
        self.context: Context = otel.set_value(
            SCOPE, self, trace.set_span_in_context(self.span, around)
        )
        self._ended = False

    def change(self, changes: Mapping[str, Any]) -> None:
        """Say whose the calls are that start in this scope after this; see `change_origin`."""
        self.origin = change_origin(self.origin_here(), changes)
        if any(field in changes for field in PROMPT_FIELDS):
            _prompted.set((self.mark, self.origin))

    def follow_prompt(self, prompt: Origin, sizes: Mapping[str, int]) -> None:
        """Say which prompt was just filled in here, and how many characters each variable has."""
        said = take_prompt(self.origin, prompt)
        self.origin = replace(said, sizes=sizes)
        _prompted.set((self.mark, self.origin))

    def origin_here(self) -> Origin:
        """Whose a call is that starts now, by the prompt that this task or thread named."""
        said = _prompted.get()
        if said is None or said[0] is not self.mark or said[1] is self.origin:
            return self.origin
        return take_prompt(self.origin, said[1])

    def take_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Keep what the function was given, as it was."""
        if self.span.is_recording() and self.runtime.content:
            self.inputs, self.weight = snapshot(inputs)

    def count_generation(self, response_id: str, response: Any = None) -> None:
        """A model call inside was recorded by itself: this scope and those around carry none.

        A response that has no id is known again by being the same object.
        """
        scope: Scope | None = self
        while scope is not None:
            scope.generations += 1
            if response_id:
                scope.seen.add(response_id)
            elif response is not None:
                scope.seen_objects.append(response)
            scope = scope.parent

    def record(self, response: Any) -> None:
        """Note a provider's response that no patched client saw."""
        self.recorded.append((response, self.runtime.clock()))

    def take_documents(self, given: Any) -> None:
        """Keep what was retrieved: for the retriever's span, and for guards of answers to come.

        In another scope than a retriever's it becomes a retriever's span below.
        """
        documents = read_documents(given)
        if not documents:
            return
        if self.kind == names.RETRIEVER:
            self.documents += documents
        else:
            self._emit_retrieval(documents)
        scope: Scope | None = self
        while scope is not None:
            scope.sources.extend(document["content"] for document in documents)
            scope = scope.parent

    def sources_here(self) -> tuple[str, ...]:
        """The documents that an answer given here can be checked against: the nearest there are."""
        scope: Scope | None = self
        while scope is not None and not scope.sources:
            scope = scope.parent
        return tuple(scope.sources) if scope is not None else ()

    def _emit_retrieval(self, documents: list[Document]) -> None:
        now_ns = self.runtime.clock()
        span = self.runtime.tracer.start_span("retrieval", self.context, start_time=now_ns)
        kept = documents if self.runtime.content else []
        origin = self.origin_here()

        def produce() -> dict[str, Attribute]:
            found = describe_kind(names.RETRIEVER, self.name, None, None, kept)
            return {**origin_attributes(origin), **found}

        defer(span, produce, _weigh(kept))
        span.end(end_time=now_ns)

    def end(self, output: Any = None, error: BaseException | None = None) -> None:
        """End the span with what the function returned or raised."""
        if self._ended:
            return
        self._ended = True
        with SHIELD:
            self._describe(output, error)
        with SHIELD:
            self.span.end(end_time=self.runtime.clock())

    def _describe(self, output: Any, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, GeneratorExit):
            mark_error(self.span, error, self.runtime)
        if self.kind == names.RETRIEVER and not self.documents:
            with SHIELD:  # Foreign objects are asked for their text.
                self.take_documents(output)
        if not self.span.is_recording():
            return
        from watchpost.recorded import settle_scope

        output = settle_scope(self, output, failed=error is not None)
        kept, weight = snapshot(output) if self.runtime.content else (None, 0)
        weight += self.weight + _weigh(self.documents)
        # Its name alone: an error that waits to be exported would hold its frames so long.
        failed = name_error(error) if error is not None else ""
        defer(self.span, lambda: conceal_all(self.vaults, self._attributes(kept, failed)), weight)

    def _attributes(self, output: Any, failed: str) -> dict[str, Attribute]:
        if self.generation is not None:
            from watchpost.recorded import generation_attributes

            generation = replace(self.generation, error_type=failed)
            return generation_attributes(generation, self.runtime, self.started_ns)
        documents = self.documents if self.runtime.content else []
        found = describe_kind(self.kind, self.name, self.inputs, output, documents)
        found.update(origin_attributes(self.origin))
        if failed:
            found[names.ERROR_TYPE] = failed
        return found


class Handle:
    """Where one stands: the innermost scope and span, for links, records and late labels."""

    __slots__ = ("_scope", "_span")

    def __init__(self, scope: Scope | None, span: trace.Span) -> None:
        self._scope = scope
        self._span = span

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; zeros when nothing is being recorded."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; zeros when nothing is being recorded."""
        return trace.format_span_id(self._span.get_span_context().span_id)

    def record(self, response: Any) -> None:
        """Record a provider's response of a client that is not patched.

        The enclosing observed function becomes its generation. Outside of one, nothing happens.
        """
        with SHIELD:
            if self._scope is not None:
                self._scope.record(response)

    def record_documents(self, documents: Iterable[Any]) -> None:
        """Record what was retrieved, so that guards can check answers against it.

        A document is a text, a mapping with `content` (or `text`, `page_content`) and, where known,
        `id` and `score`, such an object of a framework, or a pair of one and its score. In an
        observed retriever it becomes part of its span, elsewhere a span of its own.
        """
        with SHIELD:
            if self._scope is not None:
                self._scope.take_documents(list(documents))

    def headers(self) -> dict[str, str]:
        """This place as W3C headers (`traceparent`, `baggage`), for `watchpost.continue_from`.

        Prompt, session, user, tags and segments go along in the baggage: send it to your own
        processes, not to strangers.
        """
        from watchpost.propagation import write_headers

        found: dict[str, str] = {}
        with SHIELD:
            if self._scope is not None:
                found = write_headers(self._scope.context, self._scope.origin_here())
            else:
                here = otel.get_current()
                found = write_headers(here, find_origin(here))
        return found

    def set(self, **values: Any) -> None:
        """Set `prompt`, `version`, `template`, `session`, `user`, `tags`; the rest are segments.

        Holds for this scope's span and for calls that start after it.
        """
        with SHIELD:
            if self._scope is not None:
                self._scope.change(values)

    def carry(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, running in this place when another thread calls it.

        Threads and executors do not take the context along: `pool.submit(current().carry(work))`.
        """
        here = self._scope.context if self._scope is not None else otel.get_current()

        def carried(*args: P.args, **kwargs: P.kwargs) -> R:
            token = otel.attach(here)
            try:
                return function(*args, **kwargs)
            finally:
                detach(token)

        return carried


class Span:
    """A scope as a `with` block, plain or async; a new one each time it is entered."""

    __slots__ = ("_open", "_settings")

    def __init__(self, settings: ScopeSettings) -> None:
        self._settings = settings
        self._open: list[tuple[Scope, Token[Context]] | None] = []

    def __enter__(self) -> Handle:
        with SHIELD:
            scope = Scope(self._settings)
            self._open.append((scope, otel.attach(scope.context)))
            return Handle(scope, scope.span)
        self._open.append(None)
        return Handle(None, trace.INVALID_SPAN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        opened = self._open.pop()
        if opened is not None:
            scope, token = opened
            detach(token)
            scope.end(error=error)

    async def __aenter__(self) -> Handle:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace_back)


def find_policy(context: Context) -> Policy | None:
    """The policy of the functions around; what was configured stands behind it."""
    scope = context.get(SCOPE)
    if isinstance(scope, Scope):
        return scope.policy
    return cast("Policy | None", context.get(POLICY))


def current_scope() -> Scope | None:
    """The innermost scope of this context."""
    scope = otel.get_current().get(SCOPE)
    return scope if isinstance(scope, Scope) else None


def current() -> Handle:
    """Where one stands now. Never None: outside everything its ids are zeros."""
    scope = current_scope()
    return Handle(scope, scope.span if scope is not None else trace.get_current_span())


def detach(token: Token[Context]) -> None:
    """Leave a context that was attached, also from a task or thread that never entered it."""
    try:
        token.var.reset(token)
    except ValueError:
        # A generator may be closed from elsewhere; there is nothing to restore there.
        return


def make_settings(name: str, kind: str, policy: Policy | None, **changes: Any) -> ScopeSettings:
    """Settings from a decorator's keywords. Raises ConfigError for a value nobody can use."""
    if kind not in names.KINDS:
        raise ConfigError("kind", kind, f"use one of {', '.join(names.KINDS)}")
    declare(policy)
    segments = changes.pop("segments", None) or {}
    given = {key: value for key, value in changes.items() if value not in (None, ())}
    return ScopeSettings(name, kind, {**segments, **given}, policy)


def mark_error(span: trace.Span, error: BaseException, runtime: Runtime) -> None:
    """Say on a span that it failed; what the error says only where content is kept."""
    told = None
    if runtime.content:
        with SHIELD:  # How an exception is written is its author's code.
            told = str(error)
    span.set_status(Status(StatusCode.ERROR, told))
    if told is not None and isinstance(error, Exception):
        span.record_exception(error, timestamp=runtime.clock())


def _weigh(documents: list[Document]) -> int:
    return sum(len(document["content"]) for document in documents)


def name_error(error: BaseException) -> str:
    """What `error.type` calls an exception: its class."""
    return type(error).__qualname__
