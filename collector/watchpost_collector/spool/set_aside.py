"""What nobody can store: moved out of the spool with its reason, and bounded in bytes and age.

A segment here blocks nothing and is in no table; a person may look at it, send it to its maker, or
delete it. The oldest go when there are too many bytes or they are too old, and that is counted and
said. This file knows files and reasons; it does not know what a segment holds.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchpost_collector.counters import Counters
from watchpost_collector.otlp.signals import read_signal
from watchpost_collector.private_files import read_private, sync_directory, write_private
from watchpost_collector.spool.writer import Segment
from watchpost_collector.steady import read_steady_ns

log = logging.getLogger(__name__)

_CONTENT, _REASON = ".envelopes", ".reason.json"


@dataclass(frozen=True, slots=True)
class SetAsideBounds:
    """How much may lie in the set-aside directory, and for how long. Bytes and seconds."""

    bytes: int = 1 << 30
    age_s: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class SetAsideState:
    """What lies there now: how many segments, their bytes, and the age of the oldest in seconds."""

    segments: int = 0
    bytes: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    size_bytes: int
    since_ns: int


class SetAside:
    """The set-aside directory; lives as long as the collector. For one thread at a time.

    What is dropped from it is added to the counter `set_aside_dropped`, in spans.
    """

    def __init__(
        self,
        directory: Path,
        counters: Counters,
        bounds: SetAsideBounds | None = None,
        clock: Callable[[], int] = read_steady_ns,
    ) -> None:
        self.directory = directory
        self.bounds = bounds or SetAsideBounds()
        self._counters = counters
        self._clock = clock

    def take_segment(self, segment: Segment, reason: str) -> Path:
        """Move a segment here, with a file that says why."""
        self._explain(segment.name, reason, segment.spans, segment.size_bytes)
        target = self.directory / f"{segment.name}{_CONTENT}"
        # A try before this one may have failed behind it.
        if segment.path.exists() or not target.exists():
            os.replace(segment.path, target)
        sync_directory(self.directory)
        sync_directory(segment.path.parent)
        self.prune()
        return target

    def take_bytes(self, name: str, content: bytes, reason: str) -> None:
        """Keep bytes that are no whole segment, with a file that says why."""
        self._explain(name, reason, 0, len(content))
        write_private(self.directory / f"{name}{_CONTENT}", content)
        self.prune()

    def read(self) -> SetAsideState:
        """What lies here now."""
        kept = list(self._list_kept())
        now_ns = self._clock()
        return SetAsideState(
            segments=len(kept),
            bytes=sum(one.size_bytes for one in kept),
            oldest_s=max((max(0, now_ns - one.since_ns) / 1e9 for one in kept), default=0.0),
        )

    def prune(self) -> None:
        """Drop the oldest beyond the bounds, count their spans, and say so."""
        now_ns = self._clock()
        room = self.bounds.bytes
        for one in sorted(self._list_kept(), key=lambda kept: kept.since_ns, reverse=True):
            room -= one.size_bytes
            age_s = (now_ns - one.since_ns) / 1e9
            if room < 0 or age_s > self.bounds.age_s:
                self._drop(one, "too many bytes" if room < 0 else "too old")

    def _drop(self, kept: _Kept, why: str) -> None:
        name = kept.path.name.removesuffix(_CONTENT)
        reason = self.directory / f"{name}{_REASON}"
        spans = 0
        with suppress(OSError, ValueError, TypeError, KeyError):
            spans = int(json.loads(read_private(reason))["spans"])
        try:
            kept.path.unlink(missing_ok=True)
            reason.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be dropped (%s): %s", name, why, error)
            return
        self._counters.of(read_signal(name)).add(set_aside_dropped=spans)
        log.warning("dropped %s from what was set aside (%s): %d spans", name, why, spans)

    def _list_kept(self) -> Iterator[_Kept]:
        for path in self.directory.glob(f"*{_CONTENT}"):
            with suppress(OSError):
                found = path.stat()
                yield _Kept(path, found.st_size, found.st_mtime_ns)

    def _explain(self, name: str, reason: str, spans: int, size_bytes: int) -> None:
        told = {"segment": name, "reason": reason, "spans": spans, "bytes": size_bytes}
        write_private(self.directory / f"{name}{_REASON}", json.dumps(told, indent=2).encode())
