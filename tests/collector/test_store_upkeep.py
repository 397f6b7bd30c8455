from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.store import upkeep
from watchpost_collector.store.client import Store, StoreUnavailable
from watchpost_collector.store.upkeep import Upkeep

OUTER, INNER = "a0" * 8, "b0" * 8


class AwayAfterInserts:
    """The real store, which stops answering questions while `away`; inserts still go through."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    def query(self, *arguments: Any) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return self._store.query(*arguments)

    def close(self) -> None:
        """Others still use the store."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def flaky(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Upkeep, Any]]:
    monkeypatch.setattr(upkeep, "_RETRY_S", 0.05)
    away = AwayAfterInserts(store)
    kept = Upkeep(cast("Store", away))
    kept.start()
    yield kept, away
    kept.close()


def read_calls(store: Store, project: str) -> list[tuple[Any, ...]]:
    return store.query(
        "select span_id from watchpost.generations where project = {p:String} order by 1",
        {"p": project},
    ).rows


def test_a_segment_that_could_not_be_settled_is_settled_when_the_store_is_back(
    store: Store, flaky: tuple[Upkeep, Any]
) -> None:
    kept, away = flaky
    project, segment = name_segment("unsettled"), name_segment()
    # Usage over none: one span alone does not tell, so only settling buries the inner one.
    stack = [make_call(OUTER), make_call(INNER, parent=OUTER, usage=False, start_ms=1)]

    away.away = True
    kept.insert_segment(pack_segment(segment, stack, project), segment)
    assert read_calls(store, project) == [(OUTER,), (INNER,)]
    away.away = False

    give_up = time.monotonic() + 60
    while len(read_calls(store, project)) > 1 and time.monotonic() < give_up:
        time.sleep(0.05)
    assert read_calls(store, project) == [(OUTER,)]
