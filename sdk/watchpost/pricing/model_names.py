"""How those who stand between write a model's name, and how the public list of prices does.

Bedrock has ARNs, litellm puts the provider before the name, Hugging Face puts after it who runs it.
A name that hides its model, as an application's own profile does, stays without a price. This file
knows names, no prices.
"""

from __future__ import annotations

import re

_LISTS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "litellm": "",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "x_ai": "x-ai",
}
# litellm's names of providers, where they are neither ours nor the list's.
_PREFIXES = {
    "aws.bedrock": ("bedrock", "bedrock_converse"),
    "azure.ai.inference": ("azure_ai",),
    "cohere": ("cohere_chat",),
    "gcp.gemini": ("gemini",),
    "gcp.vertex_ai": ("vertex_ai", "vertex_ai_beta"),
    "moonshot_ai": ("moonshot",),
    "ollama": ("ollama_chat",),
    "x_ai": ("xai",),
}
# What else an ARN can name costs something else, or does not say which model it is.
_PLAIN_ARN = re.compile(r"arn:[\w-]+:bedrock:[^/]*:(?:inference-profile|foundation-model)/([^/]+)")
_HUGGING_FACE = "huggingface"
_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")


def strip_date(model: str) -> str:
    """A model's name without the date of its version."""
    return _DATE.sub("", model)


def split_names(provider: str, model: str) -> tuple[str, tuple[str, ...]]:
    """Whose prices a model's are, and the spellings to look for, the likeliest first.

    Whose is empty where the whole list is to be searched. Names without their date come last.
    """
    listed, spellings = _split(provider, model)
    undated = (bare for name in spellings if (bare := strip_date(name)) != name)
    return listed, (*spellings, *undated)


def _split(provider: str, model: str) -> tuple[str, tuple[str, ...]]:
    listed = _LISTS.get(provider, provider)
    if provider == "aws.bedrock":
        return listed, _split_bedrock(model)
    if provider == _HUGGING_FACE:
        name, _, runner = model.rpartition(":")
        return (f"{provider}_{runner}", (name,)) if name else (provider, (model,))
    own = (provider, listed, *_PREFIXES.get(provider, ()))
    first, _, rest = model.partition("/")
    return listed, (model, rest) if rest and first in own else (model,)


def _split_bedrock(model: str) -> tuple[str, ...]:
    if model.startswith("arn:"):
        plain = _PLAIN_ARN.fullmatch(model)
        return (plain[1],) if plain else ()
    # litellm: bedrock/MODEL, bedrock/REGION/MODEL, bedrock/converse/MODEL.
    name = model.rpartition("/")[2]
    return (name,) if model.startswith(_PREFIXES["aws.bedrock"]) or name == model else (model,)
