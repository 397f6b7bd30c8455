from __future__ import annotations

from pathlib import Path

import pytest

from watchpost.errors import ConfigError
from watchpost_collector import opening
from watchpost_collector.access.projects import Projects
from watchpost_collector.settings import ServerSettings
from watchpost_collector.store.client import Store, StoreUnavailable, open_store


def test_a_store_that_could_not_be_made_ready_is_closed_again(
    tmp_path: Path, embedded_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Store] = []

    def remember(dsn: str) -> Store:
        opened.append(open_store(dsn))
        return opened[-1]

    monkeypatch.setattr(opening, "open_store", remember)
    too_many = tuple(f"segment-{number}" for number in range(9))
    settings = ServerSettings(tmp_path, embedded_store.dsn, segments=too_many)

    with pytest.raises(ConfigError, match="at most 8"):
        opening.open_upkeep(settings, Projects)

    [left] = opened
    with pytest.raises(StoreUnavailable, match="closed"):
        left.query("select 1")
    assert embedded_store.query("select 1").rows == [(1,)]
