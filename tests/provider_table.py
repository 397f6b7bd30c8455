"""The table of clients that the tests in `sdk/clients` ask the same questions: a line for each."""

from __future__ import annotations

from typing import Any

import anthropic_cases
import bedrock_cases
import cohere_cases
import google_cases
import groq_cases
import huggingface_cases
import litellm_cases
import mistral_cases
import ollama_cases
import openai_cases
from provider_cases import SHAPES, TWO_SHAPES, ProviderCase

CASES: tuple[ProviderCase, ...] = (
    *openai_cases.CASES,
    *anthropic_cases.CASES,
    *google_cases.CASES,
    *mistral_cases.CASES,
    *cohere_cases.CASES,
    *ollama_cases.CASES,
    *groq_cases.CASES,
    *bedrock_cases.CASES,
    *huggingface_cases.CASES,
    *litellm_cases.CASES,
)
TOOLED = tuple(case for case in CASES if case.has_tools)
THINKING = tuple(case for case in CASES if case.thinks)
LISTED = tuple(
    case for case in TOOLED if any(isinstance(v, list) for v in case.arguments("x").values())
)
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "line": CASES,
    "tooled": TOOLED,
    "listed": LISTED,
    "either": tuple((case, shape) for case in CASES for shape in TWO_SHAPES),
    "thinking": tuple((case, shape) for case in THINKING for shape in TWO_SHAPES),
    "case_in_shape": tuple((case, shape) for case in CASES for shape in SHAPES),
    "insistent": tuple((case, shape) for case in CASES for shape in case.retries),
}
"""What the fixtures of these names give a test, one after the other."""
