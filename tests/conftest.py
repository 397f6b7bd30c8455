"""Fixtures shared by every package's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_server import RunningServer

from watchpost_collector.demo.provider import ProviderServer
from watchpost_collector.store.client import Store, open_store
from watchpost_collector.store.migrate import migrate


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


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The migrated embedded store of this process: an engine allows one path a process."""
    opened = open_store(f"chdb://{tmp_path_factory.mktemp('store')}")
    migrate(opened)
    yield opened
    opened.close()
