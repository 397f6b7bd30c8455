"""A small disk that can be filled up: a tmpfs where it may be mounted, else a limit on file sizes.

Both are the kernel's own refusals: ENOSPC from the first, EFBIG (after a short write) from the
second. Nothing is imitated.
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class SmallDisk:
    """A directory of so many megabytes; lives in a `with` block."""

    def __init__(self, place: Path, megabytes: int) -> None:
        self.place = place
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "watchpost-chaos"]
        tried = subprocess.run([*mount, str(place)], capture_output=True, check=False)
        self.mounted = tried.returncode == 0
        self._ballast = place / "ballast"

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    def fill(self, pid: int) -> None:
        """Leave no room: on the disk, or for the process `pid`."""
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 512):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self, pid: int) -> None:
        """Give the room back."""
        if self.mounted:
            self._ballast.unlink(missing_ok=True)
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
