"""OTLP over HTTP: POST /v1/traces, logs and metrics as a pure ASGI app, acknowledged when durable.

Reads a body within bounds, hands it to the reception, answers as OTLP says. No body and no key is
ever logged or echoed. This file knows no spool, no flush and no store.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from watchpost.errors import BadPayload, Full
from watchpost.serving.origin import Receive, Scope, Send
from watchpost_collector.intake.admission import Parcel, encode_response, read_content_type
from watchpost_collector.intake.reception import BACKFILL_HEADER, Reception
from watchpost_collector.otlp.refusal import (
    JSON_TYPE,
    Refusal,
    encode_status,
    read_retry,
    read_status,
)
from watchpost_collector.otlp.signals import SIGNALS, TRACES, Signal

_PATHS = {signal.path: signal for signal in SIGNALS}
_BODY_TIMEOUT_S = 60.0
_DRAIN_S = 10.0
_DRAIN_TIMES = 4


class OtlpApp:
    """The ASGI app of the OTLP port's /v1/... paths; lives as long as the server."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        content_type, signal = JSON_TYPE, _PATHS.get(scope["path"], TRACES)
        try:
            _check_route(scope)
            project = self._reception.choose_project(scope["headers"])
            content_type = read_content_type(headers.get("content-type", ""))
            body = await self._take(headers, receive, content_type, project, signal)
        except (BadPayload, Full) as error:
            self._reception.count_refusal(signal)
            await _send_error(send, error, content_type)
            return
        await _send(send, 200, body, content_type)

    async def _take(
        self,
        headers: dict[str, str],
        receive: Receive,
        content_type: str,
        project: str,
        signal: Signal,
    ) -> bytes:
        body = await self._read_body(headers, receive)
        try:
            admission = await self._reception.take(
                Parcel(
                    body=body,
                    content_type=content_type,
                    encoding=headers.get("content-encoding", "").strip().lower(),
                    project=project,
                    received_ns=time.time_ns(),
                    backfill=headers.get(BACKFILL_HEADER, "") == "1",
                    signal=signal,
                )
            )
        finally:
            self._reception.let_go(len(body))
        return encode_response(admission, content_type)

    async def _read_body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The body; the caller lets go of what it holds of the in-flight room."""
        limit = self._reception.limits.request_bytes
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
                    self._reception.hold(len(piece))
                    pieces.append(piece)
                    if size > limit:
                        pieces.clear()
                        await _drain(receive, limit)
                        raise Refusal.oversize(limit)
                    if not message.get("more_body", False):
                        return b"".join(pieces)
        except TimeoutError as error:
            self._reception.let_go(size)
            reason = f"the body was not complete after {_BODY_TIMEOUT_S:g} s"
            raise Refusal(408, reason, "resend it") from error
        except BaseException:
            self._reception.let_go(size)
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
    if scope["path"] not in _PATHS:
        raise Refusal(404, "nothing is taken at this path", f"POST to {', '.join(_PATHS)}")
    if scope["method"] != "POST":
        raise Refusal(405, "this path takes POST", f"POST to {scope['path']}")


async def _send_error(send: Send, error: BadPayload | Full, content_type: str) -> None:
    status, retry_s = read_status(error), read_retry(error)
    extra = ((b"retry-after", str(retry_s).encode()),) if retry_s else ()
    await _send(send, status, encode_status(error, content_type), content_type, extra)


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
