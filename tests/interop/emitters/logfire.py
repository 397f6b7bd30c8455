"""Logfire's SDK, which exports to whatever OTEL_EXPORTER_OTLP_ENDPOINT names."""

from __future__ import annotations

from collections.abc import Callable

import calls
import logfire


def start() -> None:
    logfire.configure(send_to_logfire=False, console=False)
    logfire.instrument_openai()
    logfire.instrument_anthropic()


def within(ask: Callable[[], None]) -> None:
    """Baggage goes onto every span: Logfire has no names of its own for session and user."""
    said = {"session.id": calls.SESSION, "user.id": calls.USER}
    with logfire.set_baggage(**said), logfire.span("desk"):
        ask()


def stop() -> None:
    logfire.shutdown()
