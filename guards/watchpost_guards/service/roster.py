"""The guards a service has, by name, and their replacement while they work.

A replacement is loaded beside the one in use and takes its place at once when it is ready; whoever
is being answered is answered by the one he was given, which is closed when its last check is done.
It knows neither callers nor models.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from watchpost.errors import ConfigError
from watchpost.screening.guard import Guard

Load = Callable[[str, str], Guard]
"""Makes the guard of a name at a revision. Raises ConfigError where there is none."""


class Busy(Exception):  # noqa: N818 - it becomes an answer, not a traceback
    """Raised when a guard is being replaced already."""


class _Place:
    """A guard at work: how many checks it is busy with, and whether it was replaced."""

    __slots__ = ("checks", "guard", "is_replaced")

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.checks = 0
        self.is_replaced = False


class Roster:
    """Guards by name; any thread may use it."""

    def __init__(self, guards: Mapping[str, Guard], load: Load) -> None:
        self._places = {name: _Place(guard) for name, guard in guards.items()}
        self._load = load
        self._lock = threading.Lock()
        self._replacing: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """What a caller may ask for."""
        return tuple(sorted(self._places))

    def list_revisions(self) -> dict[str, str]:
        """The revision of each guard that is in use now."""
        with self._lock:
            places = dict(self._places)
        return {name: read_revision(places[name].guard) for name in sorted(places)}

    def warm(self) -> None:
        """Load what the first checks would wait for. Raises what a guard raises."""
        for name in self.names:
            _warm(self._places[name].guard)

    @contextmanager
    def borrow(self, name: str) -> Iterator[Guard]:
        """The guard of that name, which stays open until it is given back. Raises KeyError."""
        with self._lock:
            place = self._places[name]
            place.checks += 1
        try:
            yield place.guard
        finally:
            with self._lock:
                place.checks -= 1
                is_last = place.is_replaced and place.checks == 0
            if is_last:
                _close(place.guard)

    def replace(self, name: str, revision: str) -> tuple[str, str]:
        """Put another revision in a guard's place; the revision it had, and the one it has.

        Takes as long as loading does. Raises KeyError for a name nobody has, Busy while the same
        guard is being replaced, and ConfigError for a revision that cannot be had.
        """
        with self._lock:
            if name not in self._places:
                raise KeyError(name)
            if name in self._replacing:
                raise Busy(name)
            self._replacing.add(name)
        try:
            new = _Place(self._load(name, revision))
            _warm(new.guard)
            with self._lock:
                old, self._places[name] = self._places[name], new
                old.is_replaced = True
                is_idle = old.checks == 0
        finally:
            with self._lock:
                self._replacing.discard(name)
        if is_idle:
            _close(old.guard)
        return read_revision(old.guard), read_revision(new.guard)

    def close(self) -> None:
        """Close every guard; nobody is being answered any more."""
        for place in self._places.values():
            _close(place.guard)


def refuse_replacement(name: str, revision: str) -> Guard:
    """The `Load` of a service whose guards come with the package. Raises ConfigError always."""
    raise ConfigError("revision", revision, f"install another watchpost: {name!r} comes with it")


def read_revision(guard: Guard) -> str:
    """What a guard calls its revision; '' where it has none."""
    return str(getattr(guard, "revision", ""))


def _warm(guard: Guard) -> None:
    load = getattr(guard, "warm", None)
    if callable(load):
        load()


def _close(guard: Guard) -> None:
    close = getattr(guard, "close", None)
    if callable(close):
        close()
