"""One line of a log as a call: the canonical record, and what only a log line has beside it.

It knows no format, no span and no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from watchpost.record import Generation, Message, Part


class BadLine(ValueError):  # noqa: N818 - "except BadLine" is the sentence
    """Raised when a line cannot be read as a call; the message says why, never the content."""


@dataclass(frozen=True, slots=True)
class Row:
    """A call read from a log. Times are nanoseconds, None where the log has none."""

    generation: Generation
    started_ns: int | None = None
    duration_ns: int | None = None
    error_message: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def text_part(text: str) -> Part:
    """A part that is a text."""
    return {"type": "text", "content": text}


def make_message(role: str, parts: Sequence[Part], finish_reason: str | None = None) -> Message:
    """A message in the OpenTelemetry shape."""
    message: dict[str, Any] = {"role": role, "parts": list(parts)}
    if finish_reason:
        message["finish_reason"] = finish_reason
    return message


def texts_of(message: Message) -> list[str]:
    """The plain texts of a message, in order."""
    return [str(part["content"]) for part in message["parts"] if part.get("type") == "text"]
