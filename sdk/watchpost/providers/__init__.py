"""The table of providers, and how one is found: by the path asked, or the shape of an answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from watchpost.providers import (
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    cohere,
    cohere_first,
    cohere_ranking,
    google_embeddings,
    google_genai,
    google_images,
    groq_chat,
    huggingface,
    litellm_completion,
    mistral,
    ollama,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_responses,
    openai_speech,
    openai_transcriptions,
    transformers_pipelines,
    vllm_outputs,
)
from watchpost.providers.batches import read_batches_of
from watchpost.providers.provider import Provider

PROVIDERS: tuple[Provider, ...] = (
    # Known by their clients' names or by one field, because the rest is OpenAI's or Anthropic's
    # shape: they are asked first.
    mistral.PROVIDER,
    mistral.EMBEDDINGS,
    litellm_completion.CHAT,
    litellm_completion.EMBEDDINGS,
    huggingface.CHAT,
    huggingface.TEXT,
    groq_chat.PROVIDER,
    bedrock_invoke.PROVIDER,
    bedrock_invoke.EMBEDDINGS,
    openai_chat.PROVIDER,
    openai_completions.PROVIDER,
    openai_responses.PROVIDER,
    openai_embeddings.PROVIDER,
    openai_images.PROVIDER,
    openai_speech.PROVIDER,
    openai_transcriptions.PROVIDER,
    openai_moderations.PROVIDER,
    anthropic_messages.PROVIDER,
    google_genai.PROVIDER,
    google_embeddings.PROVIDER,
    google_images.PROVIDER,
    cohere.PROVIDER,
    cohere_first.PROVIDER,
    cohere_ranking.EMBEDDINGS,
    cohere_ranking.RANKING,
    ollama.CHAT,
    ollama.TEXT,
    ollama.EMBEDDINGS,
    bedrock_converse.PROVIDER,
    vllm_outputs.PROVIDER,
    transformers_pipelines.PROVIDER,
    *map(
        read_batches_of,
        (
            openai_chat.PROVIDER,
            openai_completions.PROVIDER,
            openai_responses.PROVIDER,
            openai_embeddings.PROVIDER,
            anthropic_messages.PROVIDER,
        ),
    ),
)
"""A new provider is one file beside this one, and one line here."""

AZURE = "azure.ai.openai"
HOSTS: tuple[tuple[str, str], ...] = (
    ("openai.azure.com", AZURE),
    ("cognitiveservices.azure.com", AZURE),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cerebras.ai", "cerebras"),
    ("amazonaws.com", "aws.bedrock"),
    ("googleapis.com", "gcp.vertex_ai"),
)
"""Servers that speak another's protocol, under the name the conventions give them."""


@lru_cache(maxsize=256)
def find_by_path(path: str) -> Provider | None:
    """The provider whose protocol a URL's path belongs to."""
    plain = path.partition("?")[0]
    for provider in PROVIDERS:
        for end in provider.paths:
            if plain.endswith(end):
                return provider
    return None


def find_by_result(result: Any) -> Provider | None:
    """The provider whose kind of result this is."""
    return next((provider for provider in PROVIDERS if provider.owns_result(result)), None)


def find_by_chunk(chunk: Any) -> Provider | None:
    """The provider whose kind of stream this piece is from."""
    return next((provider for provider in PROVIDERS if provider.owns_chunk(chunk)), None)


@lru_cache(maxsize=256)
def name_by_host(host: str, default: str) -> str:
    """The conventions' name of who runs a server."""
    return next((name for end, name in HOSTS if host.endswith(end)), default)
