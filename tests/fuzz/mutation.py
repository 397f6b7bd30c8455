"""Mutations of known inputs: bits, slices, numbers and lengths changed, texts put together anew.

A mutation keeps most of its input, so that what it makes gets past the first check of a parser.
Everything comes from dice: a seed names an input.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_TOKENS = (
    *(b"\x00", b"\xff", b"\x80", b"\x7f", b"\xff\xff\xff\xff\x0f", b"\x80" * 11),
    *(b"\xc3", b"\xed\xa0\x80", b"-1", b"0", b"1e999", b"NaN", b"99999999999999999999"),
    *(b"null", b"true", b'""', b"[]", b"{}", b"[" * 50, b"{" * 50, b"]", b"}", b",", b":"),
    *(b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\n", b"--", b"/*", b";", b"`", b"$$"),
    *(b"%00", b"&", b"=", b"?", b"*a", b"&a", b"!!x ", b"- ", b"@"),
)


def mutate(dice: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One to four changes of one input of the corpus."""
    content = dice.choice(corpus)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        content = dice.choice(_CHANGES)(dice, content, corpus)
    return content[:_MOST_BYTES]


def _flip(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    if not content:
        return dice.randbytes(4)
    place = dice.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << dice.randrange(8)]) + content[place + 1 :]


def _overwrite(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(content) + 1)
    return content[:place] + bytes([dice.randrange(256)]) + content[place + 1 :]


def _insert(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(content) + 1)
    return content[:place] + dice.choice(_TOKENS) + content[place:]


def _delete(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    start = dice.randrange(len(content) + 1)
    return content[:start] + content[start + dice.randrange(1, 40) :]


def _repeat(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    start = dice.randrange(len(content) + 1)
    piece = content[start : start + dice.randrange(1, 60)]
    return content[:start] + piece * dice.choice((2, 3, 50, 1000)) + content[start:]


def _splice(dice: random.Random, content: bytes, corpus: Sequence[bytes]) -> bytes:
    other = dice.choice(corpus)
    return content[: dice.randrange(len(content) + 1)] + other[dice.randrange(len(other) + 1) :]


def _cut(dice: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    return content[: dice.randrange(len(content) + 1)]


_Change = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
_CHANGES: tuple[_Change, ...] = (_flip, _overwrite, _insert, _delete, _repeat, _splice, _cut)
_MOST_BYTES = 1 << 20
