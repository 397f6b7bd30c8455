"""Hostile requests as bytes on a socket: heads, bodies and encodings nobody honest would send.

Each shape is a function of dice that returns everything to write; the small ones outnumber those
of megabytes by far, as in a real attack on a narrow line.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from functools import cache

from backports import zstd
from otlp_bodies import break_utf8, build_request, only_spans, put

from watchpost_collector.otlp.envelope import encode_varint

Shape = Callable[[random.Random], bytes]
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_BOMB_BYTES = 256 << 20


def frame(
    body: bytes, content_type: str = PROTOBUF, encoding: str = "", declared: int = 0
) -> bytes:
    """A POST to /v1/traces with this body."""
    lines = ["POST /v1/traces HTTP/1.1", "host: localhost", f"content-type: {content_type}"]
    lines += [f"content-encoding: {encoding}"] if encoding else []
    lines += [f"content-length: {declared or len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def wrap(tag: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([tag]) + encode_varint(len(content)) + content


def in_span(content: bytes) -> bytes:
    """A request of one span with usable ids and these fields."""
    span = wrap(0x0A, bytes(range(1, 17))) + wrap(0x12, b"12345678") + content
    return wrap(0x0A, wrap(0x12, wrap(0x12, span)))


def random_bytes(dice: random.Random) -> bytes:
    return frame(dice.randbytes(dice.randrange(2000)))


def mutated_request(dice: random.Random) -> bytes:
    body = bytearray(build_request(3).SerializeToString())
    for _ in range(dice.randrange(1, 9)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return frame(bytes(body))


def cut_request(dice: random.Random) -> bytes:
    body = build_request(3).SerializeToString()
    return frame(body[: dice.randrange(len(body))])


def deep_protobuf(dice: random.Random) -> bytes:
    value = wrap(0x0A, b"end")
    for _ in range(dice.choice((40, 100, 1000))):
        value = wrap(0x32, wrap(0x0A, wrap(0x0A, b"k") + wrap(0x12, value)))
    return frame(in_span(wrap(0x4A, wrap(0x0A, b"deep") + wrap(0x12, value))))


def deep_json(dice: random.Random) -> bytes:
    levels = dice.choice((100, 5_000, 50_000))
    return frame(b'{"resourceSpans":' * levels + b"1" + b"}" * levels, JSON)


def strange_json(dice: random.Random) -> bytes:
    values = (
        "NaN",
        "-Infinity",
        "9" * 5000,
        '"\\ud800"',
        "[[]]",
        "{}",
        "null",
        '"' + "x" * 9999 + '"',
    )
    names = ("startTimeUnixNano", "kind", "traceId", "attributes", "status", "name")
    pairs = ",".join(f'"{dice.choice(names)}":{dice.choice(values)}' for _ in range(4))
    body = f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{pairs}}}]}}]}}]}}'
    return frame(body.encode(), JSON)


def broken_utf8(_: random.Random) -> bytes:
    return frame(break_utf8(build_request(2).SerializeToString()))


def giant_text(dice: random.Random) -> bytes:
    request = build_request(1)
    put(only_spans(request)[0], "giant", "x" * dice.choice((70_000, 3 << 20)))
    return frame(request.SerializeToString())


def many_attributes(dice: random.Random) -> bytes:
    return frame(_attributes(dice.choice((5_000, 5_000, 5_000, 20_000, 1_000_000))))


@cache
def _attributes(count: int) -> bytes:
    return in_span(
        b"".join(wrap(0x4A, wrap(0x0A, b"k%d" % n) + wrap(0x12, b"\x18\x01")) for n in range(count))
    )


def empty_parts(dice: random.Random) -> bytes:
    part, size = dice.choice(_EMPTY), dice.choice((20_000, 60_000, 400_000, 8 << 20))
    content = part * (size // len(part))
    return frame(content if part == b"\x0a\x00" else wrap(0x0A, wrap(0x12, wrap(0x12, content))))


_EMPTY = (b"\x0a\x00", b"\x12\x00", b"\x4a\x00", b"\x5a\x00", b"\x6a\x00")


def many_values_json(dice: random.Random) -> bytes:
    count = dice.choice((1_000, 50_000, 2_000_000))
    return frame(b'{"resourceSpans":[' + b"{}," * count + b"{}]}", JSON)


def heavy_resource(dice: random.Random) -> bytes:
    request = build_request(dice.choice((10, 400)))
    put(request.resource_spans[0].resource, "ballast", "b" * dice.choice((9_000, 200_000)))
    return frame(request.SerializeToString())


def bomb(dice: random.Random) -> bytes:
    encoding = dice.choice(("gzip", "deflate", "zstd"))
    return frame(_pack_bomb(encoding), dice.choice((PROTOBUF, JSON)), encoding)


@cache
def _pack_bomb(encoding: str) -> bytes:
    zeros = bytes(_BOMB_BYTES)
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
    return pack[encoding](zeros)


def many_members(dice: random.Random) -> bytes:
    return frame(gzip.compress(b"") * dice.choice((200, 20_000)), encoding="gzip")


def declared_gigabyte(dice: random.Random) -> bytes:
    return frame(dice.randbytes(100), declared=1 << 30)


def endless_head(dice: random.Random) -> bytes:
    return b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * dice.choice(
        (9_000, 400_000)
    )


def endless_address(dice: random.Random) -> bytes:
    return b"GET /" + b"a" * dice.choice((9_000, 400_000))


def endless_chunks(dice: random.Random) -> bytes:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
    )
    chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunk * dice.choice((3, 100))


def no_http(dice: random.Random) -> bytes:
    return dice.choice((b"\x16\x03\x01" + dice.randbytes(200), b"\r\n" * 500, dice.randbytes(300)))


def strange_head(dice: random.Random) -> bytes:
    lines = ("content-encoding: br", "content-type: text/html", "content-length: -1", "host: evil")
    body = json.dumps({"resourceSpans": []}).encode()
    return frame(body, JSON).replace(b"host: localhost", dice.choice(lines).encode(), 1)


SHAPES: tuple[tuple[Shape, int], ...] = (
    *((shape, 100) for shape in (random_bytes, mutated_request, cut_request, broken_utf8)),
    *((shape, 60) for shape in (strange_json, strange_head, no_http, declared_gigabyte)),
    *((shape, 40) for shape in (deep_protobuf, deep_json, endless_head, endless_address)),
    *((shape, 10) for shape in (endless_chunks, heavy_resource, giant_text, many_members)),
    *((shape, 4) for shape in (bomb, many_attributes, empty_parts, many_values_json)),
)


# Those that leave the server waiting for more.
UNFINISHED = (declared_gigabyte, endless_head, endless_address, endless_chunks, no_http)


def draw_shape(dice: random.Random) -> Shape:
    """One shape, by its weight."""
    shapes, weights = zip(*SHAPES, strict=True)
    chosen: Shape = dice.choices(shapes, weights)[0]
    return chosen
