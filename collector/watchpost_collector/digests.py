"""Digests of what was accepted, so that a request sent again is not stored again.

A client that got no answer sends the same bytes again; it must not double its spans. The digest
of (project, decompressed body) travels inside the envelope, so it is exactly as durable as the
spans; when a segment is flushed and its file goes, its digests stay in a small file of their own
until they expire. A resend that reaches another collector is not caught here. This file knows no
HTTP and no store.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from watchpost_collector.private_files import make_private, write_private
from watchpost_collector.spool import promise

_SIZE = 16
_RECORD = struct.Struct("<Q")
_SUFFIX = ".digests"


def compute_digest(body: bytes, project: str, kind: str) -> bytes:
    """Sixteen bytes that name this body, sent by this project as this kind of content."""
    seed = hashlib.blake2b(digest_size=_SIZE, key=hashlib.sha256(project.encode()).digest())
    seed.update(kind.encode() + b"\0")
    seed.update(body)
    return seed.digest()


class Digests:
    """The digests still remembered, newest last: in memory to ask, on disk to survive.

    Kept for `keep_s` seconds and at most `most` of them; the oldest go first. Thread-safe.
    """

    def __init__(self, directory: Path, *, keep_s: float = 3600.0, most: int = 250_000) -> None:
        self._directory = directory
        self._keep_ns = int(keep_s * 1e9)
        self._most = most
        self._known: dict[bytes, tuple[int, Future[None]]] = {}
        self._lock = threading.Lock()

    def claim(self, digest: bytes, received_ns: int) -> tuple[Future[None], bool]:
        """The future of the first request with this digest, and whether this is a resend.

        The first caller stores the request and settles the future; a resend waits for the same
        future, so it is acknowledged when the first is durable and not before.
        """
        with self._lock:
            known = self._known.get(digest)
            if known is not None and received_ns - known[0] <= self._keep_ns:
                return known[1], True
            future = promise()
            self._known.pop(digest, None)
            self._known[digest] = (received_ns, future)
            self._expire(received_ns)
            return future, False

    def forget(self, digest: bytes) -> None:
        """Give a claim back: the request was not stored, a resend is a first try again."""
        with self._lock:
            self._known.pop(digest, None)

    def restore(self, stamped: Iterable[tuple[bytes, int]]) -> None:
        """Remember digests found in the spool: they are stored already."""
        done = promise()
        done.set_result(None)
        with self._lock:
            for digest, received_ns in stamped:
                if digest:
                    self._known[digest] = (received_ns, done)

    def keep(self, segment: str, stamped: Iterable[tuple[bytes, int]]) -> None:
        """Write the digests of a segment beside it, durably, before its file is deleted."""
        packed = b"".join(d + _RECORD.pack(at) for d, at in stamped if len(d) == _SIZE)
        if packed:
            write_private(self._directory / f"{segment}{_SUFFIX}", packed)

    def load(self) -> None:
        """Read what earlier runs kept; delete what expired."""
        make_private(self._directory, "--data")
        now_ns = time.time_ns()
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            content = path.read_bytes()
            width = _SIZE + _RECORD.size
            whole = len(content) - len(content) % width
            stamped = [
                (content[i : i + _SIZE], _RECORD.unpack_from(content, i + _SIZE)[0])
                for i in range(0, whole, width)
            ]
            fresh = [pair for pair in stamped if now_ns - pair[1] <= self._keep_ns]
            if fresh:
                self.restore(fresh)
            else:
                path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Delete the files whose every digest expired; called now and then by the flusher."""
        oldest = time.time() - self._keep_ns / 1e9
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if os.stat(path).st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _expire(self, now_ns: int) -> None:
        while self._known:
            digest, (at, _) = next(iter(self._known.items()))
            if now_ns - at <= self._keep_ns and len(self._known) <= self._most:
                return
            del self._known[digest]
