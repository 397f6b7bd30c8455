"""Fixtures shared by every package's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_server import RunningServer

from watchpost_collector.demo.provider import ProviderServer


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """A stand-in for OpenAI and Anthropic on loopback; see `ProviderServer`."""
    with ProviderServer() as server:
        yield server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One real `watchpost up` for the session; tests keep apart by trace ids and service names."""
    with RunningServer(tmp_path_factory.mktemp("server") / "data") as running:
        yield running
