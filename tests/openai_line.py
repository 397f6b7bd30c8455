"""Asking OpenAI's client for one of its kinds of calls, and reading what was recorded of it."""

from __future__ import annotations

import inspect
import json
from typing import Any

from openai_calls import Called

from watchpost.screening.guard import Finding, Question, Verdict


async def ask(call: Called, client: Any) -> Any:
    """What the caller gets, a stream as a list of its pieces."""
    answer = call.ask(client)
    if inspect.isawaitable(answer):
        answer = await answer
    if not call.streaming:
        return answer
    if hasattr(answer, "__aiter__"):
        return [chunk async for chunk in answer]
    return list(answer)


def attributes_of(recorder: Any) -> dict[str, Any]:
    """The attributes of the one span there is, whatever kind it is of."""
    (span,) = recorder.spans
    return dict(span.attributes)


def texts_of(found: dict[str, Any], direction: str) -> list[str]:
    messages = json.loads(found.get(f"gen_ai.{direction}.messages", "[]"))
    parts = [part for message in messages for part in message["parts"]]
    return [part["content"] for part in parts if part["type"] == "text"]


class Word:
    """Trips on one word, and says where it stands."""

    def __init__(self, word: str) -> None:
        self.name = self.word = word

    def check(self, question: Question) -> Verdict:
        start = question.text.find(self.word)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),) if start >= 0 else ()
        return Verdict(self.name, "WORD", float(bool(found)), tripped=bool(found), findings=found)
