"""The journal: one small file an erasure, so that one cut short is ended at the next start.

It holds the keyed hash of the id, what was asked, and what was done so far; never the id itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from watchpost_collector.private_files import read_private, write_private

_SUFFIX = ".json"
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One erasure as asked (`kind` to `keep_calls`) and how far it came.

    `state` is waiting, running, done or failed; `reason` says what it waits for or why it failed;
    `report` holds the counts, table by table, when it is done.
    """

    name: str
    kind: str
    key: str
    project: str
    keep_calls: bool
    started_at: str
    state: str = WAITING
    reason: str = ""
    report: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What may be shown: everything but the hash."""
        shown = asdict(self)
        del shown["key"]
        return shown


class Journal:
    """The files of a directory; lives as long as the collector."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, entry: Entry) -> None:
        """Keep how far an erasure came; durable when this returns."""
        content = json.dumps(asdict(entry), indent=2).encode()
        write_private(self._directory / f"{entry.name}{_SUFFIX}", content)

    def read(self, name: str) -> Entry | None:
        """The erasure of this name, if there is one."""
        return next((entry for entry in self._list() if entry.name == name), None)

    def list_unfinished(self) -> list[Entry]:
        """What a process that ended left undone."""
        return [entry for entry in self._list() if entry.state in (WAITING, RUNNING)]

    def _list(self) -> Iterator[Entry]:
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            yield Entry(**json.loads(read_private(path)))
