"""OpenLLMetry through Traceloop's SDK, its base URL from the standard endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable

import calls
from opentelemetry import context, trace
from traceloop.sdk import Traceloop
from traceloop.sdk.instruments import Instruments
from traceloop.sdk.tracing.tracing import set_managed_prompt_tracing_context


def start() -> None:
    Traceloop.init(
        app_name=os.environ["OTEL_SERVICE_NAME"],
        api_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        headers={"x-interop": "1"},  # headers instead of a key of Traceloop's own service
        instruments={Instruments.OPENAI, Instruments.ANTHROPIC},
        telemetry_enabled=False,
    )


def within(ask: Callable[[], None]) -> None:
    token = context.attach(context.get_current())
    try:
        Traceloop.set_association_properties({"session_id": calls.SESSION, "user_id": calls.USER})
        # What Traceloop.get_prompt does with a prompt of their service.
        set_managed_prompt_tracing_context(
            calls.PROMPT_NAME, calls.PROMPT_VERSION, "first", "6d0f9a", {}
        )
        ask()
    finally:
        context.detach(token)


def stop() -> None:
    provider = trace.get_tracer_provider()
    provider.force_flush()
    provider.shutdown()
