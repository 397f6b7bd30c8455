"""OTLP over gRPC: the `Export` methods, bytes in and bytes out, acknowledged when durable.

Nothing is decoded here: a message's bytes go to the reception as an HTTP body would. The calls are
served as streams of one message, which is the same on the wire, so that a key is asked for before
a body is read. There is no origin guard: a page in a browser cannot speak gRPC (fetch shows it no
HTTP/2 trailers and always sends HTTP/1 over plain text). This file knows no spool and no store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc
from grpc import aio

from watchpost.errors import BadPayload, ConfigError, Full
from watchpost_collector.intake.admission import Parcel, encode_response
from watchpost_collector.intake.reception import BACKFILL_HEADER, Reception
from watchpost_collector.otlp.envelope import encode_varint
from watchpost_collector.otlp.refusal import (
    PROTOBUF_TYPE,
    Refusal,
    encode_status,
    read_code,
    read_retry,
)
from watchpost_collector.otlp.signals import SIGNALS, Signal

_READ_S = 60.0
_STREAMS = 256
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_RETRY_TYPE = b"type.googleapis.com/google.rpc.RetryInfo"


class OtlpGrpc:
    """The gRPC server of one address, from `start` to `stop`."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", reception.limits.request_bytes),
                ("grpc.max_concurrent_streams", _STREAMS),
                # Two collectors on one port would share its clients in silence.
                ("grpc.so_reuseport", 0),
            ]
        )
        self._server.add_generic_rpc_handlers([self._serve(signal) for signal in SIGNALS])

    async def start(self, host: str, port: int) -> int:
        """Listen; the port. ConfigError when it is taken."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            cure = "stop what uses it, choose another (0 takes a free one), or say --no-grpc"
            raise ConfigError("--grpc-port", address, cure) from error
        await self._server.start()
        return bound

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, let those under way finish within the grace, and close."""
        await self._server.stop(grace_s)

    def _serve(self, signal: Signal) -> Any:
        async def export(_: object, context: Any) -> bytes:
            try:
                return await self._take(signal, context)
            except (BadPayload, Full) as error:
                self._reception.count_refusal(signal)
                code = _CODES[read_code(error)]
                await context.abort(code, str(error), _describe(error))
                raise  # abort never returns

        handler = grpc.stream_unary_rpc_method_handler(export)
        return grpc.method_handlers_generic_handler(signal.service, {"Export": handler})

    async def _take(self, signal: Signal, context: Any) -> bytes:
        headers = _read_headers(context.invocation_metadata() or ())
        project = self._reception.choose_project(headers)
        body = await _read_message(context)
        try:
            self._reception.hold(len(body))
            admission = await self._reception.take(
                Parcel(
                    body=body,
                    content_type=PROTOBUF_TYPE,
                    encoding="",  # gRPC has undone it, within the same bound
                    project=project,
                    received_ns=time.time_ns(),
                    backfill=dict(headers).get(BACKFILL_HEADER.encode()) == b"1",
                    signal=signal,
                )
            )
        finally:
            self._reception.let_go(len(body))
        return encode_response(admission, PROTOBUF_TYPE)


async def _read_message(context: Any) -> bytes:
    try:
        async with asyncio.timeout(_READ_S):
            message = await context.read()
    except TimeoutError as error:
        reason = f"the message was not complete after {_READ_S:g} s"
        raise Refusal(408, reason, "resend it") from error
    if message is aio.EOF:
        raise Refusal(400, "the call ended before its message", "send one message")
    return bytes(message)


def _read_headers(metadata: Sequence[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (key.encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
        for key, value in metadata
    ]


def _describe(error: BadPayload | Full) -> tuple[tuple[str, bytes], ...]:
    """Trailers that say when to come back: in the status' details, and in a trailer of its own."""
    seconds = read_retry(error)
    if not seconds:
        return ()
    delay = b"\x08" + encode_varint(seconds)
    retry = b"\x0a" + encode_varint(len(delay)) + delay
    return (
        ("grpc-status-details-bin", encode_status(error, PROTOBUF_TYPE) + _pack_detail(retry)),
        # Where OpenTelemetry's own Python exporter looks.
        ("google.rpc.retryinfo-bin", retry),
    )


def _pack_detail(retry: bytes) -> bytes:
    """Field 3 of a `google.rpc.Status`: an `Any` with this `RetryInfo`."""
    detail = b"\x0a" + encode_varint(len(_RETRY_TYPE)) + _RETRY_TYPE
    detail += b"\x12" + encode_varint(len(retry)) + retry
    return b"\x1a" + encode_varint(len(detail)) + detail
