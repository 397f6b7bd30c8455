"""What an adapter is: how to know a kind of client, how to attach to one and how to let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MARK = "_watchpost_undo"
_MISSING = object()

Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One kind of client.

    `fits` knows it by type names, module paths and methods, without importing anything and without
    raising; it is still true of a patched client. `attach` puts our shells into it and returns
    what takes them out again.
    """

    fits: Callable[[Any], bool]
    attach: Callable[[Any], Undo]


def attach_once(adapter: Adapter, client: Any) -> None:
    """Attach to a client; nothing happens to one that is attached already."""
    held = vars(client)
    if _MARK not in held:
        held[_MARK] = adapter.attach(client)


def detach_from(client: Any) -> None:
    """Take out what was attached, if anything was."""
    undo = getattr(client, "__dict__", {}).pop(_MARK, None)
    if undo is not None:
        undo()


def put_into(target: Any, replaced: Mapping[str, Any]) -> Undo:
    """Put attributes into an object's own dictionary, past any `__setattr__`; returns the undo."""
    held = vars(target)
    before = {name: held.get(name, _MISSING) for name in replaced}
    held.update(replaced)

    def undo() -> None:
        for name, value in before.items():
            if value is _MISSING:
                held.pop(name, None)
            else:
                held[name] = value

    return undo


def comes_from(client: Any, *packages: str) -> bool:
    """Whether a client, or a class it is made from, is defined in one of these packages.

    A module is one of them by its own name.
    """
    homes = [getattr(kind, "__module__", "") for kind in type(client).__mro__]
    if hasattr(client, "__spec__"):
        homes.append(getattr(client, "__name__", ""))
    return any(str(home).partition(".")[0] in packages for home in homes)
