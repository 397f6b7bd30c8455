"""Content encodings of a request body, undone within a bound.

A few kilobytes can unpack to gigabytes, so no decoder here is ever asked for more than the limit.
This file knows bytes and nothing of what they mean.
"""

from __future__ import annotations

import zlib

from watchpost_collector.refusal import Refusal

_GZIP_WINDOW = 31
_PIECE = 1 << 20


def decompress(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body without its encoding; Refusal when it is cut off, too large, or not known."""
    if encoding in ("", "identity"):
        return body
    if encoding == "gzip":
        return _inflate(body, _GZIP_WINDOW, encoding, limit_bytes)
    if encoding == "deflate":
        # Both readings of "deflate" are in use: with a zlib header, and without one.
        headed = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _inflate(body, zlib.MAX_WBITS if headed else -zlib.MAX_WBITS, encoding, limit_bytes)
    raise Refusal(
        415, f"content-encoding '{encoding[:40]}' is not supported", "send gzip, deflate or none"
    )


def _inflate(body: bytes, window: int, encoding: str, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    while rest:  # a gzip body may be several members, one after the other
        stream = zlib.decompressobj(window)
        feed = rest
        while not stream.eof:
            try:
                piece = stream.decompress(feed, min(_PIECE, limit_bytes - size + 1))
            except zlib.error as error:
                reason = f"the {encoding} body cannot be unpacked ({error})"
                raise Refusal(400, reason, "compress it again and resend") from error
            size += len(piece)
            if size > limit_bytes:
                raise Refusal.oversize(limit_bytes, unpacked=True)
            pieces.append(piece)
            feed = stream.unconsumed_tail
            if not feed and not piece and not stream.eof:
                reason = f"the {encoding} body ends before its stream does"
                raise Refusal(400, reason, "it was cut off on the way; resend it")
        rest = stream.unused_data
    return b"".join(pieces)
