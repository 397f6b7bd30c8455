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
    with logfire.set_baggage(**{"session.id": calls.SESSION, "user.id": calls.USER}):
        ask()


def stop() -> None:
    logfire.shutdown()
