"""The embedded engine's directory: room on its disk, and what a full disk left of a new store.

The engine writes the files that define its tables without asking whether they arrived: on a full
disk they are empty, every statement says it succeeded, and the store never opens again. So nothing
is asked of it without room, and a store that was emptied before it held anything is begun anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from watchpost.errors import CollectorError

LEAST_BYTES = 32 * 1024 * 1024
"""Free bytes below which the engine is asked to write nothing: a segment and a merge fit in."""

_SCHEME = "chdb://"
# Every part has one; a store without any holds no row.
_OF_A_PART = "checksums.txt"
# All that the engine makes in its directory; whatever else lies there is somebody's.
_FOLDERS = frozenset({"data", "metadata", "metadata_dropped", "store", "tmp"})


def find_directory(dsn: str) -> Path | None:
    """Where an embedded store lies; None for a server."""
    if not dsn.startswith(_SCHEME):
        return None
    return Path(dsn.removeprefix(_SCHEME).partition("?")[0])


class DiskFull(CollectorError):  # noqa: N818 - "except DiskFull" reads as a sentence
    """Raised when an embedded store's disk has no room; the same call succeeds once it has."""


def require_room(directory: Path | None) -> None:
    """Raise DiskFull when the disk of an embedded store (nearly) is; a server sees to its own."""
    if directory is None or (room := measure_room(directory)) >= LEAST_BYTES:
        return
    raise DiskFull(
        f"the disk of {directory} is full",
        f"{room >> 20} MB are free of the {LEAST_BYTES >> 20} that the engine needs: make room",
    )


def measure_room(directory: Path) -> int:
    """Free bytes for us on the disk of a directory that may not be there yet."""
    place = directory
    while not place.exists():
        place = place.parent
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def clear_stillborn(directory: Path) -> bool:
    """Remove a store whose definitions are empty files and which has no row; whether it did.

    One that has rows is left as it is: the engine says which file is empty, and a person decides.
    So is a directory in which anything else lies: a setting may name somebody's home.
    """
    if not directory.is_dir() or any(found.name not in _FOLDERS for found in directory.iterdir()):
        return False
    emptied = any(path.stat().st_size == 0 for path in _find(directory, "*.sql"))
    if not emptied or _find(directory, _OF_A_PART):
        return False
    shutil.rmtree(directory)
    return True


def _find(directory: Path, pattern: str) -> list[Path]:
    # Links to the folders of tables are not followed: what they lead to is found by itself.
    return [path for path in directory.rglob(pattern) if path.is_file() and not path.is_symlink()]
