"""The reception: a parcel from any protocol in, acknowledged when it is durable.

Says which project a request belongs to, keeps count of what is read at once, hands a parcel to the
door, sees that a resend is stored once, and waits for the spool. This file knows no protocol.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchpost.errors import Full
from watchpost.serving.keys import Keys
from watchpost_collector.counters import Counters
from watchpost_collector.intake.admission import Admission, Parcel, admit
from watchpost_collector.intake.throttle import Throttle
from watchpost_collector.otlp.refusal import Refusal, Throttled
from watchpost_collector.otlp.signals import Signal
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.writer import Spool

if TYPE_CHECKING:
    from watchpost_collector.intake.redaction import Redaction

PROJECT_HEADER = "x-watchpost-project"
BACKFILL_HEADER = "x-watchpost-backfill"
_INLINE_BYTES, _UNPACKED_BYTES = 64 << 10, 512 << 10
_LANES = 2
_TOO_LARGE = 413
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds of what is read: bytes of one request (as sent, and unpacked), and of all at once."""

    request_bytes: int = 32 << 20
    in_flight_bytes: int = 256 << 20


class Reception:
    """What every protocol's door has in common; lives as long as the server."""

    def __init__(
        self,
        spools: Mapping[str, Spool],
        digests: Digests,
        counters: Counters,
        keys: Keys,
        limits: IntakeLimits | None = None,
        throttle: Throttle | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self._spools = spools
        self._digests = digests
        self._counters = counters
        self._keys = keys
        self._throttle = throttle
        self._redaction = redaction
        self._in_flight_bytes = 0
        self._lanes = asyncio.Semaphore(_LANES)
        self.limits = limits or IntakeLimits()

    def choose_project(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The project of a request with these headers.

        Raises Refusal when its key may not ingest, Throttled when the project is over its limit:
        that is found out before the body is read.
        """
        project = self._find_project(list(headers))
        self._throttle_by(project)
        return project

    def _find_project(self, listed: list[tuple[bytes, bytes]]) -> str:
        grant = self._keys.authorize(listed, "ingest")
        if grant is None:
            raise Refusal(401, "no key that may ingest", "send Authorization: Bearer KEY")
        name = PROJECT_HEADER.encode()
        wanted = next((v.decode("latin-1") for k, v in listed if k == name), grant.project)
        if wanted == grant.project:
            return wanted
        if grant.scope != "admin":
            raise Refusal(
                403, "this key belongs to another project", "leave X-Watchpost-Project out"
            )
        if not _PROJECT.fullmatch(wanted):
            raise Refusal(
                400, "X-Watchpost-Project is no project name", "use letters, digits, . _ -"
            )
        return wanted

    def hold(self, size_bytes: int) -> None:
        """Count bytes that were read and are not stored yet; Full when there are too many."""
        self._in_flight_bytes += size_bytes
        if self._in_flight_bytes > self.limits.in_flight_bytes:
            raise Full("too many requests are being read at once", 1.0)

    def let_go(self, size_bytes: int) -> None:
        """Give back what was held, also what was refused."""
        self._in_flight_bytes -= size_bytes

    def count_refusal(self, signal: Signal) -> None:
        """One request more that could not be taken."""
        self._counters.of(signal).add(requests_refused=1)

    async def take(self, parcel: Parcel) -> Admission:
        """Admit a parcel; when this returns it is on the disk. Raises Refusal or Full."""
        began = time.monotonic()
        if self._redaction is not None:
            admission: Admission | None = await self._admit_redacted(parcel, self._redaction)
        else:
            admission = self._admit_small(parcel)
        if admission is None:
            # Large bodies unpack and parse on a thread: the loop keeps answering others. Parsed
            # they take many times their size, so only a few at once.
            async with self._lanes:
                admission = await asyncio.to_thread(admit, parcel, self.limits.request_bytes)
        self._throttle_admitted(admission)
        await self._store(admission)
        self._counters.of(parcel.signal).acknowledge_seconds.observe(time.monotonic() - began)
        return admission

    def _throttle_by(self, project: str, spans: int = 0, size_bytes: int = 0) -> None:
        wait_s = self._throttle.ask(project, spans, size_bytes) if self._throttle else 0.0
        if wait_s > 0:
            raise Throttled(f"project {project} sends more than its limit", round(wait_s, 3))

    def _throttle_admitted(self, admission: Admission) -> None:
        letter = admission.letter
        total = letter.spans + admission.rejected
        try:
            self._throttle_by(letter.project, total, len(letter.body))
        except Throttled:
            counters = self._counters.of(admission.signal)
            counters.add_of(letter.project, received=total, refused=total)
            raise

    async def _admit_redacted(self, parcel: Parcel, redaction: Redaction) -> Admission:
        """Admit a parcel of which nothing is kept as it came; on the redaction's own threads."""
        limit = self.limits.request_bytes
        async with self._lanes:
            return await asyncio.get_running_loop().run_in_executor(
                redaction.threads, admit, parcel, limit, redaction.redact
            )

    def _admit_small(self, parcel: Parcel) -> Admission | None:
        """Admit a parcel that is small, and stays so when it is unpacked; else None."""
        if len(parcel.body) > _INLINE_BYTES:
            return None
        limit = min(_UNPACKED_BYTES, self.limits.request_bytes)
        try:
            return admit(parcel, limit)
        except Refusal as refusal:
            if refusal.status == _TOO_LARGE and limit < self.limits.request_bytes:
                return None
            raise

    async def _store(self, admission: Admission) -> None:
        letter, rejected = admission.letter, admission.rejected
        counters = self._counters.of(admission.signal)
        if not letter.spans:
            counters.add_of(
                letter.project, requests_accepted=1, received=rejected, refused=rejected
            )
            return
        done, again = self._digests.claim(letter.digest)
        if again:
            total = letter.spans + rejected
            try:
                await asyncio.wrap_future(done)
            except Full:
                counters.add_of(letter.project, received=total, refused=total)
                raise
            counters.add_of(letter.project, requests_accepted=1, received=total, deduplicated=total)
            return
        # Counted before the spool has it: the flusher must never store what was not received.
        taken = letter.spans + rejected
        counters.add_of(letter.project, received=taken, refused=rejected, waiting=letter.spans)
        try:
            self._spools[admission.signal.name].append(letter, done)
            await asyncio.wrap_future(done)
        except Full as error:
            self._digests.forget(letter.digest)
            counters.add_of(letter.project, refused=letter.spans, waiting=-letter.spans)
            if not done.done():
                done.set_exception(error)
            raise
        counters.add(requests_accepted=1)
