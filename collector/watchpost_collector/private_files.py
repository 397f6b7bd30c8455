"""Files only their owner can read: 0700 directories, 0600 files, no link followed, durable.

A spool holds prompts and answers. A directory someone else owns, or a link in place of a file,
is refused rather than written through. This file knows nothing of what it writes.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from watchpost.errors import ConfigError

_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


def make_private(directory: Path, setting: str) -> Path:
    """The directory, made if it is missing; ConfigError names `setting` when it is not private."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(directory)
    except OSError as error:
        raise ConfigError(setting, str(directory), f"{error.strerror}; name another one") from error
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(setting, str(directory), "it is a link; name the directory itself")
    if found.st_uid != os.geteuid():
        raise ConfigError(setting, str(directory), "another user owns it; name your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(directory, 0o700)
    return directory


def create_private(path: Path) -> int:
    """A descriptor of a new 0600 file; FileExistsError when anything has that name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _NO_LINK
    return os.open(path, flags, 0o600)


def read_private(path: Path) -> bytes:
    """The content of a file that is ours and no link."""
    descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def write_private(path: Path, content: bytes) -> None:
    """Put a whole file there durably: all of it or, after a crash, none of it."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = create_private(draft)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_directory(directory: Path, setting: str) -> int:
    """Hold the directory for this process until it ends; ConfigError when another one does."""
    flags = os.O_WRONLY | os.O_CREAT | _NO_LINK
    descriptor = os.open(directory / "lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        cure = "another watchpost is using it; stop that one, or name another directory"
        raise ConfigError(setting, str(directory), cure) from error
    return descriptor
