"""What calls come to, worked out by hand: USD per million tokens times tokens, beside each case.

The prices are those the providers published for November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Cost:
    """One call: what was asked, what came back (`answer`, or the `chunks` of a stream).

    `sum` lists quantity and price of each kind of unit, USD per million, and is None where nobody
    can know; `searches` are charged for one by one.
    """

    name: str
    sum: tuple[tuple[float, str], ...] | None
    answer: Mapping[str, Any] | None = None
    chunks: tuple[Mapping[str, Any], ...] = ()
    provider: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=dict)
    searches: int = 0
    source: str = "provider"

    @property
    def usd(self) -> Decimal | None:
        if self.sum is None:
            return None
        tokens = sum(Decimal(str(count)) * Decimal(price) for count, price in self.sum)
        return tokens / 1_000_000 + self.searches * Decimal("0.01")

    def __repr__(self) -> str:
        return self.name


def openai_usage(asked: int, said: int, *, cached: int = 0, reasoned: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoned},
    }


def chat(model: str, usage: Any, *texts: str, **more: Any) -> dict[str, Any]:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for i, text in enumerate(texts or ("hi",))
    ]
    return {"id": "c", "model": model, "choices": choices, "usage": usage, **more}


def piece(model: str, text: str) -> dict[str, Any]:
    choices = [{"index": 0, "delta": {"content": text}}]
    return {"id": "c", "object": "chat.completion.chunk", "model": model, "choices": choices}


def message(model: str, said: int, asked: int, **usage: Any) -> dict[str, Any]:
    """Anthropic's answer; `asked` leaves the cached tokens out, as it does."""
    counted = {"input_tokens": asked, "output_tokens": said, **usage}
    text = [{"type": "text", "text": "hi"}]
    return {"id": "m", "type": "message", "model": model, "content": text, "usage": counted}


def embeddings(model: str, asked: int) -> dict[str, Any]:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return {"object": "list", "data": vectors, "model": model, "usage": usage}


def in_openai_batch(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a finished batch's output file."""
    response = {"status_code": 200, "request_id": "r", "body": answer}
    return {"id": "batch_req_1", "custom_id": "1", "response": response, "error": None}


def in_anthropic_batch(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A result of a finished batch."""
    return {"custom_id": "1", "result": {"type": "succeeded", "message": answer}}


PLAIN = openai_usage(1000, 100)
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How warm is it?"}]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SEARCH = {"type": "web_search_call", "action": {"type": "search", "query": "Bern"}}
OPENED = {"type": "web_search_call", "action": {"type": "open_page", "url": "http://a"}}
SONNET, HAIKU, OPUS = "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-6"

OPENAI = (
    Cost(
        "cached input",
        ((86, "2.5"), (1920, "1.25"), (300, "10")),
        chat("gpt-4o", openai_usage(2006, 300, cached=1920)),
    ),
    Cost(
        "reasoning is output",
        ((86, "1.25"), (1920, "0.125"), (300, "10")),
        chat("gpt-5", openai_usage(2006, 300, cached=1920, reasoned=128)),
    ),
    Cost(
        "several choices share one question",
        ((100, "2.5"), (90, "10")),
        chat("gpt-4o", openai_usage(100, 90), "a", "b", "c"),
    ),
    Cost(
        "tool definitions are input",
        ((500, "0.15"), (20, "0.6")),
        chat("gpt-4o-mini", openai_usage(500, 20)),
        asked={**ASKED, "tools": [TOOL]},
    ),
    Cost(
        "flex",
        ((1000, "0.625"), (100, "5")),
        chat("gpt-5", PLAIN, service_tier="flex"),
    ),
    Cost(
        "priority",
        ((1000, "4.25"), (100, "17")),
        chat("gpt-4o", PLAIN, service_tier="priority"),
    ),
    Cost(
        "a batch costs half, what it read from the cache as ever",
        ((800, "1.25"), (200, "1.25"), (100, "5")),
        in_openai_batch(chat("gpt-4o", openai_usage(1000, 100, cached=200))),
    ),
    Cost(
        "a batch of embeddings, half of 0.02 a million",
        ((250_000, "0.01"),),
        in_openai_batch(embeddings("text-embedding-3-small", 250_000)),
    ),
    Cost(
        "a batch of large embeddings, half of 0.13",
        ((250_000, "0.065"),),
        in_openai_batch(embeddings("text-embedding-3-large", 250_000)),
    ),
    Cost(
        "embeddings one by one",
        ((250_000, "0.02"),),
        embeddings("text-embedding-3-small", 250_000),
    ),
    Cost(
        # 600 of 1000 are sound; 550 were cached, 450 of them sound: 300 read, 150 heard anew.
        "cached sound costs what cached sound costs",
        ((300, "4"), (100, "0.4"), (450, "0.4"), (150, "32"), (100, "16")),
        chat(
            "gpt-realtime",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "prompt_tokens_details": {
                    "audio_tokens": 600,
                    "cached_tokens": 550,
                    "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 450},
                },
            },
        ),
    ),
    Cost(
        "a batch of responses",
        ((1000, "0.625"), (100, "5")),
        in_openai_batch(
            {
                "id": "r",
                "object": "response",
                "model": "gpt-5",
                "status": "completed",
                "output": [],
                "usage": {"input_tokens": 1000, "output_tokens": 100},
            }
        ),
    ),
    Cost(
        "long input", ((300_000, "5"), (100, "22.5")), chat("gpt-5.4", openai_usage(300_000, 100))
    ),
    Cost(
        "fine-tuned",
        ((600, "3.75"), (400, "1.875"), (100, "15")),
        chat("ft:gpt-4o-2024-08-06:acme::abc", openai_usage(1000, 100, cached=400)),
    ),
    Cost("fine-tuned, no date", ((1000, "3.75"), (100, "15")), chat("ft:gpt-4o:acme::abc", PLAIN)),
    Cost(
        "fine-tuned, named",
        ((1000, "0.8"), (100, "3.2")),
        chat("ft:gpt-4.1-mini-2025-04-14:acme:support:abc", PLAIN),
    ),
    Cost(
        "fine-tuned, in a batch",
        ((1000, "1.5"), (100, "6")),
        in_openai_batch(chat("ft:gpt-4.1-2025-04-14:acme::abc", PLAIN)),
    ),
    Cost("fine-tuned from what nobody knows", None, chat("ft:no-such:acme::abc", PLAIN)),
    Cost("a date with its own price", ((1000, "5"), (100, "15")), chat("gpt-4o-2024-05-13", PLAIN)),
    Cost(
        "a date nobody knows",
        ((1000, "0.15"), (100, "0.6")),
        chat("gpt-4o-mini-2026-01-31", PLAIN),
    ),
    Cost("an alias", ((1000, "5"), (100, "15")), chat("chatgpt-4o-latest", PLAIN)),
    Cost(
        "a deployment",
        ((1000, "2.5"), (100, "10")),
        chat("gpt-4o-2024-08-06", PLAIN),
        provider="azure.ai.openai",
        asked={"model": "prod-chat"},
    ),
    Cost(
        "a deployment with a price of one's own",
        ((1000, "1"), (100, "2")),
        chat("gpt-4o-2024-08-06", PLAIN),
        provider="azure.ai.openai",
        asked={"model": "prod-chat"},
        prices={"azure.ai.openai/prod-chat": {"input": 1, "output": 2}},
    ),
    Cost(
        "searches, but not pages that were opened",
        ((1000, "2.5"), (100, "10")),
        {
            "id": "r",
            "object": "response",
            "model": "gpt-4o",
            "status": "completed",
            "output": [SEARCH, OPENED, SEARCH],
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        },
        searches=2,
    ),
    Cost(
        "a stream that tells its tokens",
        ((86, "2.5"), (1920, "1.25"), (300, "10")),
        chunks=(
            piece("gpt-4o", "It is 14 degrees."),
            {**piece("gpt-4o", ""), "choices": [], "usage": openai_usage(2006, 300, cached=1920)},
        ),
    ),
    Cost(
        # o200k has 5 tokens for the question, 3 and 3 for its frame, and 6 for the answer.
        "a stream that does not",
        ((11, "2.5"), (6, "10")),
        chunks=(piece("gpt-4o", "It is "), piece("gpt-4o", "14 degrees.")),
        asked=ASKED,
        source="estimated",
    ),
    Cost(
        # 3 tokens were seen: "It", " is" and " ".
        "a stream cut short",
        ((11, "2.5"), (3, "10")),
        chunks=(piece("gpt-4o", "It is "),),
        asked=ASKED,
        source="estimated",
    ),
)

ANTHROPIC = (
    Cost(
        "read from and written to the cache",
        ((5, "3"), (1920, "0.3"), (81, "3.75"), (300, "15")),
        message(SONNET, 300, 5, cache_read_input_tokens=1920, cache_creation_input_tokens=81),
    ),
    Cost(
        "written for an hour and for five minutes",
        ((10, "3"), (100, "3.75"), (400, "6"), (20, "15")),
        message(
            SONNET,
            20,
            10,
            cache_creation_input_tokens=500,
            cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400},
        ),
    ),
    Cost(
        "thinking is output",
        ((100, "1"), (300, "5")),
        message(HAIKU, 300, 100, output_tokens_details={"thinking_tokens": 128}),
    ),
    Cost(
        "a batch",
        ((1000, "2.5"), (100, "12.5")),
        in_anthropic_batch(message(OPUS, 100, 1000, service_tier="batch")),
    ),
    Cost(
        "a batch that reads and writes the cache",
        ((100, "0.5"), (1000, "0.05"), (200, "1"), (50, "2.5")),
        in_anthropic_batch(
            message(
                HAIKU,
                50,
                100,
                service_tier="batch",
                cache_read_input_tokens=1000,
                cache_creation_input_tokens=200,
                cache_creation={"ephemeral_1h_input_tokens": 200},
            )
        ),
    ),
    Cost(
        # What is cached counts towards the length.
        "long input",
        ((100_000, "6"), (200_000, "0.6"), (300, "22.5")),
        message(SONNET, 300, 100_000, cache_read_input_tokens=200_000),
    ),
    Cost(
        "searches",
        ((100, "1"), (10, "5")),
        message(HAIKU, 10, 100, server_tool_use={"web_search_requests": 3}),
        searches=3,
    ),
    Cost(
        "a dated name",
        ((1000, "3"), (100, "15")),
        message("claude-sonnet-4-5-20250929", 100, 1000),
    ),
    Cost("an alias", ((1000, "0.8"), (100, "4")), message("claude-3-5-haiku-latest", 100, 1000)),
    Cost(
        "a stream, whose last event has the output",
        ((5, "3"), (1920, "0.3"), (81, "3.75"), (300, "15")),
        chunks=(
            {
                "type": "message_start",
                "message": message(
                    SONNET, 1, 5, cache_read_input_tokens=1920, cache_creation_input_tokens=81
                ),
            },
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 300},
            },
        ),
    ),
    Cost(
        # The first event told the input; o200k has 6 tokens for what was seen of the answer.
        "a stream cut short",
        ((5, "3"), (1920, "0.3"), (81, "3.75"), (6, "15")),
        chunks=(
            {
                "type": "message_start",
                "message": message(
                    SONNET, 1, 5, cache_read_input_tokens=1920, cache_creation_input_tokens=81
                ),
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "It is 14 degrees."},
            },
        ),
        source="estimated",
    ),
)
