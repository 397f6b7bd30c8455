"""The official OpenTelemetry GenAI packages, messages in one event a call, and their metrics."""

from __future__ import annotations

import os
from collections.abc import Callable

import calls
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.genai.handler import get_telemetry_handler

_provider = TracerProvider()
_logger_provider = LoggerProvider()
_meter_provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])


def start() -> None:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "EVENT_ONLY"
    os.environ["OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"] = "true"
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)
    _logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(_logger_provider)
    metrics.set_meter_provider(_meter_provider)
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def within(ask: Callable[[], None]) -> None:
    """A workflow with a conversation: the calls in it take over its id."""
    with get_telemetry_handler().workflow("desk", conversation_id=calls.SESSION):
        ask()


def stop() -> None:
    _provider.shutdown()
    _logger_provider.shutdown()
    _meter_provider.shutdown()
