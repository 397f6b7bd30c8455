"""The live run: tickets handled side by side, over sockets, as fast as the models answer.

Against the stand-in provider, or against the real service with the caller's key. How long a call
takes is measured; a ticket of an hour ago is handled with the clock set back by an hour, so that
the shop is as busy as it is. It does not know what the tickets say.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import anthropic
import openai

import watchpost
from watchpost.errors import ConfigError
from watchpost.testing.provider import ProviderServer
from watchpost_collector.demo.assistant import Assistant
from watchpost_collector.demo.in_process import NS_PER_S
from watchpost_collector.demo.models import StandInModels
from watchpost_collector.demo.plot import Moment
from watchpost_collector.demo.setting import configure_shop

STAND_IN_WORKERS = 24
REAL_WORKERS = 4
# Enough to be a stream; word by word, a client does little else than parse events.
PIECES_A_STREAM = 12
_FLUSH_S = 60.0

Advance = Callable[[int], None]


class BackdatedClock:
    """Nanoseconds since 1970, each thread's set back to the moment it works on."""

    def __init__(self) -> None:
        self._back = threading.local()

    def set_back(self, moment: Moment) -> None:
        """Goes on from the moment, in this thread."""
        self._back.ns = time.time_ns() - int(moment.at.timestamp() * NS_PER_S)

    def __call__(self) -> int:
        back_ns: int = getattr(self._back, "ns", 0)
        return time.time_ns() - back_ns


def run_live(moments: Sequence[Moment], endpoint: str, advance: Advance) -> None:
    """Handles the tickets with the stand-in provider on loopback."""
    with ProviderServer(StandInModels(seed=23, pieces=PIECES_A_STREAM).respond) as provider:
        assistant = Assistant(
            openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=1),
            anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=1),
        )
        _handle_all(assistant, moments, endpoint, STAND_IN_WORKERS, advance)


def run_real(moments: Sequence[Moment], endpoint: str, advance: Advance) -> None:
    """Handles the tickets with the real OpenAI service; the Anthropic stand-in takes the rest."""
    with ProviderServer(StandInModels(seed=23, pieces=PIECES_A_STREAM).respond) as provider:
        assistant = Assistant(
            openai.OpenAI(),
            anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=1),
        )
        _handle_all(assistant, moments, endpoint, REAL_WORKERS, advance)


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
    moments: Sequence[Moment],
    endpoint: str,
    workers: int,
    advance: Advance,
) -> None:
    if not moments:
        return
    clock = BackdatedClock()
    configure_shop(endpoint, moments[-1].release, clock)

    def handle(moment: Moment) -> None:
        clock.set_back(moment)
        assistant.handle(moment.ticket, moment.version)

    with ThreadPoolExecutor(workers, thread_name_prefix="support") as pool:
        waiting = [pool.submit(handle, moment) for moment in moments]
        for done in as_completed(waiting):
            error = done.exception()
            # What a provider refused is in its trace; anything else is a mistake of ours.
            if error is not None and not isinstance(error, openai.APIError | anthropic.APIError):
                raise error
            advance(1)
    watchpost.flush(_FLUSH_S)
