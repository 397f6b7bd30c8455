"""OpenLIT, its endpoint from the environment; older clients, because it pins them."""

from __future__ import annotations

import os
from collections.abc import Callable

import calls
import openlit
from opentelemetry import trace


def start() -> None:
    openlit.init(application_name=os.environ["OTEL_SERVICE_NAME"], environment="interop")


def within(ask: Callable[[], None]) -> None:
    openlit.inject_additional_attributes(ask, {"session.id": calls.SESSION, "user.id": calls.USER})


def stop() -> None:
    provider = trace.get_tracer_provider()
    provider.force_flush()
    provider.shutdown()
