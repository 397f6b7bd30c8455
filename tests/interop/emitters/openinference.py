"""OpenInference: both instrumentors on an OpenTelemetry SDK, exported over gRPC."""

from __future__ import annotations

from collections.abc import Callable

import calls
from openinference.instrumentation import using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_provider = TracerProvider()


def start() -> None:
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(insecure=True)))
    trace.set_tracer_provider(_provider)
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def within(ask: Callable[[], None]) -> None:
    with using_attributes(
        session_id=calls.SESSION,
        user_id=calls.USER,
        prompt_template_version=str(calls.PROMPT_VERSION),
    ):
        ask()


def stop() -> None:
    _provider.shutdown()
