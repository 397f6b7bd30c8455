from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from chaos.disk import SmallDisk

from watchpost_collector.store.client import open_store
from watchpost_collector.store.directory import (
    DiskFull,
    clear_stillborn,
    find_directory,
    require_room,
)

# An engine keeps its directory for as long as its process lives.
_BEGIN = """
import sys
from watchpost_collector.store.client import open_store
from watchpost_collector.store.migrate import migrate
store = open_store(sys.argv[1])
migrate(store)
print(store.query("select count() from watchpost.spans").rows)
store.close()
"""


def begin(directory: Path) -> subprocess.CompletedProcess[str]:
    """Open and migrate a store in a process of its own."""
    command = [sys.executable, "-c", _BEGIN, f"chdb://{directory}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk_is_refused_before_the_engine_writes_empty_definitions(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 16) as disk:
        # Where nothing may be mounted there is no small disk: the room is that of the large one.
        if disk.mounted:
            with pytest.raises(DiskFull, match="MB are free of the 32"):
                open_store(f"chdb://{disk.place}/store")

        assert not (disk.place / "store").exists()


def test_a_store_that_a_full_disk_broke_before_it_held_anything_is_begun_anew(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "store"
    assert "[(0,)]" in begin(directory).stdout
    for definition in directory.rglob("*.sql"):
        definition.write_bytes(b"")
    for part in directory.rglob("checksums.txt"):
        part.unlink()

    again = begin(directory)

    assert "[(0,)]" in again.stdout, again.stderr
    assert "begun anew" in again.stderr


def test_a_store_with_rows_is_never_cleared(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    begin(directory)
    (directory / "metadata" / "watchpost.sql").write_bytes(b"")

    assert not clear_stillborn(directory)
    assert begin(directory).returncode != 0
    assert list(directory.rglob("checksums.txt"))


def test_a_directory_that_holds_anything_of_somebody_else_is_never_cleared(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "watchpost.sql").touch()
    (tmp_path / "thesis.txt").write_text("three years of work")

    assert not clear_stillborn(tmp_path)
    assert (tmp_path / "thesis.txt").exists()

    (tmp_path / "thesis.txt").unlink()
    assert clear_stillborn(tmp_path)


def test_a_server_sees_to_its_own_disk() -> None:
    assert find_directory("http://localhost:8123") is None
    require_room(None)
