"""Batches on disk while the collector is away: private files, in order, bounded, shared safely.

Each destination has a directory of its own, 0700 and ours, with one 0600 file a batch that is
already redacted, encoded and compressed. What a process leaves behind the next one delivers. It
does not know what is in a batch but the number of its spans.
"""

import contextlib
import hashlib
import itertools
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock; there a directory has one process at a time.
    fcntl = None  # type: ignore[assignment]

# By signal. One that an older version does not know is left alone by it.
_SUFFIXES = {"traces": ".otlp.gz", "logs": ".logs.gz"}
# Writing one takes a moment; this is long after.
_ABANDONED_S = 3600
_sequence = itertools.count()


@dataclass(frozen=True, slots=True)
class Stored:
    """One batch on disk: where, how many spans are in it, how many bytes it takes."""

    path: Path
    spans: int
    size: int
    signal: str = "traces"


def default_directory() -> Path:
    """Where spilled batches go unless the user says: the state directory of this account."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "watchpost" / "spill"


class Spill:
    """The batches kept for one destination. Raises OSError where the disk does not play along."""

    def __init__(self, directory: Path, destination: str, max_bytes: int) -> None:
        name = hashlib.sha256(destination.encode()).hexdigest()[:16]
        self._base = directory
        self._directory = directory / name
        self._max_bytes = max_bytes
        self._claimed: int | None = None

    def append(self, body: bytes, spans: int, signal: str = "traces") -> int:
        """Keep one batch; returns how many spans had to be thrown away to make room.

        The oldest go first. A batch that would fill the disk alone is itself thrown away.
        """
        if len(body) > self._max_bytes:
            return spans
        self._make_directory()
        dropped = self._make_room(len(body))
        stem = f"{time.time_ns():020d}-{os.getpid()}-{next(_sequence):06d}-{spans}"
        partial = self._directory / f"{stem}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._directory / (stem + _SUFFIXES[signal]))
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return dropped

    def stored(self) -> list[Stored]:
        """What is kept, oldest first."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                signal = _read_signal(entry.name)
                if signal and entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        size = entry.stat(follow_symlinks=False).st_size
                        spans = _count_spans(entry.name)
                        found.append(Stored(Path(entry.path), spans, size, signal))
        return sorted(found, key=lambda item: item.path.name)

    def read(self, item: Stored) -> bytes | None:
        """The bytes of one batch; None when another process has delivered it meanwhile."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        try:
            with os.fdopen(os.open(item.path, flags), "rb") as file:
                return file.read() if _is_private(os.fstat(file.fileno())) else None
        except FileNotFoundError:
            return None

    def remove(self, item: Stored) -> None:
        """Forget a batch that was delivered or refused."""
        item.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def claim(self) -> Iterator[bool]:
        """Hold the right to deliver; False when another process of this account has it."""
        self._make_directory()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._sweep()
        descriptor = self._claimed = os.open(self._directory / "lock", flags, 0o600)
        try:
            yield _lock(descriptor)
        finally:
            # Not by closing alone: a child forked meanwhile would hold it on.
            _unlock(descriptor)
            self._claimed = None
            os.close(descriptor)

    def forget(self) -> None:
        """Let go of what belongs to the parent of a forked process."""
        descriptor, self._claimed = self._claimed, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what killed processes began to write: nobody can read half a batch."""
        now_s = time.time()
        for partial in self._directory.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if now_s - partial.stat(follow_symlinks=False).st_mtime > _ABANDONED_S:
                    partial.unlink()

    def _make_directory(self) -> None:
        self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self._directory.mkdir(mode=0o700)
        # lstat, so that a link planted in its place is refused and not followed.
        status = os.lstat(self._directory)
        if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
            raise PermissionError(f"{self._directory} is not a private directory of this account")

    def _make_room(self, size: int) -> int:
        kept = self.stored()
        total = sum(item.size for item in kept)
        dropped = 0
        for item in kept:
            if total + size <= self._max_bytes:
                break
            self.remove(item)
            total -= item.size
            dropped += item.spans
        return dropped


def _is_private(status: os.stat_result) -> bool:
    """Ours, and closed to everybody else."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _read_signal(name: str) -> str:
    return next((signal for signal, end in _SUFFIXES.items() if name.endswith(end)), "")


def _count_spans(name: str) -> int:
    digits = name.partition(".")[0].rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0
