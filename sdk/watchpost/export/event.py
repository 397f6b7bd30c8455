"""An event: what is said beside spans and goes their way, as an OTLP log record.

It holds what the record will hold. It does not know what its attributes mean, nor who sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

# What an event weighs beside its strings.
_EVENT_BYTES = 800
_VALUE_BYTES = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Ids are bytes (16 and 8), or empty; `resource` is whoever's it is."""

    name: str
    time_ns: int
    trace_id: bytes = b""
    span_id: bytes = b""
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    resource: Resource | None = None

    @property
    def weight(self) -> int:
        """About how many bytes it holds in memory."""
        texts = sum(len(value) for value in self.attributes.values() if isinstance(value, str))
        return _EVENT_BYTES + _VALUE_BYTES * len(self.attributes) + texts
