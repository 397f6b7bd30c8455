"""Native answers as a driver of a newer protocol reads them.

A driver that names a `client_protocol_version` expects more of FORMAT Native than the engine writes
here, which knows no such client: a head before every block, and a byte after each column's type
that says how the column is written. Without them ClickHouse's Go driver, and with it Grafana, reads
nothing. So the blocks are walked along their types, and both are put in; no value is decoded. What
has no length that its type tells (states of aggregates, JSON) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from watchpost_collector.query.session import QueryFailed

# From this version on a column says whether it is written in a way of its own: here, never.
_CUSTOM_SERIALIZATION = 54_454
_PLAIN = b"\x00"
# Field 1, no overflow row; field 2, no bucket (-1); the end.
_HEAD = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_NOT_IMPLEMENTED = 48
_ADDED_KEYS = 1 << 9

_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Enum16", "Date", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("UInt256", "Int256"), 32),
}
_DECIMALS = ((9, 4), (18, 8), (38, 16), (76, 32))
_MEANT = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_ARGUMENTS = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_PART = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|.", re.DOTALL)
_ELEMENT = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\w+) (?=[A-Z])")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A column's type, as far as its length goes: `width` bytes a value, or made of `parts`."""

    name: str
    width: int = 0
    parts: tuple[_Kind, ...] = ()


def frame_blocks(body: bytes, revision: int) -> bytes:
    """The blocks of `body`, as a client that speaks protocol `revision` expects them.

    Raises QueryFailed for a column whose type does not tell its length.
    """
    if revision <= 0:
        return body
    mark = _PLAIN if revision >= _CUSTOM_SERIALIZATION else b""
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        pieces.append(_HEAD)
        begun = at
        columns, at = _read_number(body, at)
        rows, at = _read_number(body, at)
        for _ in range(columns):
            _, at = _read_text(body, at)
            spelled, at = _read_text(body, at)
            pieces += (body[begun:at], mark)
            begun = at
            kind = _read_kind(spelled)
            at = _skip(body, _skip_prefix(kind, at), kind, rows) if rows else at
        pieces.append(body[begun:at])
    return b"".join(pieces)


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while body[at] & 0x80:
        number |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | body[at] << shift, at + 1


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    length, at = _read_number(body, at)
    return body[at : at + length].decode("utf-8", "replace"), at + length


@cache
def _read_kind(spelled: str) -> _Kind:
    found = _ARGUMENTS.fullmatch(spelled)
    name = found[1] if found else ""
    told = list(_split(found[2])) if found and found[2] else []
    if name in _MEANT:
        return _read_kind(_MEANT[name])
    if name in _WIDTHS or name.startswith("Interval"):
        return _Kind("fixed", _WIDTHS.get(name, 8))
    if name == "FixedString":
        return _Kind("fixed", int(told[0]))
    if name == "Decimal":
        return _Kind("fixed", next(width for most, width in _DECIMALS if int(told[0]) <= most))
    if name == "String":
        return _Kind(name)
    if name == "SimpleAggregateFunction":
        return _read_kind(told[-1])
    if name == "Map":
        return _Kind("Array", parts=(_Kind("Tuple", parts=tuple(map(_read_kind, told))),))
    if name in ("Tuple", "Nested"):
        row = _Kind("Tuple", parts=tuple(_read_kind(_ELEMENT.sub("", part, 1)) for part in told))
        return row if name == "Tuple" else _Kind("Array", parts=(row,))
    if name in ("Array", "Nullable", "LowCardinality"):
        return _Kind(name, parts=(_read_kind(told[0]),))
    raise QueryFailed(
        f"a column of type {spelled[:100]} cannot be sent as Native",
        _NOT_IMPLEMENTED,
        "convert it, or ask for JSON",
    )


def _split(arguments: str) -> Iterator[str]:
    depth, part = 0, ""
    for piece in _PART.findall(arguments):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += piece
    yield part.strip()


def _skip_prefix(kind: _Kind, at: int) -> int:
    """Past the versions that dictionaries write before all data of their column."""
    if kind.name == "LowCardinality":
        return at + 8
    for part in kind.parts:
        at = _skip_prefix(part, at)
    return at


def _skip(body: bytes, at: int, kind: _Kind, rows: int) -> int:
    """Past the data of `rows` values."""
    if kind.name == "fixed":
        return at + kind.width * rows
    if kind.name == "String":
        for _ in range(rows):
            length = body[at]
            at += 1
            if length > 0x7F:
                length, at = _read_number(body, at - 1)
            at += length
        return at
    if kind.name == "Nullable":
        return _skip(body, at + rows, kind.parts[0], rows)
    if kind.name == "Array":
        at += 8 * rows
        inside = int.from_bytes(body[at - 8 : at], "little") if rows else 0
        return _skip(body, at, kind.parts[0], inside)
    if kind.name == "LowCardinality":
        return _skip_dictionary(body, at, kind.parts[0], rows)
    for part in kind.parts:
        at = _skip(body, at, part, rows)
    return at


def _skip_dictionary(body: bytes, at: int, kind: _Kind, rows: int) -> int:
    if rows == 0:
        return at
    how = int.from_bytes(body[at : at + 8], "little")
    at += 8
    if how & _ADDED_KEYS:
        keys = int.from_bytes(body[at : at + 8], "little")
        # Null is a key of its own: there is no map of nulls.
        at = _skip(body, at + 8, kind.parts[0] if kind.name == "Nullable" else kind, keys)
    return at + 8 + rows * (1 << (how & 0xFF))
