"""The page's reader: a tab sees what its key may see, for as long as the key holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_segments import make_call, name_segment, pack_segment

from watchpost.errors import CollectorError
from watchpost.serving.keys import Keys
from watchpost_collector.access.issued_keys import KeyFile, issue_key, revoke_key
from watchpost_collector.page.application import KeyedReader
from watchpost_collector.page.reading import read_rows
from watchpost_collector.query.reader import Reader
from watchpost_collector.store.client import Store

COUNT = "select count() as spans from spans where project = {project:String}"


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    opened = Reader(store.dsn)
    yield opened
    opened.close()


@pytest.fixture
def project(store: Store) -> str:
    name = name_segment("page")
    segment = name_segment()
    store.insert_segment(pack_segment(segment, [make_call(), make_call()], name), segment)
    return name


def open_tab(reader: Reader, data: Path, secret: str) -> KeyedReader:
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    return KeyedReader(reader, Keys(issued=KeyFile(data)), headers)


def reads(tab: KeyedReader, project: str) -> bool:
    try:
        return read_rows(tab, COUNT, {"project": project}) != []
    except CollectorError:
        return False


def test_a_read_keys_tab_reads_its_own_project_and_no_other(
    reader: Reader, project: str, tmp_path: Path
) -> None:
    _, secret = issue_key(tmp_path, project, "read")
    tab = open_tab(reader, tmp_path, secret)
    assert tab.own_project == project
    assert read_rows(tab, COUNT, {"project": project}) == [{"spans": 2}]
    for other in ("", "another"):
        with pytest.raises(CollectorError, match="another project"):
            read_rows(tab, COUNT, {"project": other})


def test_an_admin_keys_tab_reads_every_project(
    reader: Reader, project: str, tmp_path: Path
) -> None:
    _, secret = issue_key(tmp_path, "default", "admin")
    tab = open_tab(reader, tmp_path, secret)
    assert tab.own_project is None
    assert read_rows(tab, COUNT, {"project": project}) == [{"spans": 2}]


def test_an_open_tab_ends_with_its_key(reader: Reader, project: str, tmp_path: Path) -> None:
    key, secret = issue_key(tmp_path, project, "read")
    tab = open_tab(reader, tmp_path, secret)
    assert read_rows(tab, COUNT, {"project": project}) == [{"spans": 2}]
    revoke_key(tmp_path, key.id)
    give_up = time.monotonic() + 20
    while reads(tab, project):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    with pytest.raises(CollectorError, match="no longer"):
        read_rows(tab, COUNT, {"project": project})
