"""What a client's method was given, as a request's body and back.

Arguments are known by name, and a client's typed objects are opened into plain dictionaries, so
that guards see every text in them. The caller's own objects stay as they are; where a guard
changed a text, the client gets plain dictionaries in their place, which it takes as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from watchpost.patching.method_seam import Args, Kwargs

_LEAVES = (str, bytes, int, float, bool, type(None))
# What clients put where nothing was given, by the names of their types.
_ABSENT = frozenset({"Unset", "NotGiven", "Omit", "ellipsis"})


def name_arguments(
    positional: tuple[str, ...] = (),
) -> Callable[[Args, Kwargs], dict[str, Any]]:
    """A reader of a method's arguments; `positional` names the ones that may come without."""

    def read_body(args: Args, kwargs: Kwargs) -> dict[str, Any]:
        named = _name(positional, args, kwargs)
        return {
            name: open_typed(value)
            for name, value in named.items()
            if value is not None and type(value).__name__ not in _ABSENT
        }

    return read_body


def fill_arguments(
    positional: tuple[str, ...], roots: Iterable[str]
) -> Callable[[Args, Kwargs, Mapping[str, Any]], tuple[Args, Kwargs]]:
    """A writer of a method's arguments: all as they were but those under the roots."""
    changing = tuple(roots)

    def write_body(args: Args, kwargs: Kwargs, body: Mapping[str, Any]) -> tuple[Args, Kwargs]:
        named = _name(positional, args, kwargs)
        named.update({name: body[name] for name in changing if name in body})
        return (), named

    return write_body


def is_asked_to_stream(args: Args, kwargs: Kwargs) -> bool:
    """Whether a call says `stream=True`."""
    return bool(kwargs.get("stream"))


def open_typed(value: Any, is_ours: Callable[[Any], bool] = lambda value: True) -> Any:
    """The value with the typed objects in it that are ours as dictionaries, by their wire names.

    A function among them, a tool, is its name and what it says of itself. What holds neither is
    returned itself, not copied.
    """
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, dict):
        opened = {key: open_typed(item, is_ours) for key, item in value.items()}
        return opened if any(opened[key] is not value[key] for key in value) else value
    if isinstance(value, list | tuple):
        items = [open_typed(item, is_ours) for item in value]
        return (
            items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        )
    if inspect.isroutine(value):
        return {"name": value.__name__, "description": inspect.getdoc(value) or ""}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type) and is_ours(value):
        return dump(by_alias=True, exclude_none=True)
    return value


def _name(positional: tuple[str, ...], args: Args, kwargs: Kwargs) -> dict[str, Any]:
    if len(args) > len(positional):
        # The client is about to say so itself, but a guard must not be passed on the way there.
        raise TypeError("more arguments than the method has names")
    return {**dict(zip(positional, args, strict=False)), **kwargs}
