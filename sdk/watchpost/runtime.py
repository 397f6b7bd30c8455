"""What every call needs to know about how watchpost is set up, in one value that is swapped whole.

Before `configure` it is OpenTelemetry's own tracer, whatever the application made of it, and no
policy. The shield is here too: the one place that keeps our mistakes out of the user's program.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from watchpost.export.event import Event
    from watchpost.pricing.cost import Rates
    from watchpost.record import Generation
    from watchpost.screening.policy import Policy

TRACER = "watchpost"
MOST_TOLD = 1000
"""Different things that are told in one process: names that a program makes up have no end."""
STREAM_USAGE_HOSTS = ("api.openai.com", "openai.azure.com", "api.deepseek.com")
"""Hosts, and the ends of their subdomains, known to tell a stream's tokens when they are asked."""

_log = logging.getLogger("watchpost")


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector to ask: its URL, the key that opens it, and the project where that is open."""

    endpoint: str
    key: str = field(default="", repr=False)
    project: str = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How calls are recorded. `clock` gives nanoseconds since 1970; `content` keeps messages.

    `deliver` takes an event for the exporter and returns at once; `links` is where feedback links
    lead, `prompts` where prompts are fetched. All three are None before `configure`.
    `notice` is told every generation when its attributes are computed.
    """

    tracer: trace.Tracer
    clock: Callable[[], int] = time.time_ns
    policy: Policy | None = None
    content: bool = True
    # The hosts that are asked for the tokens of a stream.
    stream_usage: tuple[str, ...] = STREAM_USAGE_HOSTS
    prices: Mapping[str, Rates] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    deliver: Callable[[Event], None] | None = None
    links: Collector | None = None
    prompts: Collector | None = None
    notice: Callable[[Generation], None] | None = None


class Shield:
    """Swallows and logs our own errors, each kind once; raises them where `strict` is set.

    Tests set `strict`, so that what production would have hidden fails them.
    """

    def __init__(self) -> None:
        self.strict = False
        self._told: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> bool:
        if error is None or self.strict or not isinstance(error, Exception):
            return False
        self.tell_once(
            f"{type(error).__name__}:{_place(error)}",
            "watchpost failed and stepped aside; your program is not affected: %s at %s",
            # The type and the places only: an exception's message may quote what was said.
            type(error).__name__,
            ", ".join(f"{f.f_code.co_filename}:{n}" for f, n in traceback.walk_tb(trace_back)),
        )
        return True

    def tell_once(self, key: str, text: str, *values: object) -> None:
        """Log a warning the first time its key is seen in this process, as one of the first."""
        if key not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(key)
            _log.warning(text, *values)

    def forget(self) -> None:
        """Be ready to tell everything again."""
        self._told.clear()


SHIELD = Shield()
_active: Runtime | None = None


def active() -> Runtime:
    """The set-up in force."""
    global _active
    if _active is None:
        _active = Runtime(trace.get_tracer(TRACER))
    return _active


def install(runtime: Runtime | None) -> None:
    """Put a set-up in force; None goes back to the one before `configure`."""
    global _active
    _active = runtime


def _place(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else ""
