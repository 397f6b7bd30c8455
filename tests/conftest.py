"""Fixtures shared by every package's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from running_clickhouse import RunningClickHouse
from running_server import RunningServer

from watchpost.testing.provider import ProviderServer
from watchpost_collector.store.client import Store, open_store
from watchpost_collector.store.migrate import migrate

# Nothing is downloaded: litellm's wheel carries tiktoken's vocabularies. Set before any test,
# because a process that failed to load one leaves it alone for a while.
_litellm = find_spec("litellm")
assert _litellm is not None
assert _litellm.origin is not None
os.environ["TIKTOKEN_CACHE_DIR"] = str(
    Path(_litellm.origin).parent / "litellm_core_utils" / "tokenizers"
)


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
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The migrated embedded store of this process: an engine allows one path a process."""
    opened = open_store(f"chdb://{tmp_path_factory.mktemp('store')}")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def served_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The same store over the ClickHouse HTTP protocol, its engine in another process."""
    with RunningClickHouse(tmp_path_factory.mktemp("served")) as running:
        opened = open_store(running.dsn)
        migrate(opened)
        yield opened
        opened.close()


@pytest.fixture(scope="session", params=["embedded", "served"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated store, first embedded in this process, then a server's."""
    found = request.getfixturevalue(f"{request.param}_store")
    assert isinstance(found, Store)
    return found
