"""Erasing while the store comes and goes: an order stands, and what comes late is still erased."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost_collector.erasure import eraser as module
from watchpost_collector.erasure.eraser import Eraser
from watchpost_collector.erasure.journal import DONE
from watchpost_collector.erasure.subject import Subject
from watchpost_collector.store import erase
from watchpost_collector.store.client import Store, StoreUnavailable


class AwayStore:
    """The real store, which answers nothing while `away`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return getattr(self._store, name)


def flush_at_once() -> Future[None]:
    flushed: Future[None] = Future()
    flushed.set_result(None)
    return flushed


def test_who_was_erased_while_the_store_was_away_is_known_when_spans_come_late(
    embedded_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Others share the store and erase in it; here nobody was erased before.
    monkeypatch.setattr(erase, "knows_erased", lambda _: False)
    monkeypatch.setattr(module, "_RETRY_S", 0.05)
    project, person = name_segment("away"), name_segment("person")
    place = AwayStore(embedded_store)
    eraser = Eraser(tmp_path, tmp_path, [flush_at_once])
    eraser.start(cast("Store", place))
    try:
        place.away = True
        ordered = eraser.order(Subject("user", person, project), keep_calls=True)
        place.away = False
        give_up = time.monotonic() + 120
        while (found := eraser.read(ordered.name)) is None or found.state != DONE:
            assert time.monotonic() < give_up, found
            time.sleep(0.05)

        late = name_segment()
        spans = [make_call(user__id=person)]
        embedded_store.insert_segment(pack_segment(late, spans, project), late)
        eraser.sweep(late)

        asked = "select count() from watchpost.spans where project = {p:String}"
        assert embedded_store.query(asked, {"p": project}).rows == [(0,)]
    finally:
        eraser.close()
