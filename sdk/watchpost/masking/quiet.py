"""What was looked at before and held nothing: most of a span is the same as in the one before it.

A sign stands for one attribute, or for all events of a span, with every text in it; equal signs
hold equal texts, so that what was found quiet once needs no second look. It does not know what is
looked for: whoever adds a sign has looked.
"""

import hashlib
from collections.abc import Iterable, Sequence

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from watchpost.attributes import VERDICT_EVENT

REMEMBERED_SIGNS = 16_384
_LONGEST_KEPT = 200
_MOST_ITEMS = 16
# A number this short is no text to anybody.
_SHORT_NUMBER = 10**8

Sign = str | tuple[object, ...]
"""A text by itself (a span's name), or the key and what stands under it, any number of times."""


class Quiet:
    """Signs under which nothing was found. Forgets everything at once when it is full."""

    def __init__(self, most: int = REMEMBERED_SIGNS) -> None:
        self._most = most
        self._signs: set[Sign] = set()

    def __contains__(self, sign: Sign) -> bool:
        return sign in self._signs

    def add(self, sign: Sign) -> None:
        """Remember that there is nothing in any text of this sign."""
        if len(self._signs) >= self._most:
            self._signs.clear()
        self._signs.add(sign)

    def clear(self) -> None:
        """Know nothing, as when other things are looked for."""
        self._signs.clear()


def sign_pair(pair: KeyValue) -> Sign | None:
    """The sign of one attribute; None for what is better looked at."""
    held = _sign_value(pair)
    return None if held is None else (pair.key, held)


def sign_events(events: Sequence[Span.Event]) -> Sign | None:
    """The sign of all events of a span, when all of them are verdicts; None otherwise.

    Verdicts are most of what a guarded call leaves behind. Their names are short and few, but a
    guard of the user's makes some of them up, so they are signed like any text.
    """
    signs: list[object] = []
    for event in events:
        if event.name != VERDICT_EVENT:
            return None
        for pair in event.attributes:
            held = _sign_value(pair)
            if held is None:
                return None
            signs += (pair.key, held)
        signs.append(None)
    return tuple(signs)


def _sign_value(pair: KeyValue) -> object:
    value = pair.value
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _sign_text(value.string_value)
    if kind in ("double_value", "bool_value"):
        return 0
    if kind == "int_value":
        return 0 if -_SHORT_NUMBER < value.int_value < _SHORT_NUMBER else None
    if kind == "array_value":
        items = value.array_value.values
        if len(items) <= _MOST_ITEMS and all(item.HasField("string_value") for item in items):
            return _sign_texts(item.string_value for item in items)
    return None


def _sign_texts(texts: Iterable[str]) -> tuple[str | bytes, ...]:
    return tuple(_sign_text(text) for text in texts)


def _sign_text(text: str) -> str | bytes:
    """A short text itself; of a long one a digest, so that none is kept."""
    if len(text) <= _LONGEST_KEPT:
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
