"""Finished batches: each line of OpenAI's output file, each result of Anthropic's, is an answer.

It is read by the file of the protocol it was made with, and priced as a batch's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchpost import attributes as names
from watchpost.providers.provider import Provider, get
from watchpost.record import Result

BATCH = "batch"


def read_batches_of(provider: Provider) -> Provider:
    """A provider that reads a batch's line as this one reads the answer within."""
    return replace(
        provider,
        paths=(),
        owns_result=lambda line: _owns(provider, line),
        owns_chunk=lambda chunk: False,
        read_result=lambda line: _mark(provider.read_result(_unwrap(line))),
        visit_result=lambda line, visit: provider.visit_result(_unwrap(line), visit),
    )


def _unwrap(line: Any) -> Any:
    """The answer within: OpenAI's `response.body`, Anthropic's `result.message`; else None."""
    if get(line, "custom_id") is None:
        return None
    inside = get(get(line, "response"), "body")
    return get(get(line, "result"), "message") if inside is None else inside


def _owns(provider: Provider, line: Any) -> bool:
    inside = _unwrap(line)
    return inside is not None and provider.owns_result(inside)


def _mark(result: Result) -> Result:
    details = {**result.details, names.BATCH: True}
    return replace(result, service_tier=BATCH, details=details)
