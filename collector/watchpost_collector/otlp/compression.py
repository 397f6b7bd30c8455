"""Content encodings of a request body, undone within a bound.

A few kilobytes can unpack to gigabytes, so no decoder here is ever asked for more than the limit.
This file knows bytes and nothing of what they mean.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, cast

from isal import isal_zlib

from watchpost_collector.otlp.refusal import Refusal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_WINDOW = 31
# (The stub of isal calls its error an instance.)
_BROKEN: tuple[type[Exception], ...] = (cast("type[Exception]", isal_zlib.error), zstd.ZstdError)
_PIECE = 1 << 20
# Each member copies what is behind it: a body of nothing but empty ones would take for ever.
_MOST_MEMBERS = 100
# The most memory a frame may ask for as its window, as a power of two: beyond every usual level.
_ZSTD_WINDOW: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: 25}


class _Stream(Protocol):
    """One member of a body being unpacked: a gzip member, a zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def unpack(self, limit_bytes: int) -> bytes:
        """The next piece, of at most this many bytes; b"" when the input is used up."""


def decompress(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body without its encoding; Refusal when it is cut off, too large, or not known."""
    if encoding in ("", "identity"):
        return body
    if encoding == "gzip":
        return _unpack(body, partial(_Inflating, _GZIP_WINDOW), encoding, limit_bytes)
    if encoding == "deflate":
        # Both readings of "deflate" are in use: with a zlib header, and without one.
        headed = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
        window = zlib.MAX_WBITS if headed else -zlib.MAX_WBITS
        return _unpack(body, partial(_Inflating, window), encoding, limit_bytes)
    if encoding == "zstd":
        return _unpack(body, _Zstd, encoding, limit_bytes)
    shown = f"content-encoding '{encoding[:40]}' is not supported"
    raise Refusal(415, shown, "send gzip, zstd, deflate or none")


class _Inflating:
    """A zlib stream and the input it has not used yet."""

    def __init__(self, window: int, content: bytes) -> None:
        # Reads gzip twice as fast as zlib, which was half of what a request cost here.
        self._stream = isal_zlib.decompressobj(window)
        self._rest = content

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def unpack(self, limit_bytes: int) -> bytes:
        piece = self._stream.decompress(self._rest, limit_bytes)
        self._rest = self._stream.unconsumed_tail
        return piece


class _Zstd:
    """A zstd frame; the decoder keeps the input itself."""

    def __init__(self, content: bytes) -> None:
        self._stream = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
        self._feed = content

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def unpack(self, limit_bytes: int) -> bytes:
        feed, self._feed = self._feed, b""
        return self._stream.decompress(feed, limit_bytes)


def _unpack(
    body: bytes, start: Callable[[bytes], _Stream], encoding: str, limit_bytes: int
) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    for _ in range(_MOST_MEMBERS):  # a body may be several members, one after the other
        if not rest:
            return b"".join(pieces)
        stream = start(rest)
        while not stream.eof:
            try:
                piece = stream.unpack(min(_PIECE, limit_bytes - size + 1))
            except _BROKEN as error:
                reason = f"the {encoding} body cannot be unpacked ({error})"
                raise Refusal(400, reason, "compress it again and resend") from error
            size += len(piece)
            if size > limit_bytes:
                raise Refusal.oversize(limit_bytes, unpacked=True)
            pieces.append(piece)
            if not piece and not stream.eof:
                reason = f"the {encoding} body ends before its stream does"
                raise Refusal(400, reason, "it was cut off on the way; resend it")
        rest = stream.unused_data
    reason = f"the {encoding} body is of more than {_MOST_MEMBERS} members"
    raise Refusal(400, reason, "compress it as one")
