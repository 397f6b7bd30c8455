"""What an observed function returned or recorded, read as a model call where it is one.

Patched clients record their own calls; this is for the others. One response makes the function's
own span the generation; several, or one beside a patched call, become spans below it. It knows
scopes and provider shapes, no client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from watchpost import attributes as names
from watchpost.deferred import defer
from watchpost.providers import find_by_chunk, find_by_result
from watchpost.providers.provider import Provider, message, text_part
from watchpost.record import Attribute, Generation, Request, Result, dump, to_attributes
from watchpost.runtime import SHIELD, Runtime

if TYPE_CHECKING:
    from watchpost.scope import Scope

_PLAIN = (str, bytes, int, float, bool, type(None))
_CHUNKS = 100_000
_TEXT_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """A response that was read: whose it is, what it says, when it was there."""

    provider: Provider
    result: Result
    time_ns: int
    streaming: bool = False
    first_ns: int = 0


def settle_scope(scope: Scope, output: Any, *, failed: bool = False) -> Any:
    """Turn what a scope recorded into generations; returns what is left as its output."""
    fresh = _read_fresh(scope, output)
    if not fresh:
        if not failed:
            _warn_unread(scope)
        return output
    ids = [read.result.id for read in fresh]
    if len(fresh) == 1 and not scope.generations:
        scope.kind = names.GENERATION
        scope.generation = _generation_of(scope, fresh[0], scope.started_ns)
        if scope.parent is not None:
            scope.parent.count_generation(ids[0])
        return None
    started_ns = scope.started_ns
    for read in fresh:
        _emit(scope, read, started_ns)
        started_ns = read.time_ns
        scope.count_generation(read.result.id)
    return None if _is_read(output) else output


class ScopeStream:
    """Follows a stream an observed function returned, and ends its scope with it."""

    __slots__ = ("_characters", "_chunks", "_first_ns", "_provider", "_scope", "context")

    def __init__(self, scope: Scope) -> None:
        self.context = scope.context
        self._scope = scope
        self._chunks: list[Any] = []
        self._provider: Provider | None = None
        self._first_ns = 0
        self._characters = 0

    def see(self, chunk: Any) -> None:
        """Keep what can be read later: text, and the chunks of a provider nobody patched."""
        if isinstance(chunk, str):
            self._characters += len(chunk)
            if self._characters <= _TEXT_CHARACTERS:
                self._chunks.append(chunk)
        elif self._scope.generations == 0 and len(self._chunks) < _CHUNKS:
            self._see_piece(chunk)

    def end(self, error: BaseException | None = None, *, closed: bool = False) -> None:
        """End the scope with what was seen."""
        if isinstance(error, GeneratorExit):
            error = None
        scope = self._scope
        with SHIELD:
            if self._provider is not None and scope.generations == 0:
                now_ns = scope.runtime.clock()
                result = self._provider.read_stream(self._chunks)
                scope.recorded.append(
                    (Read(self._provider, result, now_ns, True, self._first_ns), now_ns)
                )
        texts = [chunk for chunk in self._chunks if isinstance(chunk, str)]
        scope.end("".join(texts) if texts else None, error)

    def _see_piece(self, chunk: Any) -> None:
        with SHIELD:
            if self._provider is None and not self._chunks:
                self._provider = find_by_chunk(chunk)
            if self._provider is None:
                return
            self._chunks.append(chunk)
            if not self._first_ns and self._provider.has_output(chunk):
                self._first_ns = self._scope.runtime.clock()


def _read_fresh(scope: Scope, output: Any) -> list[Read]:
    """The responses of this scope that no span has recorded yet."""
    fresh: list[Read] = []
    responses = list(scope.recorded)
    if _is_read(output) and all(output is not response for response, _ in responses):
        responses.append((output, scope.runtime.clock()))
    for response, time_ns in responses:
        if any(_is_same(response, seen) for seen in scope.seen_objects):
            continue
        if isinstance(response, Read):
            fresh.append(response)
        elif (provider := _find(response)) is None:
            SHIELD.tell_once(
                f"record:{type(response).__name__}",
                "current().record() was given a %s, which is no provider's response",
                type(response).__name__,
            )
        else:
            fresh.append(Read(provider, provider.read_result(response), time_ns))
    return [read for read in fresh if not read.result.id or read.result.id not in scope.seen]


def _is_same(response: Any, seen: Any) -> bool:
    """Whether a patched call gave this, or gave the text that it was parsed from."""
    return response is seen or (type(response) is dict and response == seen)


def _find(response: Any) -> Provider | None:
    return None if isinstance(response, _PLAIN) else find_by_result(response)


def _is_read(output: Any) -> bool:
    return _find(output) is not None


def _generation_of(scope: Scope, read: Read, started_ns: int) -> Generation:
    first_ns = read.first_ns
    return Generation(
        operation=read.provider.operation,
        provider=read.result.provider or read.provider.name,
        request=_request_of(scope.inputs, read.provider),
        result=read.result,
        origin=scope.origin_here(),
        streaming=read.streaming,
        time_to_first_token_s=(first_ns - started_ns) / 1e9 if first_ns else None,
    )


def _request_of(inputs: Any, provider: Provider) -> Request:
    """What was asked, as far as the function's arguments tell."""
    if not isinstance(inputs, Mapping) or not inputs:
        return Request()
    if _is_messages(inputs.get("messages")):
        model = inputs.get("model")
        request = provider.read_request({**inputs, "model": model or ""})
        return replace(request, model=model if isinstance(model, str) else "")
    texts = [value for value in inputs.values() if isinstance(value, str)]
    return Request(messages=[message("user", [text_part(t) for t in texts or [dump(inputs)]])])


def _is_messages(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and bool(value)
        and isinstance(value[0], Mapping)
        and "role" in value[0]
    )


def generation_attributes(
    generation: Generation, runtime: Runtime, started_ns: int
) -> dict[str, Attribute]:
    """The attributes of a finished generation, priced and counted: on a reader's thread."""
    from watchpost.accounting import settle

    settled = settle(generation, runtime.prices, started_ns)
    if runtime.notice is not None:
        runtime.notice(settled)
    return to_attributes(settled, content=runtime.content)


def _emit(scope: Scope, read: Read, started_ns: int) -> None:
    runtime = scope.runtime
    generation = _generation_of(scope, read, started_ns)
    span = runtime.tracer.start_span(
        f"{read.provider.operation} {generation.model}",
        scope.context,
        SpanKind.CLIENT,
        start_time=started_ns,
    )
    if span.is_recording():
        weight = scope.weight
        defer(span, lambda: generation_attributes(generation, runtime, started_ns), weight)
    span.end(end_time=read.time_ns)


def _warn_unread(scope: Scope) -> None:
    """An outermost function in which no model call was seen is worth one word."""
    if scope.parent is not None or scope.generations:
        return
    if scope.kind in (names.CHAIN, names.GENERATION):
        SHIELD.tell_once(
            f"unread:{scope.name}",
            "no model call was seen in '%s': patch its client with watchpost.patch(client), or "
            "hand the provider's response to watchpost.current().record(response); if it makes "
            'none, say @observe(kind="tool")',
            scope.name,
        )
