"""What is answered to a request that cannot be taken: an HTTP status and a `google.rpc.Status`.

OTLP wants the error in the content type of the request, so a refusal is written as protobuf or
as JSON. The text names what is wrong and where, never what a span said. This file knows no spans.
"""

from __future__ import annotations

import json
import math

from watchpost.errors import BadPayload, Full
from watchpost_collector.otlp.envelope import encode_varint

# google.rpc.Code of the HTTP statuses used here.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}
_UNKNOWN = 2
JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"


class Refusal(BadPayload):
    """Raised when a request is not taken; `status` is the HTTP status that says why."""

    def __init__(self, status: int, reason: str, cure: str = "") -> None:
        self.status = status
        super().__init__(reason, cure)

    @classmethod
    def oversize(cls, limit_bytes: int, *, unpacked: bool = False) -> Refusal:
        """The refusal of a body beyond the limit."""
        what = "unpacked request" if unpacked else "request"
        cure = "send fewer spans at once, or raise --max-request-bytes"
        return cls(413, f"the {what} is larger than {limit_bytes} bytes", cure)


class Throttled(Full):
    """Raised when a project sends more than it may; there is room, and for others it is taken."""


def read_status(error: BadPayload | Full) -> int:
    """The HTTP status of an error: 503 when there is no room, 429 when it is the sender's."""
    if isinstance(error, Throttled):
        return 429
    if isinstance(error, Full):
        return 503
    return error.status if isinstance(error, Refusal) else 400


def read_retry(error: BadPayload | Full) -> int:
    """Whole seconds until it is worth a retry; 0 when it is not."""
    return max(1, math.ceil(error.retry_after_s)) if isinstance(error, Full) else 0


def read_code(error: BadPayload | Full) -> int:
    """The `google.rpc.Code` of an error, which is also its gRPC status."""
    return _CODES.get(read_status(error), _UNKNOWN)


def encode_status(error: BadPayload | Full, content_type: str) -> bytes:
    """A `google.rpc.Status` of this error, as JSON or protobuf."""
    code, message = read_code(error), str(error)
    if content_type == JSON_TYPE:
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode()
    return b"\x08" + encode_varint(code) + b"\x12" + encode_varint(len(text)) + text
