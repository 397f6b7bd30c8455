"""The prompt library of a store: append-only versions by project and name, and labels that move.

A version is its template: pushing one that is there already gives its number back. Whoever adds a
version or moves a label does it here, one at a time. What a template may look like is the SDK's
(`watchpost.template`); this file knows numbers, labels and SQL, no HTTP and no key.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from watchpost.errors import CollectorError, ConfigError
from watchpost.template import Template
from watchpost_collector.store.client import Store

LATEST = "latest"
"""The label nobody moves: it stands at the newest version."""

MOST_LISTED = 1000
MOST_NOTE_CHARACTERS = 1000
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?")
# A label is never all digits, so that "3" is a version wherever either may stand.
_LABEL = re.compile(r"(?!\d+\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_VERSION = 2**32 - 1
_ATTEMPTS = 5
# Another collector of the same store may move a label; a fleet of processes asks all the time.
_REMEMBERED_S = 1.0
_MOST_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it is stored; `labels` stand at it now. `template` is text, or JSON."""

    name: str
    version: int
    kind: str
    template: str
    sha: str
    note: str
    created: datetime
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A template on its way to become a version of the prompt of that name."""

    name: str
    template: Template
    note: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A label's way. `before` is 0 where it stood nowhere, and `after` where it did not move."""

    name: str
    label: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a draft: the version its template has, whether it is new, the label moved."""

    name: str
    version: int
    new: bool
    moved: Moved | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One row of a label's history."""

    label: str
    version: int
    moved: datetime


class PromptLibrary:
    """The prompts of a migrated store; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing = threading.Lock()
        self._remembered: dict[tuple[str, str, str, int], tuple[float, Version | None]] = {}

    def push(self, project: str, drafts: Sequence[Draft], label: str = "") -> list[Pushed]:
        """Add a version of each, unless its template is one already, and have a label stand there.

        Everything is checked before anything is written: raises ConfigError for a bad name, note or
        label. What is new is written at once, and then the labels are moved at once.
        """
        _check_drafts(drafts, label)
        with self._writing:
            pushed = self._add(project, drafts)
            if not label:
                return pushed
            moved = self._move(project, label, {one.name: one.version for one in pushed})
        return [replace(one, moved=way) for one, way in zip(pushed, moved, strict=True)]

    def move_label(self, project: str, name: str, label: str, version: int) -> Moved:
        """Have a label stand at a version. ConfigError for a bad label, or a version not there."""
        _check_movable(label)
        with self._writing:
            if self._read(project, name, "", version) is None:
                raise ConfigError("version", version, f"prompt {name!r} has no such version")
            [moved] = self._move(project, label, {name: version})
        return moved

    def find(self, project: str, name: str, label: str = "", version: int = 0) -> Version | None:
        """The version a label stands at, or the one of that number; None if there is none.

        May be a second behind what another collector of the same store wrote.
        """
        key = (project, name, label, version)
        now = time.monotonic()
        held = self._remembered.get(key)
        if held is not None and now < held[0]:
            return held[1]
        remembered = self._remembered
        found = self._read(*key)
        if len(remembered) >= _MOST_REMEMBERED:
            remembered.clear()
        # Into the one that was there before reading: what was written meanwhile began a new one.
        remembered[key] = (now + _REMEMBERED_S, found)
        return found

    def forget(self) -> None:
        """Read everything anew."""
        self._remembered = {}

    def list_newest(self, project: str) -> list[dict[str, Any]]:
        """Every prompt by name: its newest version, when it came, and where its labels stand."""
        bound = {"project": project, "most": MOST_LISTED + 1}
        found = self._store.query(_NEWEST, bound).as_dicts()
        return [{**row, "labels": dict(row["labels"])} for row in found]

    def list_versions(self, project: str, name: str) -> list[Version]:
        """The versions of one prompt, newest first, without their templates."""
        bound = {"project": project, "name": name, "most": MOST_LISTED + 1}
        return [_read_version(row) for row in self._store.query(_VERSIONS, bound).as_dicts()]

    def list_moves(self, project: str, name: str) -> list[Move]:
        """Where the labels of one prompt were put, the last move first."""
        bound = {"project": project, "name": name, "most": MOST_LISTED + 1}
        rows = self._store.query(_MOVES, bound)
        return [Move(str(label), int(version), moved) for label, version, moved in rows]

    def _read(self, project: str, name: str, label: str, version: int) -> Version | None:
        bound: dict[str, Any] = {"project": project, "name": name, "label": label}
        bound |= {"version": version, "latest": label == LATEST}
        rows = self._store.query(_ONE, bound).as_dicts()
        return _read_version(rows[0]) if rows else None

    def _add(self, project: str, drafts: Sequence[Draft]) -> list[Pushed]:
        found: dict[str, Pushed] = {}
        for _ in range(_ATTEMPTS):
            given: dict[str, int] = {}
            rows = []
            for draft in drafts:
                if draft.name in found:
                    continue
                name, template = draft.name, draft.template
                known = self._find_same(project, name, template)
                if known:
                    found[name] = Pushed(name, known, new=False)
                    continue
                given[name] = self._find_newest(project, name) + 1
                told = [template.kind, template.source, template.sha, draft.note]
                rows.append([project, name, given[name], *told])
            if rows:
                self._store.insert_rows("prompt_versions", _COLUMNS, rows)
                self._remembered = {}
            # Another collector may have given the same number to another template just before.
            for draft in drafts:
                version = given.get(draft.name)
                if version and self._find_same(project, draft.name, draft.template) == version:
                    found[draft.name] = Pushed(draft.name, version, new=True)
            if len(found) == len(drafts):
                return [found[draft.name] for draft in drafts]
        late = next(draft.name for draft in drafts if draft.name not in found)
        raise CollectorError(f"others push {late!r} at the same moment", "push it again")

    def _move(self, project: str, label: str, versions: Mapping[str, int]) -> list[Moved]:
        moved, rows = [], []
        for name, version in versions.items():
            bound = {"project": project, "name": name, "label": label}
            [(before, moves)] = self._store.query(_STANDS, bound).rows or [(0, 0)]
            moved.append(Moved(name, label, int(before), version))
            if before != version:
                rows.append([project, name, label, version, int(moves) + 1])
        if rows:
            self._store.insert_rows("prompt_labels", _LABEL_COLUMNS, rows)
            self._remembered = {}
        return moved

    def _find_same(self, project: str, name: str, template: Template) -> int:
        """The number of the version that is this template; 0 if none is."""
        bound = {"project": project, "name": name, "kind": template.kind, "sha": template.sha}
        rows = self._store.query(_SAME, bound).rows
        return int(rows[0][0]) if rows else 0

    def _find_newest(self, project: str, name: str) -> int:
        [(newest,)] = self._store.query(_LAST, {"project": project, "name": name})
        return int(newest)


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can name a prompt: up to 200 characters on one line."""
    if not _NAME.fullmatch(name):
        raise ConfigError("name", name, "use 1 to 200 characters, with no space at either end")


def check_label(label: str) -> None:
    """Raise ConfigError unless `label` can be one: a word that is no number."""
    if not _LABEL.fullmatch(label):
        raise ConfigError("label", label, "use letters, digits, . _ - and not digits alone")


def _check_movable(label: str) -> None:
    check_label(label)
    if label == LATEST:
        raise ConfigError("label", label, "it is the newest version by itself: use another")


def _check_drafts(drafts: Sequence[Draft], label: str) -> None:
    if label:
        _check_movable(label)
    names = set()
    for draft in drafts:
        check_name(draft.name)
        if draft.name in names:
            raise ConfigError("name", draft.name, "push a prompt once at a time")
        names.add(draft.name)
        if len(draft.note) > MOST_NOTE_CHARACTERS:
            raise ConfigError("note", draft.note, f"use at most {MOST_NOTE_CHARACTERS} characters")
        _check_whole({"template": draft.template.source, "note": draft.note, "name": draft.name})


def read_number(text: str) -> int:
    """A version's number as it is written, 0 for what is none."""
    digits = text.isascii() and text.isdigit() and len(text) <= 10
    number = int(text) if digits else 0
    return number if number <= _LARGEST_VERSION else 0


def _check_whole(texts: Mapping[str, str]) -> None:
    """Refuse half characters, which JSON can spell and UTF-8 cannot."""
    for setting, text in texts.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            cure = f"character {error.start + 1} is half of one: write it whole"
            raise ConfigError(setting, "...", cure) from error


def _read_version(row: Mapping[str, Any]) -> Version:
    return Version(
        name=str(row["name"]),
        version=int(row["version"]),
        kind=str(row["kind"]),
        template=str(row["template"]),
        sha=str(row["sha"]),
        note=str(row["note"]),
        created=row["created"],
        labels=tuple(row["labels"]),
    )


_COLUMNS: Sequence[str] = ("project", "name", "version", "kind", "template", "sha", "note")
_LABEL_COLUMNS: Sequence[str] = ("project", "name", "label", "version", "move")

_SAME = """
select version from watchpost.prompts
where project = {project:String} and name = {name:String}
    and kind = {kind:String} and sha = {sha:String}
order by version limit 1
"""

_LAST = """
select max(version) from watchpost.prompt_versions
where project = {project:String} and name = {name:String}
"""

_STANDS = """
select argMax(version, (move, moved)), max(move) from watchpost.prompt_labels
where project = {project:String} and name = {name:String} and label = {label:String}
having count() > 0
"""

_ONE = """
select * from watchpost.prompts
where project = {project:String} and name = {name:String}
    and multiIf({version:UInt32} != 0, version = {version:UInt32},
        {latest:Bool}, true, has(labels, {label:String}))
order by version desc limit 1
"""

_NEWEST = """
select name, max(p.version) as version, count() as versions, max(p.created) as created,
    argMax(p.kind, p.version) as kind, argMax(p.note, p.version) as note,
    arraySort(arrayFlatten(groupArray(arrayMap(l -> (l, p.version), p.labels)))) as labels
from watchpost.prompts as p where project = {project:String}
group by name order by name limit {most:UInt32}
"""

_VERSIONS = """
select * replace ('' as template) from watchpost.prompts
where project = {project:String} and name = {name:String}
order by version desc limit {most:UInt32}
"""

_MOVES = """
select label, version, moved from watchpost.prompt_labels
where project = {project:String} and name = {name:String}
order by moved desc, label, move desc limit {most:UInt32}
"""
