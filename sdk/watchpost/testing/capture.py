"""`capture()`: what a program records, kept in memory and sent nowhere.

It puts a set-up of its own in force and the one before back at the end. What patched clients,
observed functions and guards do is the same as in production; nothing is masked on its way out,
because nothing goes out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from watchpost import attributes as names
from watchpost.pricing.cost import read_overrides
from watchpost.record import Generation
from watchpost.runtime import TRACER, active, install
from watchpost.screening.declared import DECLARED, declare

if TYPE_CHECKING:
    from watchpost.export.event import Event
    from watchpost.screening.policy import Policy


class Capture:
    """What was recorded since `capture()` began, in the order in which it ended."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._spans: list[ReadableSpan] = []
        self._generations: dict[int, Generation] = {}
        self._events: list[Event] = []
        self._reading: int | None = None

    @property
    def spans(self) -> list[ReadableSpan]:
        """Every span, with its attributes."""
        with self._lock:
            self._read()
            return list(self._spans)

    @property
    def generations(self) -> list[Generation]:
        """Every model call: priced, its tokens counted."""
        with self._lock:
            self._read()
            return [
                self._generations[index]
                for index in range(len(self._spans))
                if index in self._generations
            ]

    @property
    def generation(self) -> Generation:
        """The one model call there was. Raises AssertionError where it was none or several."""
        found = self.generations
        if len(found) != 1:
            models = ", ".join(one.model for one in found) or "none"
            raise AssertionError(f"one model call was expected, {len(found)} were seen: {models}")
        return found[0]

    @property
    def verdicts(self) -> list[Mapping[str, Any]]:
        """What guards said: the attributes `watchpost.guard.*`, one mapping a guard and call."""
        return [
            dict(event.attributes or {})
            for span in self.spans
            for event in span.events
            if event.name == names.VERDICT_EVENT
        ]

    @property
    def scores(self) -> list[Mapping[str, Any]]:
        """What `watchpost.score` was told: the attributes of the conventions' event."""
        with self._lock:
            return [
                dict(event.attributes)
                for event in self._events
                if event.name == names.EVALUATION_EVENT
            ]

    def named(self, name: str) -> ReadableSpan:
        """The one span of this name. Raises AssertionError where there is none, or several."""
        spans = self.spans
        found = [span for span in spans if span.name == name]
        if len(found) != 1:
            seen = ", ".join(sorted({span.name for span in spans})) or "none"
            raise AssertionError(f"one span '{name}' was expected, not {len(found)}; seen: {seen}")
        return found[0]

    def clear(self) -> None:
        """Forget what was recorded so far."""
        with self._lock:
            self._spans.clear()
            self._generations.clear()
            self._events.clear()

    def _read(self) -> None:
        """Let every span compute what was put off, which tells its generation."""
        for index, span in enumerate(self._spans):
            self._reading = index
            len(span.attributes or ())
        self._reading = None

    def _take_span(self, span: ReadableSpan) -> None:
        with self._lock:
            self._spans.append(span)

    def _take_event(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def _take_generation(self, generation: Generation) -> None:
        if self._reading is not None:
            self._generations[self._reading] = generation


class _Collect(SpanProcessor):
    """Hands finished spans to a capture."""

    def __init__(self, take: Callable[[ReadableSpan], None]) -> None:
        self._take = take

    def on_end(self, span: ReadableSpan) -> None:
        self._take(span)


@contextmanager
def capture(
    *,
    policy: Policy | None = None,
    clock: Callable[[], int] | None = None,
    ids: IdGenerator | None = None,
    prices: Mapping[str, Any] | None = None,
    content: bool = True,
) -> Iterator[Capture]:
    """Keep what is recorded inside the `with` block in memory instead of sending it.

    Holds for all threads of the process. `policy`, `clock` (nanoseconds since 1970) and `prices`
    are those of `configure`, and stay as configured where they are not given; `ids` makes trace and
    span ids. `content` False keeps no messages. What was configured before is in force again at
    the end; a `configure` inside replaces the capture. Raises ConfigError for prices nobody can
    use.
    """
    found = Capture()
    before = active()
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({}),
        shutdown_on_exit=False,
        id_generator=ids or RandomIdGenerator(),
    )
    provider.add_span_processor(_Collect(found._take_span))
    mine = replace(
        before,
        tracer=provider.get_tracer(TRACER),
        clock=clock or before.clock,
        policy=policy or before.policy,
        content=content,
        prices=before.prices if prices is None else read_overrides(prices),
        deliver=found._take_event,
        notice=found._take_generation,
    )
    with DECLARED.apart():
        declare(policy)
        install(mine)
        try:
            yield found
        finally:
            if active() is mine:
                install(before)
