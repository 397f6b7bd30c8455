"""Who is to be erased: one id of one kind, in one project or in all, and its keyed hash.

The hash is what is kept of an id after it was erased. Its key is a file of its own, so that who
has the database alone cannot try ids against it. This file knows no store.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost_collector.private_files import read_private, write_private
from watchpost_collector.store.personal import NAMELESS_KEYS, NAMING_KEYS

KINDS = ("user", "session", "trace")
_KEY_FILE = "erasure.key"
_LONGEST_ID = 1024
_TRACE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Subject:
    """An id and what kind of id it is; `project` '' means every project."""

    kind: str
    value: str
    project: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError("kind", self.kind, f"name one of {', '.join(KINDS)}")
        if not self.value or len(self.value) > _LONGEST_ID:
            cure = f"give the id as it was recorded, 1 to {_LONGEST_ID} characters"
            raise ConfigError(self.kind, f"{len(self.value)} characters", cure)
        if self.kind == "trace" and not _TRACE.fullmatch(self.value):
            raise ConfigError("trace", self.value[:64], "give 32 hexadecimal digits, lower case")

    def names(self, key: str, value: str) -> bool:
        """Whether an attribute says that this subject is meant."""
        return value == self.value and _is_name_of(self.kind, key)

    def is_trace(self, trace_id: str) -> bool:
        """Whether a trace is itself what is to be erased."""
        return self.kind == "trace" and trace_id == self.value


@dataclass(frozen=True, slots=True)
class Remembered:
    """An id of which only the keyed hash is left, as the journal has it."""

    kind: str
    key: str
    project: str
    secret: str = field(repr=False)

    @property
    def value(self) -> str:
        """Not known any more."""
        return ""

    def names(self, key: str, value: str) -> bool:
        """See `Subject.names`."""
        return _is_name_of(self.kind, key) and hash_id(self.secret, self.kind, value) == self.key

    def is_trace(self, trace_id: str) -> bool:
        """See `Subject.is_trace`."""
        return self.kind == "trace" and hash_id(self.secret, "trace", trace_id) == self.key


def _is_name_of(kind: str, key: str) -> bool:
    if kind == "trace" or re.search(NAMELESS_KEYS, key) is not None:
        return False
    return re.search(NAMING_KEYS[kind], key) is not None


def hash_id(secret: str, kind: str, value: str) -> str:
    """The keyed hash of an id, as the engine computes it too."""
    return hashlib.sha256(f"{secret}{kind}:{value}".encode()).hexdigest()


def load_secret(data: Path) -> str:
    """The key of the hashes, made at its first use. Without it nobody late is recognised."""
    path = data / _KEY_FILE
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    return read_private(path).decode()
