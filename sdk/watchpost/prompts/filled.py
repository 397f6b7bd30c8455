"""Texts that know which prompt they were filled in from, and how a call finds them in its request.

Such a text is a `str` and is sent as one; what is made of it (a sum, a slice, a pickle) is a plain
text that knows nothing. So a call says its prompt wherever it is made, and nothing is held between
filling in and calling. It does not know what a prompt is, nor any provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from watchpost.origin import take_prompt
from watchpost.record import Origin

# Under these keys messages have their texts, in objects of the clients' libraries as well.
_TEXTS = ("content", "text", "parts")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_MOST_DEPTH = 6


class FilledText(str):
    """A text of a prompt that was filled in. `origin` says which, and its `said` when."""

    __slots__ = ("origin",)
    origin: Origin
    # Whether there ever was one in this process: where there was none, no request is searched.
    exists: ClassVar[bool] = False

    def __new__(cls, text: str, origin: Origin) -> FilledText:
        """The same text, which knows its prompt."""
        made = super().__new__(cls, text)
        made.origin = origin
        cls.exists = True
        return made

    def __copy__(self) -> FilledText:
        return self

    def __deepcopy__(self, memo: object) -> FilledText:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        # Elsewhere nobody may know this class.
        return str, (str(self),)


def mark_texts(filled: Any, origin: Origin, key: str = "content") -> Any:
    """A text, or the texts of messages, as ones that know their prompt; roles stay plain."""
    if isinstance(filled, str):
        return FilledText(filled, origin) if key in _TEXTS else filled
    if isinstance(filled, list):
        return [mark_texts(item, origin, key) for item in filled]
    if isinstance(filled, dict):
        return {name: mark_texts(item, origin, name) for name, item in filled.items()}
    return filled


def prefer_filled(origin: Origin, body: Mapping[str, Any], roots: Sequence[str]) -> Origin:
    """Whose a call is that sends this body: its own prompt goes before the one filled in last.

    Of several the one filled in last counts. A prompt that was named after that, at a decorator,
    a `span` or by `set`, is meant to stand.
    """
    if not FilledText.exists:
        return origin
    found: Origin | None = None
    for root in roots:
        if root in body:
            found = _look(body[root], found, _MOST_DEPTH)
    if found is None or found.said < origin.said:
        return origin
    return take_prompt(origin, found)


def _look(value: Any, found: Origin | None, depth: int) -> Origin | None:
    """The latest prompt of the texts in a value. Nothing that can be read only once is read."""
    kind = type(value)
    if kind is FilledText:
        return value.origin if found is None or value.origin.said > found.said else found
    if kind is dict:
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        held = getattr(value, "__dict__", None)
        items = [held[name] for name in _TEXTS if name in held] if type(held) is dict else ()
    if depth:
        for item in items:
            # Most of a request are plain texts: passed here, they cost no call.
            if type(item) not in _PLAIN:
                found = _look(item, found, depth - 1)
    return found
