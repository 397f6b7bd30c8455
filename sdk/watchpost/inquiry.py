"""What guards are told beside a text: what was asked for it, and how sure the model was of it.

Read from a request as its provider's file reads it, or from what a user hands over. It knows no
client and runs no guard; what cannot be read is left out, as if nobody had told it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchpost.runtime import SHIELD

if TYPE_CHECKING:
    from watchpost.providers.provider import Provider
    from watchpost.record import Part
    from watchpost.screening.guard import TokenScore

Token = tuple[str, float]
"""A token as a model wrote it, and the natural logarithm of its probability."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last thing a user said in a request, and its system prompt; None where there is none."""

    prompt: str | None = None
    system: str | None = None


def read_asked(provider: Provider, body: Mapping[str, Any]) -> Asked:
    """What a request asks, as it is sent."""
    with SHIELD:
        request = provider.read_request(body)
        said = (
            _join(message["parts"])
            for message in reversed(request.messages)
            if message["role"] == "user"
        )
        return Asked(next((text for text in said if text), None), _join(request.system))
    return Asked()


def place_tokens(text: str, tokens: Iterable[Token]) -> tuple[TokenScore, ...]:
    """Where the tokens stand in a text; none where they do not spell it."""
    from watchpost.screening.guard import TokenScore

    placed = []
    position = 0
    for token, logprob in tokens:
        if not text.startswith(token, position):
            return ()
        placed.append(TokenScore(position, position + len(token), logprob))
        position += len(token)
    return tuple(placed) if position == len(text) else ()


def _join(parts: Sequence[Part]) -> str | None:
    texts = [part["content"] for part in parts if part["type"] == "text"]
    return "\n".join(texts) or None
