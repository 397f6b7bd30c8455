"""The envelope: one accepted request with its project and arrival time, framed for the spool.

`Envelope { ExportTraceServiceRequest body = 1; string project = 2; fixed64 received_ns = 3;
string segment = 4; bool backfill = 5; bytes digest = 6; fixed32 crc = 7; }`, length-delimited, so
that a file of envelopes is an insert body ClickHouse reads as it is. Digest and crc are for the
spool alone; ClickHouse skips fields its schema does not name. The small fields come first and the
body is never copied or decoded. This file knows no spans, no file and no store.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from isal import isal_zlib

_BODY, _PROJECT, _RECEIVED, _SEGMENT = 0x0A, 0x12, 0x19, 0x22
_BACKFILL, _DIGEST, _CRC = 0x28, 0x32, 0x3D
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EMPTY = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Letter:
    """What one request brings, before it is given a segment: everything but the frame.

    `body` is an `ExportTraceServiceRequest`, `digest` names what the client sent (before it was
    translated or healed), `spans` is how many the body holds.
    """

    body: bytes
    project: str
    received_ns: int
    spans: int
    digest: bytes = b""
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Framed:
    """An envelope found in a spool file: its fields, and where its frame starts and ends."""

    start: int
    end: int
    body: memoryview
    project: str
    received_ns: int
    segment: str
    digest: bytes
    backfill: bool
    crc: int

    @property
    def whole(self) -> bool:
        """True when the body is the one that was written."""
        return isal_zlib.crc32(self.body) == self.crc


def frame_head(letter: Letter, segment: str) -> bytes:
    """The bytes that go before `letter.body` in the file of `segment`."""
    project, name = letter.project.encode(), segment.encode()
    fields = b"".join(
        (
            bytes((_PROJECT,)) + encode_varint(len(project)) + project,
            bytes((_RECEIVED,)) + struct.pack("<Q", letter.received_ns),
            bytes((_SEGMENT,)) + encode_varint(len(name)) + name,
            bytes((_BACKFILL, 1)) if letter.backfill else b"",
            bytes((_DIGEST,)) + encode_varint(len(letter.digest)) + letter.digest,
            bytes((_CRC,)) + struct.pack("<I", isal_zlib.crc32(letter.body)),
            bytes((_BODY,)) + encode_varint(len(letter.body)),
        )
    )
    return encode_varint(len(fields) + len(letter.body)) + fields


def reframe(framed: Framed, segment: str) -> bytes:
    """The same envelope, whole, as a row of another segment."""
    letter = Letter(
        body=bytes(framed.body),
        project=framed.project,
        received_ns=framed.received_ns,
        spans=0,
        digest=framed.digest,
        backfill=framed.backfill,
    )
    return frame_head(letter, segment) + letter.body


def read_envelopes(content: bytes | memoryview) -> Iterator[Framed]:
    """Every envelope of a spool file, up to the first that is not all there.

    The `end` of the last one is where a half-written tail begins.
    """
    view = memoryview(content)
    position = 0
    while position < len(view):
        try:
            length, body_start = decode_varint(view, position)
            end = body_start + length
            if length == 0 or end > len(view):
                return
            framed = _read_fields(view, position, body_start, end)
        except (ValueError, IndexError, struct.error):
            return
        yield framed
        position = end


def encode_varint(value: int) -> bytes:
    """A protobuf base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(view: memoryview, position: int) -> tuple[int, int]:
    """The varint at `position` and the position after it; ValueError when it does not end."""
    value = shift = 0
    while True:
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a varint is at most ten bytes long")


def _read_fields(view: memoryview, start: int, position: int, end: int) -> Framed:
    values: dict[int, memoryview] = {}
    backfill = False
    while position < end:
        tag, position = decode_varint(view, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = decode_varint(view, position)
            backfill = backfill or (tag == _BACKFILL and value == 1)
            continue
        if kind == _BYTES:
            length, position = decode_varint(view, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("not a wire type an envelope uses")
        if position + length > end:
            raise ValueError("a field reaches beyond its envelope")
        values[tag] = view[position : position + length]
        position += length
    return Framed(
        start=start,
        end=end,
        body=values.get(_BODY, _EMPTY),
        project=bytes(values.get(_PROJECT, _EMPTY)).decode(),
        received_ns=int.from_bytes(values.get(_RECEIVED, _EMPTY), "little"),
        segment=bytes(values.get(_SEGMENT, _EMPTY)).decode(),
        digest=bytes(values.get(_DIGEST, _EMPTY)),
        backfill=backfill,
        crc=int.from_bytes(values.get(_CRC, _EMPTY), "little"),
    )
