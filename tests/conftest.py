"""Fixtures shared by every package's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from watchpost_collector.demo.provider import ProviderServer


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """A stand-in for OpenAI and Anthropic on loopback; see `ProviderServer`."""
    with ProviderServer() as server:
        yield server
