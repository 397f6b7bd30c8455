"""OTLP over HTTP: POST /v1/traces as a pure ASGI app, acknowledged when durable.

Reads a body within bounds, hands it to the door, waits for the spool, answers as OTLP says. No
body and no key is ever logged or echoed. This file knows no flush and no store.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass

from watchpost.errors import BadPayload, Full
from watchpost_collector.counters import Counters
from watchpost_collector.digests import Digests
from watchpost_collector.intake import (
    Admission,
    Parcel,
    admit,
    encode_response,
    read_content_type,
)
from watchpost_collector.keys import Keys
from watchpost_collector.origin import Receive, Scope, Send
from watchpost_collector.refusal import JSON_TYPE, Refusal, encode_status
from watchpost_collector.spool import Spool

PATH = "/v1/traces"
_INLINE_BYTES = 64 << 10
_BODY_TIMEOUT_S = 60.0
_DRAIN_S = 10.0
_DRAIN_TIMES = 4
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds of what is read: bytes of one request (as sent, and unpacked), and of all at once."""

    request_bytes: int = 32 << 20
    in_flight_bytes: int = 512 << 20


class OtlpApp:
    """The ASGI app of the OTLP port's /v1/... paths; lives as long as the server."""

    def __init__(
        self,
        spool: Spool,
        digests: Digests,
        counters: Counters,
        keys: Keys,
        limits: IntakeLimits | None = None,
    ) -> None:
        self._spool = spool
        self._digests = digests
        self._counters = counters
        self._keys = keys
        self._limits = limits or IntakeLimits()
        self._in_flight_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        content_type = JSON_TYPE
        try:
            _check_route(scope)
            project = self._authorize(scope, headers)
            content_type = read_content_type(headers.get("content-type", ""))
            body = await self._take(headers, receive, content_type, project)
        except (BadPayload, Full) as error:
            self._counters.add(requests_refused=1)
            await _send_error(send, error, content_type)
            return
        await _send(send, 200, body, content_type)

    def _authorize(self, scope: Scope, headers: dict[str, str]) -> str:
        grant = self._keys.authorize(scope["headers"], "ingest")
        if grant is None:
            raise Refusal(401, "no key that may ingest", "send Authorization: Bearer KEY")
        wanted = headers.get("x-watchpost-project", grant.project)
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

    async def _take(
        self, headers: dict[str, str], receive: Receive, content_type: str, project: str
    ) -> bytes:
        parcel_body, reserved = await self._read_body(headers, receive)
        try:
            parcel = Parcel(
                body=parcel_body,
                content_type=content_type,
                encoding=headers.get("content-encoding", "").strip().lower(),
                project=project,
                received_ns=time.time_ns(),
                backfill=headers.get("x-watchpost-backfill", "") == "1",
            )
            limit = self._limits.request_bytes
            if len(parcel_body) <= _INLINE_BYTES:
                admission = admit(parcel, limit)
            else:
                # Large bodies unpack and parse on a thread: the loop keeps answering others.
                admission = await asyncio.to_thread(admit, parcel, limit)
            await self._store(admission)
        finally:
            self._in_flight_bytes -= reserved
        return encode_response(admission, content_type)

    async def _store(self, admission: Admission) -> None:
        letter, rejected = admission.letter, admission.rejected
        if not letter.spans:
            self._counters.add(requests_accepted=1, received=rejected, refused=rejected)
            return
        done, again = self._digests.claim(letter.digest, letter.received_ns)
        if again:
            await asyncio.wrap_future(done)
            total = letter.spans + rejected
            self._counters.add(requests_accepted=1, received=total, deduplicated=total)
            return
        # Counted before the spool has it: the flusher must never store what was not received.
        taken = letter.spans + rejected
        self._counters.add(received=taken, refused=rejected, waiting=letter.spans)
        try:
            self._spool.append(letter, done)
            await asyncio.wrap_future(done)
        except Full as error:
            self._digests.forget(letter.digest)
            self._counters.add(received=-taken, refused=-rejected, waiting=-letter.spans)
            if not done.done():
                done.set_exception(error)
            raise
        self._counters.add(requests_accepted=1)

    async def _read_body(self, headers: dict[str, str], receive: Receive) -> tuple[bytes, int]:
        """The body and how much of the in-flight room it holds, which the caller gives back."""
        limit = self._limits.request_bytes
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            await _drain(receive, limit)
            raise Refusal.oversize(limit)
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the client went away before its body was complete")
                    piece = message.get("body", b"")
                    size += len(piece)
                    self._in_flight_bytes += len(piece)
                    pieces.append(piece)
                    if size > limit:
                        pieces.clear()
                        await _drain(receive, limit)
                        raise Refusal.oversize(limit)
                    if self._in_flight_bytes > self._limits.in_flight_bytes:
                        raise Full("too many requests are being read at once", 1.0)
                    if not message.get("more_body", False):
                        return b"".join(pieces), size
        except TimeoutError as error:
            self._in_flight_bytes -= size
            reason = f"the body was not complete after {_BODY_TIMEOUT_S:g} s"
            raise Refusal(408, reason, "resend it") from error
        except BaseException:
            self._in_flight_bytes -= size
            raise


async def _drain(receive: Receive, limit_bytes: int) -> None:
    """Let a client finish an oversize body, within reason, so that it hears the answer to it."""
    drained = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while drained < limit_bytes * _DRAIN_TIMES:
                message = await receive()
                drained += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _check_route(scope: Scope) -> None:
    if scope["path"] != PATH:
        raise Refusal(404, "only traces are taken here", f"POST them to {PATH}")
    if scope["method"] != "POST":
        raise Refusal(405, "this path takes POST", f"POST to {PATH}")


async def _send_error(send: Send, error: BadPayload | Full, content_type: str) -> None:
    status = error.status if isinstance(error, Refusal) else 400
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, Full):
        status = 503
        extra = ((b"retry-after", str(max(1, round(error.retry_after_s))).encode()),)
    await _send(send, status, encode_status(status, str(error), content_type), content_type, extra)


async def _send(
    send: Send,
    status: int,
    body: bytes,
    content_type: str,
    extra: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
