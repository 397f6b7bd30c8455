"""The one file a spool is writing: begun, appended to, and cut back to what was acknowledged.

What is durable of it is `size_bytes`; behind that there may be, after a failure, what was refused.
This file knows descriptors and disks; it knows no letter, no queue and no bound.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from watchpost_collector import fault
from watchpost_collector.private_files import (
    create_private,
    read_private,
    sync_directory,
    write_private,
)

_WRITEV_PARTS = 512


@dataclass(slots=True)
class OpenFile:
    """A segment that is still written: its file, and what was acknowledged of it.

    `torn` says that a write failed and nobody knows what lies behind `size_bytes`;
    `try_again_at` (monotonic seconds) when to cut it once more.
    """

    name: str
    path: Path
    descriptor: int
    since: float
    size_bytes: int = 0
    body_bytes: int = 0
    spans: int = 0
    digests: list[tuple[bytes, int]] = field(default_factory=list)
    torn: bool = False
    try_again_at: float = 0.0

    def append(self, parts: Sequence[bytes]) -> None:
        """Write and sync; after an OSError anything may be behind `size_bytes`."""
        for start in range(0, len(parts), _WRITEV_PARTS):
            _write_all(self.descriptor, parts[start : start + _WRITEV_PARTS])
        fault.reach("written")
        os.fdatasync(self.descriptor)
        fault.reach("synced")
        self.size_bytes += sum(map(len, parts))

    def cut(self) -> None:
        """Leave what was acknowledged and nothing else, durably; without any, no file.

        What cannot be cut is written anew in its place. OSError when that fails too.
        """
        if self.size_bytes == 0:
            self.path.unlink(missing_ok=True)
            sync_directory(self.path.parent)
            return
        try:
            os.ftruncate(self.descriptor, self.size_bytes)
            os.fsync(self.descriptor)
        except OSError:
            content = read_private(self.path)[: self.size_bytes]
            if len(content) < self.size_bytes:
                raise OSError(errno.EIO, "the file is shorter than what was synced") from None
            write_private(self.path, content)

    def close(self) -> None:
        """Give the descriptor back; all that counts was synced, an error changes nothing."""
        with suppress(OSError):
            os.close(self.descriptor)


def begin_file(name: str, path: Path) -> OpenFile:
    """A new empty file whose name is durable."""
    descriptor = create_private(path)
    try:
        sync_directory(path.parent)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return OpenFile(name, path, descriptor, since=time.monotonic())


def _write_all(descriptor: int, parts: Sequence[bytes]) -> None:
    written = os.writev(descriptor, parts)
    rest = b"".join(parts)[written:] if written < sum(map(len, parts)) else b""
    while rest:
        rest = rest[os.write(descriptor, rest) :]
