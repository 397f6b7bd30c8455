"""Who is compared: each set up as its own documentation says, with nothing but its URL changed.

Each runs in an environment of its own, so that nothing is imported before it is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from calls import ask, make_async_client, make_client


def _same(client: Any) -> Any:
    return client


@dataclass(frozen=True, slots=True)
class Contender:
    """A recorder that was started: how to call, to deliver what it has, and to end it."""

    flush: Callable[[], object]
    stop: Callable[[], object]
    ask: Callable[[Any, str], Any] = ask
    patch: Callable[[Any], Any] = _same
    make: Callable[[], Any] = make_client
    make_async: Callable[[], Any] = make_async_client

    def connect(self, shape: str) -> Any:
        """A client whose calls are recorded."""
        return self.patch(self.make_async() if shape == "async" else self.make())


def start_watchpost(endpoint: str) -> Contender:
    """Ours."""
    import watchpost

    watchpost.configure(endpoint=endpoint, service="watchpost")
    return Contender(lambda: watchpost.flush(120), watchpost.shutdown, patch=watchpost.patch)


def start_otel(endpoint: str) -> Contender:
    """OpenTelemetry's own SDK, batch processor and exporter, with the same attributes."""
    from bare import Bare
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "otel"}))
    exporter = OTLPSpanExporter(endpoint + "/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    bare = Bare(provider.get_tracer("bench"))
    return Contender(lambda: provider.force_flush(120_000), provider.shutdown, bare.ask)


def start_langfuse(endpoint: str) -> Contender:
    """Langfuse's SDK, its OpenAI integration imported as documented."""
    from langfuse import Langfuse, get_client

    Langfuse(base_url=endpoint, public_key="pk-lf-bench", secret_key="sk-lf-bench")
    import langfuse.openai  # noqa: F401 - importing it instruments

    return Contender(lambda: get_client().flush(), lambda: get_client().shutdown())


def start_openllmetry(endpoint: str) -> Contender:
    """OpenLLMetry through Traceloop's SDK."""
    from opentelemetry import trace
    from traceloop.sdk import Traceloop
    from traceloop.sdk.instruments import Instruments

    Traceloop.init(
        app_name="openllmetry",
        api_endpoint=endpoint,
        headers={"x-bench": "1"},  # headers instead of a key of Traceloop's own service
        instruments={Instruments.OPENAI},
        telemetry_enabled=False,
    )
    provider: Any = trace.get_tracer_provider()
    return Contender(lambda: provider.force_flush(120_000), provider.shutdown)


def start_logfire(endpoint: str) -> Contender:
    """Logfire's SDK, exporting to the standard endpoint."""
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    import logfire

    logfire.configure(send_to_logfire=False, console=False, service_name="logfire")

    def patch(client: Any) -> Any:
        # The client itself and not its class, whose method these clients do not use.
        logfire.instrument_openai(client)
        return client

    return Contender(lambda: logfire.force_flush(120_000), logfire.shutdown, patch=patch)


STARTS = {
    "watchpost": start_watchpost,
    "otel": start_otel,
    "langfuse": start_langfuse,
    "openllmetry": start_openllmetry,
    "logfire": start_logfire,
}
DISTRIBUTIONS = {
    "watchpost": ("watchpost",),
    "otel": ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
    "langfuse": ("langfuse",),
    "openllmetry": ("traceloop-sdk",),
    "logfire": ("logfire",),
}
