"""Langfuse's SDK with nothing but its base URL changed: its OpenAI client, and Anthropic traced
by OpenLLMetry's instrumentor, which is what Langfuse's documentation says to use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import calls
from langfuse import Langfuse, get_client, propagate_attributes
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor


def start() -> None:
    # The base URL is what OTEL_EXPORTER_OTLP_ENDPOINT is to the others; the path is its own.
    Langfuse(
        base_url=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        public_key="pk-lf-interop",
        secret_key="sk-lf-interop",
    )
    AnthropicInstrumentor().instrument()


def make_openai(**settings: Any) -> Any:
    from langfuse.openai import openai

    return openai.OpenAI(**settings)


def within(ask: Callable[[], None]) -> None:
    """A trace of a session and a user, its calls linked to a prompt."""
    with (
        get_client().start_as_current_observation(name="desk"),
        propagate_attributes(
            session_id=calls.SESSION,
            user_id=calls.USER,
            prompt={"name": calls.PROMPT_NAME, "version": calls.PROMPT_VERSION},
        ),
    ):
        ask()


def stop() -> None:
    get_client().shutdown()
