"""Bedrock's event streams as bytes: what its real client reads from a socket."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterable
from typing import Any

from wire_server import Reply

_STREAM = "application/vnd.amazon.eventstream"
_STRING = 7


def converse_reply(events: Iterable[dict[str, Any]], *, breaks: bool = False) -> Reply:
    """A stream of ConverseStream: each event a dictionary of its one kind and what it says."""
    frames = [frame_event(kind, said) for event in events for kind, said in event.items()]
    return Reply(content_type=_STREAM, pieces=tuple(frames), breaks=breaks)


def invoke_reply(pieces: Iterable[dict[str, Any]], *, breaks: bool = False) -> Reply:
    """A stream of InvokeModelWithResponseStream: the maker's own pieces, in base64 in JSON."""
    frames = [
        frame_event("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()})
        for piece in pieces
    ]
    return Reply(content_type=_STREAM, pieces=tuple(frames), breaks=breaks)


def frame_event(kind: str, said: Any) -> bytes:
    """One event in its frame."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return _frame(headers, json.dumps(said).encode())


def frame_exception(kind: str, message: str) -> bytes:
    """An exception in the midst of a stream."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return _frame(headers, json.dumps({"message": message}).encode())


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Lengths, their checksum, headers, payload, and the checksum of it all."""
    spelled = b"".join(
        bytes([len(name)])
        + name.encode()
        + struct.pack(">BH", _STRING, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(spelled) + len(payload), len(spelled))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    message = prelude + spelled + payload
    return message + struct.pack(">I", binascii.crc32(message))
