"""What a text of a request or an answer is to guards: said, found, returned by a tool, or for one.

Messages tell it by their role, parts by their type or by the key they stand under, and providers
spell these alike enough to be read here once. It does not know guards, nor who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchpost.screening.guard import Direction

Visit = Callable[[str], str]
"""Sees every text in a fixed order and answers what shall stand there instead."""

_TOOL_ROLES = frozenset({"tool", "function"})
_DOCUMENT_TYPES = frozenset({"document", "search_result"})
# Of Anthropic's tools (its own too), OpenAI's responses, and OpenTelemetry's messages.
_RESULT_TYPES = ("tool_result", "_call_output", "tool_call_response", "tool_response")
_RESULT_KEYS = frozenset(
    {
        *("function_response", "functionResponse", "toolResult", "tool_results"),
        *("code_execution_result", "codeExecutionResult"),
    }
)
_DOCUMENT_KEYS = frozenset({"document", "documents", "searchResult"})


@dataclass(frozen=True, slots=True)
class StagedVisit:
    """A visit that is told what each text is: `stage` until the walk says something else."""

    see: Callable[[str, Direction], str]
    stage: Direction

    def __call__(self, text: str) -> str:
        """See a text."""
        return self.see(text, self.stage)


def at(visit: Visit, stage: Direction) -> Visit:
    """The visit for texts that are `stage`; one that does not ask sees them like any other."""
    return replace(visit, stage=stage) if isinstance(visit, StagedVisit) else visit


def remember(visit: Visit) -> Visit:
    """The same visit, asked once about each text: what was decided holds wherever it is said."""
    decided: dict[str, str] = {}

    def see(text: str, stage: Direction) -> str:
        if text not in decided:
            decided[text] = at(visit, stage)(text)
        return decided[text]

    return StagedVisit(see, "output")


def find_stage(part: Mapping[str, Any]) -> Direction | None:
    """What a message or a part of one is by its role or type; None for what somebody said."""
    role, kind = part.get("role"), part.get("type")
    if isinstance(role, str) and role.lower() in _TOOL_ROLES:
        return "tool_result"
    if not isinstance(kind, str):
        return None
    if kind in _DOCUMENT_TYPES:
        return "document"
    return "tool_result" if kind.endswith(_RESULT_TYPES) else None


def find_stage_below(key: str) -> Direction | None:
    """What stands under a key that some providers have in place of a type."""
    if key in _RESULT_KEYS:
        return "tool_result"
    return "document" if key in _DOCUMENT_KEYS else None
