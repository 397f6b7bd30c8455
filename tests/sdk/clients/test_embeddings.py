"""Embeddings of every provider's client: tokens, dimensions, dollars, and guards before they go."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import cohere_cases
import google_cases
import mistral_cases
import ollama_cases
import pytest
from provider_cases import ProviderCase
from provider_features import shows
from wire_server import WireServer, json_reply
from word_guard import WordGuard

import watchpost
from watchpost.errors import Blocked
from watchpost.screening.policy import Policy


@dataclass(frozen=True)
class Embedding:
    """One client's way to embed. `ask` gives method and arguments; `answer` counts the tokens."""

    case: ProviderCase
    model: str
    ask: Callable[[Any, bool, list[str]], Any]
    answer: dict[str, Any]
    cost_usd: str | None = None
    tokens: int = 1000

    @property
    def row_name(self) -> str:
        """What it is called in the documents' tables."""
        return f"{self.case.name.partition(' ')[0]} embeddings"

    def __repr__(self) -> str:
        return f"{self.case.name}:{self.model}"


def google(client: Any, is_async: bool, texts: list[str]) -> Any:
    models = (client.aio if is_async else client).models
    return models.embed_content(model="gemini-embedding-001", contents=texts)


def mistral(client: Any, is_async: bool, texts: list[str]) -> Any:
    create = client.embeddings.create_async if is_async else client.embeddings.create
    return create(model="mistral-embed", inputs=texts)


def cohere(client: Any, is_async: bool, texts: list[str]) -> Any:
    return client.embed(
        model="embed-v4.0",
        texts=texts,
        input_type="search_document",
        embedding_types=["float"],
    )


def ollama(client: Any, is_async: bool, texts: list[str]) -> Any:
    return client.embed("nomic-embed-text", texts)


VECTORS = [[0.987, 0.2, 0.3], [0.4, 0.5, 0.6]]
VALUES = [{"values": vector} for vector in VECTORS]
EMBEDDINGS = (
    Embedding(
        google_cases.Gemini(),
        "gemini-embedding-001",
        google,
        {"embeddings": VALUES, "usageMetadata": {"promptTokenCount": 1000}},
        cost_usd="0.00015",
    ),
    Embedding(
        google_cases.Vertex(),
        "gemini-embedding-001",
        google,
        {
            "predictions": [
                {"embeddings": {"values": vector, "statistics": {"token_count": 500}}}
                for vector in VECTORS
            ]
        },
        cost_usd="0.00015",
    ),
    Embedding(
        mistral_cases.Chat(),
        "mistral-embed",
        mistral,
        {
            "id": "e",
            "object": "list",
            "model": "mistral-embed",
            "data": [{"object": "embedding", "embedding": v, "index": 0} for v in VECTORS],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000},
        },
        cost_usd="0.0001",
    ),
    Embedding(
        cohere_cases.Chat(),
        "embed-v4.0",
        cohere,
        {
            "id": "e",
            "response_type": "embeddings_by_type",
            "embeddings": {"float": VECTORS},
            "texts": ["one", "two"],
            "meta": {"billed_units": {"input_tokens": 1000.0}},
        },
        cost_usd="0.00012",
    ),
    Embedding(
        ollama_cases.Chat(),
        "nomic-embed-text",
        ollama,
        {
            "model": "nomic-embed-text",
            "embeddings": VECTORS,
            "total_duration": 14_143_917,
            "load_duration": 1_019_500,
            "prompt_eval_count": 1000,
        },
    ),
)

Embed = Callable[[list[str]], Any]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=EMBEDDINGS, ids=repr)
def embedding(request: pytest.FixtureRequest) -> Embedding:
    found: Embedding = request.param
    return found


@pytest.fixture
async def embed(embedding: Embedding, is_async: bool, wire: WireServer) -> AsyncIterator[Embed]:
    """Embeds texts with a patched client."""
    client = watchpost.patch(embedding.case.connect(wire.url, is_async))
    wire.answer(json_reply(embedding.answer))

    async def ask(texts: list[str]) -> Any:
        made = embedding.ask(client, is_async, texts)
        return await made if inspect.isawaitable(made) else made

    yield ask
    closed = embedding.case.close(client, is_async)
    if inspect.isawaitable(closed):
        await closed


@shows("result", "async", "tokens", "dollars", of=EMBEDDINGS)
async def test_embeddings_leave_their_tokens_dimensions_and_dollars(
    embed: Embed, embedding: Embedding, recorder: Any
) -> None:
    await embed(["one", "two"])

    (span,) = recorder.spans
    found = dict(span.attributes)
    assert found["watchpost.kind"] == "embedding"
    assert found["gen_ai.operation.name"] == "embeddings"
    assert found["gen_ai.provider.name"] == embedding.case.provider
    assert found["gen_ai.request.model"] == embedding.model
    assert found["gen_ai.embeddings.dimension.count"] == 3
    assert found["gen_ai.usage.input_tokens"] == embedding.tokens
    assert found["watchpost.usage.source"] == "provider"
    assert found.get("watchpost.cost.usd") == embedding.cost_usd
    texts = [part["content"] for m in _asked(found) for part in m["parts"]]
    assert texts == ["one", "two"]
    assert "0.987" not in str(found)


@shows("question redacted", of=EMBEDDINGS)
async def test_what_is_embedded_is_guarded_before_it_is_sent(
    embed: Embed, wire: WireServer, recorder: Any
) -> None:
    texts = ["about Ada", "two"]
    with watchpost.span("asked", policy=Policy(redact=[WordGuard("Ada")])):
        await embed(texts)

    assert "about [WORD]" in wire.sent
    assert "Ada" not in wire.sent
    assert texts == ["about Ada", "two"]


@shows("question blocked", of=EMBEDDINGS)
async def test_what_must_not_be_embedded_is_never_sent(
    embed: Embed, wire: WireServer, recorder: Any
) -> None:
    policy = Policy(block=[WordGuard("secret")])
    with watchpost.span("asked", policy=policy), pytest.raises(Blocked):
        await embed(["the secret"])

    assert wire.requests == []


@shows("both: counted once", of=EMBEDDINGS)
async def test_embeddings_an_observed_function_returns_are_counted_once(
    embed: Embed, recorder: Any
) -> None:
    @watchpost.observe
    async def index() -> Any:
        return await embed(["one", "two"])

    await index()

    counted = [s for s in recorder.spans if "gen_ai.usage.input_tokens" in (s.attributes or {})]
    assert len(counted) == 1


def _asked(found: dict[str, Any]) -> Any:
    return json.loads(found["gen_ai.input.messages"])
