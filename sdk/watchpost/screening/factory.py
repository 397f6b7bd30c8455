"""Guards by name: what the `watchpost.guards` entry points make, plain or with settings.

An entry point is a function whose keyword arguments are the guard's settings; what they are called
and which of them are files is read from its signature. It knows no guard and no policy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Guard

GROUP: Final = "watchpost.guards"
_NAME = "name"


def find_guard(name: str) -> Guard:
    """The guard an entry point of the group `watchpost.guards` makes.

    Raises ConfigError for a name nobody registered, MissingExtra when what it needs is absent.
    """
    return make_guard(name, {})


def make_guard(
    kind: str, settings: Mapping[str, object], *, called: str | None = None, folder: Path = Path()
) -> Guard:
    """The guard of an entry point with settings; `called` gives it a name other than its kind's.

    Paths among the settings are seen from `folder`. Raises ConfigError naming the setting that is
    not known or cannot be used, and MissingExtra when what the guard needs is absent.
    """
    try:
        create = _find_entry(kind)
        known = _read_settings(create) if settings or called else {}
        given: dict[str, object] = {}
        for key, value in settings.items():
            if key == _NAME or key not in known:
                offered = ", ".join(sorted(known.keys() - {_NAME}))
                cure = f"use one of {offered}" if offered else "this guard has no settings"
                raise ConfigError(f"{kind}({key}=...)", value, cure)
            is_path = isinstance(value, str) and known[key]
            given[key] = folder / str(value) if is_path else value
        if called is not None:
            if _NAME not in known:
                raise ConfigError(f"{kind}(name=...)", called, f"this guard is called {kind!r}")
            given[_NAME] = called
        return create(**given)
    except ImportError as error:
        raise MissingExtra("guards", f"the guard {kind!r}") from error


@cache
def share_guard(name: str) -> Guard:
    """`find_guard`'s one object for all who name it: it loads once, and remembers its verdicts."""
    return find_guard(name)


def _find_entry(name: str) -> Callable[..., Guard]:
    # It takes 20 ms, and a policy of Guard objects never asks.
    from importlib.metadata import entry_points

    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        offered = ", ".join(sorted(known)) or "none is installed"
        raise ConfigError("Policy guard", name, f"name one of: {offered}; or pass a Guard object")
    create: Callable[..., Guard] = known[name].load()
    return create


def _read_settings(create: Callable[..., Any]) -> dict[str, bool]:
    """The settings an entry point takes, and of each whether it is a file."""
    parameters = inspect.signature(create, eval_str=True).parameters
    return {key: _is_path(found.annotation) for key, found in parameters.items()}


def _is_path(annotation: object) -> bool:
    return annotation is Path or Path in get_args(annotation)
