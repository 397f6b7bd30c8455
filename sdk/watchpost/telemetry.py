"""The OpenTelemetry SDK's one home: what `configure` sets up, and what `shutdown` takes down.

Where the application has its own tracer provider, watchpost's processor joins it; where it has
none, one is made and offered to the rest of the process. It does not know calls or scopes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from watchpost import attributes as names
from watchpost.export import build_processor
from watchpost.export.endings import heed_termination, leave_termination
from watchpost.pricing.cost import Rates, read_overrides
from watchpost.pricing.loading import load_ahead
from watchpost.runtime import SHIELD, TRACER, Runtime, install
from watchpost.screening.declared import declare
from watchpost.settings import Settings, read_settings

if TYPE_CHECKING:
    from watchpost.export.event import Event
    from watchpost.export.processor import Counts, ExportProcessor
    from watchpost.screening.policy import Policy

_log = logging.getLogger("watchpost")
_lock = threading.Lock()


class Relay(SpanProcessor):
    """Stands in a provider for whichever processor is in force.

    OpenTelemetry's processors cannot be taken out again, and its global provider is set once.
    """

    def __init__(self, provider: TracerProvider, *, is_ours: bool) -> None:
        self.provider = provider
        self.is_ours = is_ours
        self.target: ExportProcessor | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: spans are looked at when they have ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Hand a finished span on."""
        target = self.target
        if target is not None:
            target.on_end(span)

    def shutdown(self) -> None:
        """The application shuts its provider down: deliver what is left."""
        target, self.target = self.target, None
        if target is not None:
            target.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Deliver what has ended by now."""
        target = self.target
        return target.flush(timeout_millis / 1000) if target is not None else True


_relays: list[Relay] = []
_own: TracerProvider | None = None
_processor: ExportProcessor | None = None


def configure(
    *,
    endpoint: str | None = None,
    key: str | None = None,
    service: str | None = None,
    service_version: str | None = None,
    environment: str | None = None,
    project: str | None = None,
    capture: str | None = None,
    policy: Policy | None = None,
    prices: Mapping[str, Any] | str | Path | None = None,
    data_dir: str | Path | None = None,
    segments: Sequence[str] = (),
    stream_usage: bool | Sequence[str] | None = None,
    heed_sigterm: bool | None = None,
    clock: Callable[[], int] | None = None,
    enabled: bool | None = None,
) -> None:
    """Start recording. Each value is the argument, else its environment variable, else a default.

    `endpoint` is the collector's URL. `policy` applies to every call that has none of its own.
    `prices` are USD per million tokens by model. `segments` declares the names of dimensions.
    `stream_usage` False asks no server for the tokens of plain streams; a list of hosts asks these
    beside the known ones. `heed_sigterm` False leaves that signal alone, which otherwise waits
    until spans are delivered. `clock` gives nanoseconds since 1970 for every span. A second call
    replaces the first, whose spans are delivered. Raises ConfigError for a value that cannot be
    used, and nothing later.
    """
    settings = read_settings(dict(locals()), os.environ)
    overrides = read_overrides(settings.prices)
    if settings.enabled:
        _start(settings, overrides, policy, clock)
        return
    _replace(None)
    declare(policy)
    install(
        Runtime(
            trace.NoOpTracer(),
            policy=policy,
            content=False,
            deliver=_let_go,
            # What a program says to its models does not hang on whether it is recorded.
            prompts=settings.collector,
        )
    )


def _start(
    settings: Settings,
    prices: Mapping[str, Rates],
    policy: Policy | None,
    clock: Callable[[], int] | None,
) -> None:
    with SHIELD:
        load_ahead()
    processor = build_processor(
        endpoint=settings.endpoint,
        key=settings.key,
        capture=settings.capture,
        policy=policy,
        spill_dir=settings.data_dir,
        backfill=clock is not None,
    )
    provider = _find_provider(settings)
    _replace(processor, provider)
    if settings.heed_sigterm:
        heed_termination(_hasten, _settle)
    else:
        leave_termination()
    install(
        Runtime(
            provider.get_tracer(TRACER),
            clock=clock or time.time_ns,
            policy=policy,
            content=processor.keeps_content,
            prices=prices,
            segments=settings.segments,
            stream_usage=settings.stream_usage,
            deliver=lambda event: processor.take(replace(event, resource=provider.resource)),
            links=settings.collector,
            prompts=settings.collector,
        )
    )


def _let_go(event: Event) -> None:
    """Where recording is switched off, what is said is not kept."""


def flush(timeout_s: float = 10.0) -> bool:
    """Deliver what has ended by now; True when the collector has it all within the time."""
    processor = _processor
    return processor.flush(timeout_s) if processor is not None else True


def counts() -> Counts:
    """How many spans and scores were delivered, spilled to disk and dropped, and how many wait.

    Since `configure`, in this process: a forked child counts its own. All 0 where nothing records.
    """
    processor = _processor
    if processor is not None:
        return processor.counts
    from watchpost.export.processor import Counts

    return Counts(0, 0, 0, 0, 0)


def shutdown() -> None:
    """Deliver or keep what is left, and stop. Decorated code goes on, unrecorded."""
    _replace(None)
    install(None)


def _hasten() -> None:
    if _processor is not None:
        _processor.hasten()


def _settle() -> None:
    if _processor is not None:
        _processor.settle()


def _find_provider(settings: Settings) -> TracerProvider:
    """The application's own provider, or one of ours with the settings' resource."""
    global _own
    existing = trace.get_tracer_provider()
    is_global_ours = any(relay.provider is existing and relay.is_ours for relay in _relays)
    if isinstance(existing, TracerProvider) and not is_global_ours:
        return existing
    resource = Resource.create(_resource_attributes(settings))
    if _own is None or _own.resource != resource:
        _own = TracerProvider(resource=resource)
    if not is_global_ours:
        trace.set_tracer_provider(_own)
    return _own


def _resource_attributes(settings: Settings) -> dict[str, str]:
    found = {
        names.SERVICE_NAME: settings.service,
        names.SERVICE_VERSION: settings.service_version,
        names.ENVIRONMENT: settings.environment,
        names.PROJECT: settings.project,
        names.VCS_REVISION: os.environ.get("WATCHPOST_REVISION"),
    }
    return {name: value for name, value in found.items() if value}


def _replace(processor: ExportProcessor | None, provider: TracerProvider | None = None) -> None:
    """Put a processor in force everywhere, and deliver what the one before still has."""
    global _processor
    with _lock:
        earlier, _processor = _processor, processor
        if provider is not None and all(relay.provider is not provider for relay in _relays):
            relay = Relay(provider, is_ours=provider is _own)
            provider.add_span_processor(relay)
            _relays.append(relay)
        for relay in _relays:
            relay.target = processor
    if earlier is not None:
        earlier.shutdown()
