"""The table of clients that the tests in `sdk/clients` ask the same questions: a line for each."""

from __future__ import annotations

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
from provider_cases import ProviderCase

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
