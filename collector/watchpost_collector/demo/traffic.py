"""The live run: tickets handled side by side, over sockets, as fast as the models answer.

Against the stand-in provider, or against the real service with the caller's key. It does not know
what the tickets say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import anthropic
import openai

import watchpost
from watchpost.errors import ConfigError
from watchpost.testing.provider import ProviderServer
from watchpost_collector.demo.assistant import Assistant
from watchpost_collector.demo.models import StandInModels
from watchpost_collector.demo.setting import configure_shop
from watchpost_collector.demo.tickets import Ticket

LATEST_RELEASE = "1.6.0"
STAND_IN_WORKERS = 24
REAL_WORKERS = 4
# Enough to be a stream; word by word, a client does little else than parse events.
PIECES_A_STREAM = 12
_FLUSH_S = 60.0

Advance = Callable[[int], None]


def run_live(tickets: Sequence[tuple[Ticket, str]], endpoint: str, advance: Advance) -> None:
    """Handles the tickets with the stand-in provider on loopback."""
    with ProviderServer(StandInModels(seed=23, pieces=PIECES_A_STREAM).respond) as provider:
        assistant = Assistant(
            openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=1),
            anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=1),
        )
        _handle_all(assistant, tickets, endpoint, STAND_IN_WORKERS, advance)


def run_real(tickets: Sequence[tuple[Ticket, str]], endpoint: str, advance: Advance) -> None:
    """Handles the tickets with the real OpenAI service; the Anthropic stand-in takes the rest."""
    with ProviderServer(StandInModels(seed=23, pieces=PIECES_A_STREAM).respond) as provider:
        assistant = Assistant(
            openai.OpenAI(),
            anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=1),
        )
        _handle_all(assistant, tickets, endpoint, REAL_WORKERS, advance)


def require_openai_key(environ: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError when the real service cannot be asked."""
    if not environ.get("OPENAI_API_KEY"):
        raise ConfigError(
            "OPENAI_API_KEY",
            "",
            "set it to use the real service, or leave --provider out for the stand-in",
        )


def _handle_all(
    assistant: Assistant,
    tickets: Sequence[tuple[Ticket, str]],
    endpoint: str,
    workers: int,
    advance: Advance,
) -> None:
    configure_shop(endpoint, LATEST_RELEASE)
    with ThreadPoolExecutor(workers, thread_name_prefix="support") as pool:
        waiting = [pool.submit(assistant.handle, ticket, version) for ticket, version in tickets]
        for done in as_completed(waiting):
            error = done.exception()
            # What a provider refused is in its trace; anything else is a mistake of ours.
            if error is not None and not isinstance(error, openai.APIError | anthropic.APIError):
                raise error
            advance(1)
    watchpost.flush(_FLUSH_S)
