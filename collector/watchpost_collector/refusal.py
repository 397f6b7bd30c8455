"""What is answered to a request that cannot be taken: an HTTP status and a `google.rpc.Status`.

OTLP wants the error in the content type of the request, so a refusal is written as protobuf or
as JSON. The text names what is wrong and where, never what a span said. This file knows no spans.
"""

from __future__ import annotations

import json

from watchpost.errors import BadPayload
from watchpost_collector.envelope import encode_varint

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


def encode_status(status: int, message: str, content_type: str) -> bytes:
    """A `google.rpc.Status` with this message, as JSON or protobuf."""
    code = _CODES.get(status, _UNKNOWN)
    if content_type == JSON_TYPE:
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode()
    return b"\x08" + encode_varint(code) + b"\x12" + encode_varint(len(text)) + text
