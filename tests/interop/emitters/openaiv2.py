"""The first official OpenAI package in its default form: one event a message. Anthropic is left
to what its own client traces.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_provider = TracerProvider()
_logger_provider = LoggerProvider()


def start() -> None:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)
    _logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(_logger_provider)
    OpenAIInstrumentor().instrument()


def within(ask: Callable[[], None]) -> None:
    """These conventions have no session, no user and no prompt."""
    ask()


def stop() -> None:
    _provider.shutdown()
    _logger_provider.shutdown()
