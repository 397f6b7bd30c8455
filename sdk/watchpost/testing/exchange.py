"""What a model provider is asked and what it answers, without any wire format.

One `ProviderRequest` in, one `Answer` out. This file knows neither HTTP nor the JSON of any
provider; `wire` spells an answer in each of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Dialect = Literal["chat", "responses", "messages", "embeddings"]
Finish = Literal["stop", "length", "tool_calls", "refusal"]

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A request as it arrived; `body` is the parsed JSON, header names are lower case."""

    dialect: Dialect
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def streaming(self) -> bool:
        return bool(self.body.get("stream", False))

    @property
    def choices(self) -> int:
        return int(self.body.get("n") or 1)

    @property
    def text(self) -> str:
        """Everything the model would read, joined by line breaks."""
        asked = self.body.get("messages", self.body.get("input", ""))
        parts = [self.body.get("system"), self.body.get("instructions"), asked]
        return "\n".join(piece for part in parts for piece in _texts(part))


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, Mapping):
        return [piece for key in ("content", "text", "output") for piece in _texts(value.get(key))]
    if isinstance(value, Sequence):
        return [piece for item in value for piece in _texts(item)]
    return []


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that the model asks for."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; `input` and `output` include the cached, reasoning and audio ones."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An error the provider answers with.

    With `after_pieces` the answer starts well and breaks after that many streamed pieces.
    `status` 0 closes the connection without a word.
    """

    status: int
    message: str = ""
    code: str | None = None
    retry_after_s: float | None = None
    after_pieces: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider says, how much it counts, and how long it takes.

    `text` may be one text for each choice. `usage` None counts four characters a token. `vectors`
    answer a request for embeddings; None makes them of the texts. The delays are seconds before
    the first byte and between streamed pieces.
    """

    text: str | Sequence[str] = ""
    tool_calls: Sequence[ToolCall] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    usage_reported: bool = True
    thinking: str = ""
    model: str | None = None
    response_id: str | None = None
    service_tier: str = "default"
    pieces: Sequence[str] | None = None
    vectors: Sequence[Sequence[float]] | None = None
    delay_s: float = 0.0
    piece_delay_s: float = 0.0
    failure: Failure | None = None

    def text_of(self, choice: int) -> str:
        if isinstance(self.text, str):
            return self.text
        return self.text[choice % len(self.text)]

    def pieces_of(self, choice: int) -> Sequence[str]:
        """The text as it is streamed: the given pieces, or word by word."""
        if self.pieces is not None and choice == 0:
            return self.pieces
        text = self.text_of(choice)
        words = text.split(" ")
        return [word + " " for word in words[:-1]] + words[-1:] if text else []

    def finish_of(self) -> Finish:
        return self.finish or ("tool_calls" if self.tool_calls else "stop")

    def usage_for(self, request: ProviderRequest) -> Usage:
        """The stated usage, or the text's length in tokens of four characters."""
        if self.usage is not None:
            return self.usage
        said = sum(len(self.text_of(choice)) for choice in range(request.choices))
        said += sum(len(str(dict(call.arguments))) for call in self.tool_calls)
        return Usage(_tokens(len(request.text)), _tokens(said + len(self.thinking)))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


Respond = Callable[[ProviderRequest], Answer]


def new_id(prefix: str) -> str:
    """A fresh identifier in the style of the providers."""
    # Not a secret, so the kernel need not be asked for it.
    return f"{prefix}{random.getrandbits(96):024x}"
