"""A small private file that changes while the server runs: read when it changed, written whole.

A reader looks at the file's state at most twice a second, so a change is seen within a second and
a request pays nothing for it. A version that cannot be read leaves the one before in force, because
a slip of the pen must neither open a door nor lift a limit. Two writers take turns. This file does
not know what is in the files.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from watchpost.errors import ConfigError
from watchpost_collector.private_files import make_private, read_private, write_private

log = logging.getLogger(__name__)

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
_State = tuple[int, int, int]


class WatchedFile(Generic[T]):
    """The parsed content of `path`, kept up to date; `empty` is what a missing file means.

    `parse` raises ConfigError for content it cannot use. The first reading raises it too; later
    ones log it and keep what was in force.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], empty: T) -> None:
        self.path = path
        self._parse, self._empty = parse, empty
        self._state: _State | None = None
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._value = self._load(_find_state(path))

    def read(self) -> T:
        """What the file says now, or said when it could last be read."""
        now = time.monotonic()
        if now < self._look_at:
            return self._value
        self._look_at = now + _LOOK_EVERY_S
        try:
            state = _find_state(self.path)
            if state != self._state:
                self._value = self._load(state)
        except ConfigError as error:
            log.error("%s was changed and cannot be used, nothing changes: %s", self.path, error)
        return self._value

    def _load(self, state: _State | None) -> T:
        # Remembered first: a version that cannot be read is told of once.
        self._state = state
        if state is None:
            return self._empty
        try:
            content = read_private(self.path)
        except OSError as error:
            cure = f"it must be a file of yours and no link ({error.strerror})"
            raise ConfigError("--data", str(self.path), cure) from error
        return self._parse(content)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file by `change` of its content (b'' if it is missing); writers take turns.

    All of it or, after a crash, none of it. What `change` raises passes through, and nothing is
    written.
    """
    make_private(path.parent, "--data")
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    turn = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        content = read_private(path) if _find_state(path) is not None else b""
        write_private(path, change(content))
    finally:
        os.close(turn)


def _find_state(path: Path) -> _State | None:
    """What tells one version of a file from another: a rewritten file is another inode."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("--data", str(path), f"it cannot be read ({error.strerror})") from error
    return found.st_ino, found.st_mtime_ns, found.st_size
