"""An answer while it grows: what the pieces of a stream add up to, in the order they came.

It knows no provider; whoever reads a stream says of every piece whether it is text, a thought or
part of a tool's call.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from watchpost.providers.provider import (
    call_part,
    message,
    reasoning_part,
    summarise_logprobs,
    text_part,
)
from watchpost.record import Attribute, Message, Part

_TEXT = "text"
_REASONING = "reasoning"
_MAKERS = {_TEXT: text_part, _REASONING: reasoning_part}


class Growth:
    """One message of a stream. Neighbouring pieces of one kind are one part."""

    __slots__ = ("_calls", "_parts", "finish_reason", "logprobs")

    def __init__(self) -> None:
        self.finish_reason = ""
        self.logprobs: list[float] = []
        self._parts: list[tuple[str, Any]] = []
        self._calls: dict[Hashable, list[Any]] = {}

    def add_text(self, text: str) -> None:
        """A piece of what is said."""
        self._extend(_TEXT, text)

    def add_reasoning(self, text: str) -> None:
        """A piece of what is thought."""
        self._extend(_REASONING, text)

    def add_call(self, key: Hashable, call_id: Any, name: Any, arguments: Any) -> None:
        """A tool's call or a piece of one: `key` says which, texts of arguments are joined."""
        held = self._calls.get(key)
        if held is None:
            held = self._calls[key] = [None, None, None]
            self._parts.append(("call", held))
        held[0] = held[0] or call_id
        held[1] = held[1] or name
        if isinstance(held[2], str) and isinstance(arguments, str):
            held[2] += arguments
        elif arguments is not None:
            held[2] = arguments

    def add(self, part: Part) -> None:
        """A part: text and thoughts go on where they were, anything else is whole."""
        kind = part["type"]
        if kind in _MAKERS:
            self._extend(kind, part["content"])
        else:
            self._parts.append(("part", part))

    @property
    def calls(self) -> int:
        """How many tools' calls there are so far."""
        return len(self._calls)

    def parts(self) -> list[Part]:
        """What was added, as the parts of a message."""
        return [_make_part(kind, value) for kind, value in self._parts]

    def message(self) -> Message:
        """What was added, as the model's message."""
        return message("assistant", self.parts(), self.finish_reason)

    def _extend(self, kind: str, text: str) -> None:
        if not text:
            return
        if self._parts and self._parts[-1][0] == kind:
            self._parts[-1][1].append(text)
        else:
            self._parts.append((kind, [text]))


def logprob_details(grown: Sequence[Growth]) -> dict[str, Attribute]:
    """The summary of all log-probabilities that were seen."""
    return summarise_logprobs([value for each in grown for value in each.logprobs])


def _make_part(kind: str, value: Any) -> Part:
    if kind in _MAKERS:
        return _MAKERS[kind]("".join(value))
    if kind == "call":
        return call_part(*value)
    part: Part = value
    return part
