"""What is known of alerts and what is still to be told, in one file that is replaced as a whole.

What was decided and the messages that follow from it are written together, before any of them is
sent: after a crash a message is sent that was not, and none is decided a second time. Between its
arrival and the note of it lies a moment in which a crash has it sent again, under the same id. This
file knows no rule's SQL and no network.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from watchpost.errors import ConfigError
from watchpost_collector.alerting.notification import Notification, restore_notification
from watchpost_collector.alerts.finding import Finding, Key
from watchpost_collector.alerts.health import Health
from watchpost_collector.alerts.state import Alarm, Silence
from watchpost_collector.private_files import read_private, write_private

log = logging.getLogger(__name__)

FILE_NAME = "alerts.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Parcel:
    """A notification on its way by one channel of its contact; it is tried again at `next_at`."""

    notification: Notification
    channel: str
    tries: int = 0
    next_at: int = 0
    reason: str = ""

    @property
    def lane(self) -> tuple[str, str]:
        """Whose parcels arrive in order: contact and channel."""
        return (self.notification.contact, self.channel)

    @property
    def name(self) -> tuple[str, str]:
        """What tells it from all others."""
        return (self.notification.id, self.channel)


@dataclass(frozen=True, slots=True)
class Book:
    """All that is remembered: alerts and health by rule, parcels in order, silences by id."""

    alarms: Mapping[str, Mapping[Key, Alarm]] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    parcels: tuple[Parcel, ...] = ()
    silences: Mapping[str, Silence] = field(default_factory=dict)
    evaluated_at: int = 0


class Ledger:
    """The book of a directory, written whole at every change. Thread-safe.

    Raises ConfigError for a file that cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._lock = threading.Lock()
        self._book = _load(self._path)

    def read(self) -> Book:
        """What is known now."""
        return self._book

    def change(self, update: Callable[[Book], Book]) -> Book:
        """Replace the book by `update` of it, on the disk first.

        Raises OSError when it cannot be written; then nothing has changed.
        """
        with self._lock:
            book = update(self._book)
            write_private(self._path, _encode(book))
            self._book = book
            return book

    def note(self, update: Callable[[Book], Book]) -> None:
        """As `change`, of what has happened already: it is known even where it cannot be written.

        The next change writes it too.
        """
        with self._lock:
            self._book = update(self._book)
            try:
                write_private(self._path, _encode(self._book))
            except OSError as error:
                log.error("%s cannot be written: %s", self._path, error.strerror)


def _encode(book: Book) -> bytes:
    told = {
        "version": _VERSION,
        "evaluated_at": book.evaluated_at,
        "alarms": {
            rule: [asdict(alarm) for alarm in alarms.values()]
            for rule, alarms in book.alarms.items()
            if alarms
        },
        "health": {rule: asdict(health) for rule, health in book.health.items()},
        "parcels": [asdict(parcel) for parcel in book.parcels],
        "silences": {name: asdict(silence) for name, silence in book.silences.items()},
    }
    return json.dumps(told).encode()


def _load(path: Path) -> Book:
    try:
        content = read_private(path)
    except FileNotFoundError:
        return Book()
    except OSError as error:
        cure = f"it must be a file of yours and no link ({error.strerror})"
        raise ConfigError("--data", str(path), cure) from error
    try:
        told = json.loads(content)
        if told["version"] != _VERSION:
            raise ValueError(f"its version is {told['version']}, not {_VERSION}")
        return _restore(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        cure = (
            f"it cannot be read ({type(error).__name__}): move it away, and what fires is told anew"
        )
        raise ConfigError("--data", str(path), cure) from error


def _restore(told: Mapping[str, Any]) -> Book:
    alarms = {
        rule: {alarm.findings[0].key: alarm for alarm in map(_restore_alarm, found)}
        for rule, found in told["alarms"].items()
    }
    return Book(
        alarms=alarms,
        health={rule: Health(**found) for rule, found in told["health"].items()},
        parcels=tuple(
            Parcel(**{**one, "notification": restore_notification(one["notification"])})
            for one in told["parcels"]
        ),
        silences={name: _restore_silence(one) for name, one in told["silences"].items()},
        evaluated_at=int(told["evaluated_at"]),
    )


def _restore_alarm(told: Mapping[str, Any]) -> Alarm:
    return Alarm(**{**told, "findings": tuple(Finding(**one) for one in told["findings"])})


def _restore_silence(told: Mapping[str, Any]) -> Silence:
    return Silence(**{**told, "series": tuple((name, value) for name, value in told["series"])})
