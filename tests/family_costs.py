"""What calls of Google, Mistral, Cohere and Ollama come to, worked out by hand as in `cost_cases`.

A search that costs so many thousandths of a dollar stands among the sums as a price per million.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cost_cases import Cost, chat, openai_usage


def gemini(model: str, usage: Mapping[str, Any], **candidate: Any) -> dict[str, Any]:
    said = {"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    told = {"modelVersion": model} if model else {}
    return {"candidates": [{**said, **candidate}], "usageMetadata": usage, **told}


def gemini_usage(asked: int, said: int, **more: Any) -> dict[str, Any]:
    return {"promptTokenCount": asked, "candidatesTokenCount": said, **more}


def by_modality(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name.upper(), "tokenCount": count} for name, count in counts.items()]


def searched(*queries: str) -> dict[str, Any]:
    return {"groundingMetadata": {"webSearchQueries": list(queries)}}


def cohere(**counts: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}
    return {"id": "c", "finish_reason": "COMPLETE", "message": said, "usage": counts}


GOOGLE = (
    Cost(
        "gemini: thoughts are output, and what was cached is cheaper",
        ((86, "0.30"), (1920, "0.03"), (300, "2.50")),
        gemini(
            "gemini-2.5-flash",
            gemini_usage(2006, 172, thoughtsTokenCount=128, cachedContentTokenCount=1920),
        ),
    ),
    Cost(
        "gemini: what tools gave back is input",
        ((1500, "0.30"), (100, "2.50")),
        gemini("gemini-2.5-flash", gemini_usage(1000, 100, toolUsePromptTokenCount=500)),
    ),
    Cost(
        "gemini: a long prompt costs more, all of it and its answer",
        ((250_000, "2.50"), (1000, "15")),
        gemini("gemini-2.5-pro", gemini_usage(250_000, 1000)),
    ),
    Cost(
        "gemini: sound has a price of its own",
        ((400, "0.30"), (600, "1.00"), (100, "2.50")),
        gemini(
            "gemini-2.5-flash",
            gemini_usage(1000, 100, promptTokensDetails=by_modality(text=400, audio=600)),
        ),
    ),
    Cost(
        # 600 of 1000 are sound; 550 were cached, 450 of them sound: 300 read, 150 heard anew.
        "gemini: cached sound has a price of its own too",
        ((300, "0.30"), (100, "0.03"), (450, "0.10"), (150, "1.00"), (100, "2.50")),
        gemini(
            "gemini-2.5-flash",
            gemini_usage(
                1000,
                100,
                cachedContentTokenCount=550,
                promptTokensDetails=by_modality(text=400, audio=600),
                cacheTokensDetails=by_modality(text=100, audio=450),
            ),
        ),
    ),
    Cost(
        "gemini: an image that was made",
        ((10, "0.30"), (1290, "30")),
        gemini(
            "gemini-2.5-flash-image",
            gemini_usage(10, 1290, candidatesTokensDetails=by_modality(image=1290)),
        ),
    ),
    Cost(
        "gemini 3: every search is charged",
        ((1000, "2"), (100, "12"), (2, "14000")),
        gemini("gemini-3-pro-preview", gemini_usage(1000, 100), **searched("a", "b")),
    ),
    Cost(
        "gemini 2: a prompt that searched is charged once",
        ((1000, "0.30"), (100, "2.50"), (1, "35000")),
        gemini("gemini-2.5-flash", gemini_usage(1000, 100), **searched("a", "b", "c")),
    ),
    Cost(
        "vertex: the name is at the end of a path",
        ((1000, "0.75"), (100, "3.75")),
        gemini("", gemini_usage(1000, 100)),
        provider="gcp.vertex_ai",
        asked={"model": "projects/p/locations/l/publishers/google/models/gemini-3.8-flash"},
    ),
    Cost(
        "gemini: what was refused was read all the same",
        ((20, "0.30"),),
        {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 20},
            "modelVersion": "gemini-2.5-flash",
        },
    ),
    Cost(
        "vertex: embeddings count text by text",
        ((1000, "0.15"),),
        {
            "embeddings": [
                {"values": [0.1], "statistics": {"token_count": count}} for count in (400, 600)
            ]
        },
        provider="gcp.vertex_ai",
        asked={"model": "gemini-embedding-001"},
    ),
    Cost(
        "gemini: embeddings counted as one",
        ((1000, "0.15"),),
        {"embeddings": [{"values": [0.1]}], "usageMetadata": {"promptTokenCount": 1000}},
        asked={"model": "models/gemini-embedding-001"},
    ),
)

MISTRAL = (
    *(
        Cost(
            f"mistral: {model}",
            ((86, fresh), (1920, cached), (300, said)),
            chat(model, openai_usage(2006, 300, cached=1920)),
            provider="mistral_ai",
        )
        for model, fresh, cached, said in (
            ("mistral-large-2512", "0.50", "0.05", "1.50"),
            ("mistral-medium-2604", "1.50", "0.15", "7.50"),
            ("mistral-small-latest", "0.15", "0.015", "0.60"),
            ("ministral-8b-2512", "0.15", "0.015", "0.15"),
            ("codestral-2508", "0.30", "0.03", "0.90"),
        )
    ),
    Cost(
        "mistral: a thinking model, whose cache has no price",
        ((2006, "2"), (300, "5")),
        chat("magistral-medium-2509", openai_usage(2006, 300, cached=1920)),
        provider="mistral_ai",
    ),
)

BILLED = {"billed_units": {"input_tokens": 2006.0, "output_tokens": 300.0}}
RERANKED = {
    "id": "r",
    "results": [{"index": 0, "relevance_score": 0.9}],
    "meta": {"billed_units": {"search_units": 2.0}},
}

COHERE = (
    Cost(
        "cohere: what was billed, not what was worked through",
        ((2006, "2.50"), (300, "10")),
        cohere(**BILLED, tokens={"input_tokens": 2590.0, "output_tokens": 304.0}),
        asked={"model": "command-a-03-2025"},
    ),
    Cost(
        "cohere: what was worked through where nothing is said of a bill",
        ((2590, "0.0375"), (304, "0.15")),
        cohere(tokens={"input_tokens": 2590.0, "output_tokens": 304.0}),
        asked={"model": "command-r7b-12-2024"},
    ),
    Cost(
        "cohere: embeddings",
        ((1000, "0.12"),),
        {
            "id": "e",
            "embeddings": {"float": [[0.1]]},
            "meta": {"billed_units": {"input_tokens": 1000.0}},
        },
        asked={"model": "embed-v4.0"},
    ),
    Cost(
        "cohere: nobody lists what a search unit of reranking costs",
        None,
        RERANKED,
        asked={"model": "rerank-v3.5"},
    ),
    Cost(
        "cohere: reranking at one's own price",
        ((2, "2000"),),
        RERANKED,
        asked={"model": "rerank-v3.5"},
        prices={"rerank-v3.5": {"per_search": 0.002}},
    ),
)

ANSWERED = {
    "model": "llama3.2",
    "done": True,
    "message": {"role": "assistant", "content": "hi"},
    "prompt_eval_count": 1000,
    "eval_count": 100,
}

OLLAMA = (
    Cost("ollama: one's own machine has no price", None, ANSWERED),
    Cost(
        "ollama: unless one says what it costs",
        ((1000, "0.05"), (100, "0.10")),
        ANSWERED,
        prices={"llama3.2": {"input": 0.05, "output": 0.10}},
    ),
)
