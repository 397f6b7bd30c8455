"""How many parts an encoded request has, counted on the wire before it is parsed.

A parsed message takes tens of bytes where its encoding takes two, so that a few megabytes of empty
messages would become gigabytes: large requests are walked first, and those with too many parts are
not parsed at all. Small parts are not looked into. This file knows the wire format and the
published descriptors; it keeps nothing and refuses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SMALL_BYTES = 48

# What is inside a field, by its tag: another such table for a message, None for a text.
Table = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """How many messages and texts there are, and the bytes of the longest text."""

    count: int
    longest_bytes: int


def count_parts(body: bytes, descriptor: Any, most: int) -> Parts:
    """The parts of an encoded message, up to a few more than `most`; bytes that are none end it."""
    waiting = [(0, len(body), _read_table(descriptor))]
    count = longest = 0
    try:
        while waiting and count <= most:
            position, end, table = waiting.pop()
            while position < end and count <= most:
                tag, position = _read_varint(body, position)
                kind = tag & 7
                if kind == _BYTES:
                    size, position = _read_varint(body, position)
                    count += 1
                    inner = table.get(tag)
                    if inner is None:
                        longest = max(longest, size)
                    elif size > _SMALL_BYTES:
                        waiting.append((position, min(position + size, end), inner))
                    position += size
                elif kind == _VARINT:
                    _, position = _read_varint(body, position)
                elif kind in (_FIXED64, _FIXED32):
                    position += 8 if kind == _FIXED64 else 4
                else:
                    break
    except IndexError:
        pass  # cut off: whoever parses it says so
    return Parts(count, longest)


def _read_varint(body: bytes, position: int) -> tuple[int, int]:
    value = body[position]
    if value < 0x80:
        return value, position + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        position += 1
        byte = body[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
    raise IndexError("a varint is at most ten bytes long")


@cache
def _read_table(descriptor: Any) -> Table:
    return _fill_table(descriptor, {})


def _fill_table(descriptor: Any, known: dict[str, Table]) -> Table:
    # Values hold values: a message's table is known before what is inside it.
    table: Table = {}
    known[descriptor.full_name] = table
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None:
            found = known.get(inner.full_name)
            table[field.number << 3 | _BYTES] = (
                _fill_table(inner, known) if found is None else found
            )
    return table
