"""litellm's completions: OpenAI's chat, whoever answered, with who that was beside it.

Its input tokens contain the cached ones, whatever the provider's own count does; cached writes
have fields of litellm's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchpost import attributes as names
from watchpost.providers import openai_chat, openai_embeddings
from watchpost.providers.provider import Provider, count, get
from watchpost.record import Attribute, Result, Usage

_PACKAGE = "litellm"
REPORTED = "watchpost_reported"
"""Under this key a patched litellm keeps a stream's tokens as the provider told them."""

NAMES: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What litellm calls a provider, and what the conventions do; the others' names are the same."""


def owns_result(result: Any) -> bool:
    """Whether this is a completion of litellm's."""
    return _is_own(result) and openai_chat.owns_result(result)


def owns_chunk(chunk: Any) -> bool:
    """Whether this is a chunk of a streamed one."""
    return _is_own(chunk) and openai_chat.owns_chunk(chunk)


def owns_embeddings(result: Any) -> bool:
    """Whether these are embeddings of litellm's."""
    return _is_own(result) and type(result).__name__ == "EmbeddingResponse"


def read_result(result: Any) -> Result:
    """What came back at once."""
    return _complete(openai_chat.read_result(result), result, get(result, "usage"))


def read_stream(chunks: Sequence[Any]) -> Result:
    """What came back in chunks, as far as it was seen."""
    last = chunks[-1] if chunks else None
    usages = [
        usage for chunk in chunks if (usage := get(chunk, "usage") or _hidden(chunk, REPORTED))
    ]
    found = _complete(openai_chat.read_stream(chunks), last, usages[-1] if usages else None)
    counted = _read_usage(_hidden(last, "usage"))
    if found.usage is None and counted is not None and counted.input_tokens:
        # It may be what the provider told, or what litellm counted: nobody says which.
        return replace(found, usage=replace(counted, source=names.ESTIMATED))
    return found


def read_embeddings(result: Any) -> Result:
    """How many tokens were turned into numbers; the numbers are left where they are."""
    vectors = get(result, "data", ())
    details: dict[str, Attribute] = {}
    if vectors and isinstance(vector := get(vectors[0], "embedding"), list):
        details[names.EMBEDDING_DIMENSIONS] = len(vector)
    found = Result(model=get(result, "model", ""), details=details)
    return _complete(found, result, get(result, "usage"))


def _is_own(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == _PACKAGE


def _hidden(source: Any, name: str) -> Any:
    return get(get(source, "_hidden_params"), name)


def _complete(found: Result, source: Any, usage: Any) -> Result:
    name = _hidden(source, "custom_llm_provider") or ""
    return replace(found, usage=_read_usage(usage), provider=NAMES.get(name, name))


def _read_usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    asked, said = get(usage, "prompt_tokens_details"), get(usage, "completion_tokens_details")
    written = get(asked, "cache_creation_token_details")
    return Usage(
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cache_read_tokens=count(asked, "cached_tokens"),
        cache_write_tokens=count(asked, "cache_creation_tokens"),
        cache_write_1h_tokens=count(written, "ephemeral_1h_input_tokens"),
        reasoning_tokens=count(said, "reasoning_tokens"),
        audio_input_tokens=count(asked, "audio_tokens"),
        audio_output_tokens=count(said, "audio_tokens"),
    )


CHAT: Provider = replace(
    openai_chat.PROVIDER,
    name="litellm",
    paths=(),
    owns_result=owns_result,
    owns_chunk=owns_chunk,
    read_result=read_result,
    read_stream=read_stream,
    # Who answered stands in an attribute that is no field.
    reads_snapshots=False,
)

EMBEDDINGS = Provider(
    name="litellm",
    operation=names.EMBEDDINGS,
    paths=(),
    roots=("input",),
    owns_result=owns_embeddings,
    read_request=openai_embeddings.read_request,
    read_result=read_embeddings,
)
