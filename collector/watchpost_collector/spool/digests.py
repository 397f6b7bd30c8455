"""Digests of what was accepted, so that a request sent again is not stored again.

A client that got no answer sends the same bytes again; it must not double its spans. The digest
of (project, decompressed body) travels inside the envelope, so it is exactly as durable as the
spans; when a segment is flushed and its file goes, its digests stay in a small file of their own
until they expire. A resend that reaches another collector is not caught here. This file knows no
HTTP and no store.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from watchpost_collector.private_files import make_private, read_private, write_private
from watchpost_collector.spool.writer import promise
from watchpost_collector.steady import read_steady_ns

log = logging.getLogger(__name__)

_SIZE = 16
_RECORD = struct.Struct("<Q")
_SUFFIX = ".digests"
_WIDTH = _SIZE + _RECORD.size
# Given up when the disk is full, so that what is stored can still be let go: that makes room.
_RESERVE, _RESERVE_BYTES = "reserve", 1 << 20


def compute_digest(body: bytes, project: str, kind: str) -> bytes:
    """Sixteen bytes that name this body, sent by this project as this kind of content."""
    # SHA-256, which processors do in hardware: every byte that comes in passes here.
    seed = hashlib.sha256(f"{project}\0{kind}\0".encode())
    seed.update(body)
    return seed.digest()[:_SIZE]


class Digests:
    """The digests still remembered, newest last: in memory to ask, on disk to survive.

    Kept for `keep_s` seconds and at most `most` of them, in memory and on disk; the oldest go
    first. `clock` tells nanoseconds since 1970 and does not jump. Thread-safe.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keep_s: float = 3600.0,
        most: int = 250_000,
        clock: Callable[[], int] = read_steady_ns,
    ) -> None:
        self._directory = directory
        self._keep_ns = int(keep_s * 1e9)
        self._most = most
        self._clock = clock
        self._known: dict[bytes, tuple[int, Future[None]]] = {}
        self._lock = threading.Lock()

    def claim(self, digest: bytes) -> tuple[Future[None], bool]:
        """The future of the first request with this digest, and whether this is a resend.

        The first caller stores the request and settles the future; a resend waits for the same
        future, so it is acknowledged when the first is durable and not before.
        """
        now_ns = self._clock()
        with self._lock:
            known = self._known.get(digest)
            if known is not None and now_ns - known[0] <= self._keep_ns:
                return known[1], True
            future = promise()
            self._known.pop(digest, None)
            self._known[digest] = (now_ns, future)
            self._expire(now_ns)
            return future, False

    def forget(self, digest: bytes) -> None:
        """Give a claim back: the request was not stored, a resend is a first try again."""
        with self._lock:
            self._known.pop(digest, None)

    def restore(self, stamped: Iterable[tuple[bytes, int]]) -> None:
        """Remember digests found in the spool: they are stored already.

        A stamp of the future is another clock's: such a request counts as just received.
        """
        done = promise()
        done.set_result(None)
        now_ns = self._clock()
        with self._lock:
            for digest, received_ns in stamped:
                if digest:
                    self._known[digest] = (min(received_ns, now_ns), done)

    def keep(self, segment: str, stamped: Iterable[tuple[bytes, int]]) -> None:
        """Write the digests of a segment beside it, durably, before its file is deleted."""
        packed = b"".join(d + _RECORD.pack(at) for d, at in stamped if len(d) == _SIZE)
        if not packed:
            return
        path = self._directory / f"{segment}{_SUFFIX}"
        try:
            write_private(path, packed)
        except OSError:
            reserve = self._directory / _RESERVE
            if not reserve.exists():
                raise
            reserve.unlink()
            write_private(path, packed)

    def load(self) -> None:
        """Read what earlier runs kept; delete what expired."""
        make_private(self._directory, "--data")
        now_ns = self._clock()
        for draft in self._directory.glob("*.draft"):
            draft.unlink(missing_ok=True)
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            try:
                content = read_private(path)
            except OSError as error:
                log.warning("the digests of %s cannot be read: %s", path.stem, error.strerror)
                continue
            fresh = [pair for pair in _unpack(content) if now_ns - pair[1] <= self._keep_ns]
            if fresh:
                self.restore(fresh)
            else:
                path.unlink(missing_ok=True)
        with self._lock:
            self._expire(now_ns)
        self.prune()

    def prune(self) -> None:
        """Delete files whose every digest expired, or that are too many; keep the reserve full."""
        oldest_s = (self._clock() - self._keep_ns) / 1e9
        room = self._most * _WIDTH
        for path in sorted(self._directory.glob(f"*{_SUFFIX}"), reverse=True):
            found = os.stat(path)
            room -= found.st_size
            if found.st_mtime < oldest_s or room < 0:
                path.unlink(missing_ok=True)
        reserve = self._directory / _RESERVE
        if not reserve.exists():
            # Where there is no room for it there is nothing to hold back.
            with suppress(OSError):
                write_private(reserve, bytes(_RESERVE_BYTES))

    def _expire(self, now_ns: int) -> None:
        while self._known:
            digest, (at, _) = next(iter(self._known.items()))
            if now_ns - at <= self._keep_ns and len(self._known) <= self._most:
                return
            del self._known[digest]


def _unpack(content: bytes) -> list[tuple[bytes, int]]:
    """The whole records of a digests file, whatever else it holds."""
    whole = len(content) - len(content) % _WIDTH
    return [
        (content[i : i + _SIZE], _RECORD.unpack_from(content, i + _SIZE)[0])
        for i in range(0, whole, _WIDTH)
    ]
