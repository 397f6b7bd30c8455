"""Checks of this machine: Python, packages, data directory, disk, spool, keys, vocabularies.

They read files and the environment; they open no connection and load no engine.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost.serving.keys import SETTING, load_keys
from watchpost_collector.access.issued_keys import FILE_NAME, KeyFile
from watchpost_collector.checkup.finding import Finding

_MODULES = {
    "server": ("chdb", "clickhouse_connect", "uvicorn", "starlette", "nicegui"),
    "guards": ("presidio_analyzer",),
    "grafana": ("grafana_foundation_sdk",),
}
_OLDEST_PYTHON = (3, 11)
_FULL_BYTES = 1 << 30
_NEARLY_FULL_BYTES = 5 << 30
_STALE_S = 60.0
_DIGESTS = {
    # tiktoken names a cached vocabulary by the SHA-1 of where it came from.
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}


def check_python() -> Iterator[Finding]:
    """The interpreter and the installed parts of watchpost."""
    running = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield Finding("wrong", "python", f"Python {running} is too old", sys.executable, "use 3.11")
    else:
        yield Finding("ok", "python", f"Python {running}", sys.executable)
    try:
        yield Finding(
            "ok", "watchpost", f"version {version('watchpost')}", str(Path(__file__).parents[1])
        )
    except PackageNotFoundError:
        cure = "pip install watchpost"
        yield Finding("wrong", "watchpost", "runs from a folder, not installed", __file__, cure)
    for extra, modules in _MODULES.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            cure = f'pip install "watchpost[{extra}]", if you want it'
            what = f"not installed (no {', '.join(missing)})"
            yield Finding("note", f"extra {extra}", what, sys.prefix, cure)
        else:
            yield Finding("ok", f"extra {extra}", "installed", sys.prefix)


def check_data(data: Path) -> Iterator[Finding]:
    """Whether the data directory is ours alone, writable, and on a disk with room."""
    try:
        found = os.lstat(data)
    except FileNotFoundError:
        yield Finding("note", "data", "does not exist yet", str(data), "`watchpost up` makes it")
        yield from _check_room(_find_parent(data))
        return
    except OSError as error:
        yield Finding(
            "wrong",
            "data",
            f"cannot be looked at ({error.strerror})",
            str(data),
            "name another with --data",
        )
        return
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        cure = "name the directory itself with --data"
        yield Finding("wrong", "data", "is no directory but a link or a file", str(data), cure)
    elif found.st_uid != os.geteuid():
        cure = "run as its owner, or name your own with --data"
        yield Finding("wrong", "data", "belongs to another user", str(data), cure)
    elif mode & 0o077:
        what = f"other users can reach prompts and answers in it (mode {mode:04o})"
        yield Finding("wrong", "data", what, str(data), f"chmod 700 {data}")
    elif not os.access(data, os.W_OK | os.X_OK):
        yield Finding("wrong", "data", "cannot be written", str(data), f"chmod 700 {data}")
    else:
        yield Finding("ok", "data", "yours alone", str(data))
    yield from _check_room(data)


def check_spool(data: Path) -> Iterator[Finding]:
    """What waits in the spool, and what was set aside because the store could not read it."""
    aside = _list_files(data / "set-aside")
    if aside:
        where, newest = str(data / "set-aside"), max(path.stat().st_mtime for path in aside)
        what = f"{len(aside)} files could not be stored, the last {_say_age(newest)}"
        cure = "keep them for a bug report, or delete them; their spans are not in any number"
        yield Finding("wrong", "set aside", what, where, cure)
    else:
        yield Finding("ok", "set aside", "nothing", str(data / "set-aside"))
    waiting = [path for path in _list_files(data / "spool") if path.stat().st_size]
    if not waiting:
        yield Finding("ok", "spool", "empty", str(data / "spool"))
        return
    oldest = min(path.stat().st_mtime for path in waiting)
    size = sum(path.stat().st_size for path in waiting)
    what = f"{len(waiting)} segments ({size:,} bytes) wait, the oldest {_say_age(oldest)}"
    if time.time() - oldest > _STALE_S:
        cure = f"start `watchpost up --data {data}`; if it runs, see what it says of its store"
        yield Finding("wrong", "spool", what, str(data / "spool"), cure)
    else:
        yield Finding("ok", "spool", what, str(data / "spool"))


def check_keys(
    host: str, path: Path | None, environ: Mapping[str, str], data: Path | None = None
) -> Iterator[Finding]:
    """Whether the keys can be read, by us alone, and are there where others can connect.

    Those issued in the data directory count as well.
    """
    where = str(path) if path else SETTING
    issued_path = data / FILE_NAME if data is not None else None
    try:
        issued = KeyFile(data) if data is not None else None
        keys = replace(load_keys(path, environ), issued=issued)
        keys.require_keys_for(host)
    except ConfigError as error:
        yield Finding("wrong", "keys", f"{error.setting} cannot be used", where, error.cure)
        return
    for file in (path, issued_path):
        if file is not None and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            what = "other users of this machine can read the keys"
            yield Finding("wrong", "keys", what, str(file), f"chmod 600 {file}")
            return
    scopes = [grant.scope for _, grant in keys.entries]
    if issued is not None and issued:
        where, now = f"{where}, {issued_path}", datetime.now(UTC)
        scopes += [key.scope for key in issued.list() if key.state(now) == "valid"]
        if not scopes:
            cure = "`watchpost keys create --scope admin`"
            yield Finding("wrong", "keys", "every key is revoked or expired", where, cure)
            return
    yield Finding("ok", "keys", _count_keys(scopes, host), where)


def check_vocabularies(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether tokens can be counted without a download, where a provider reports none."""
    folder = environ.get("TIKTOKEN_CACHE_DIR") or environ.get("DATA_GYM_CACHE_DIR")
    place = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    missing = [name for name, digest in _DIGESTS.items() if not (place / digest).is_file()]
    if missing:
        what = f"{', '.join(missing)} will be downloaded at first use"
        cure = "nothing, with internet; else set TIKTOKEN_CACHE_DIR to a folder that has them"
        yield Finding("note", "tiktoken", what, str(place), cure)
    else:
        yield Finding("ok", "tiktoken", "vocabularies are here", str(place))


def _check_room(directory: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(directory).free
    what = f"{free / (1 << 30):.1f} GiB free"
    cure = "make room, or name a directory on another disk with --data"
    if free < _FULL_BYTES:
        yield Finding("wrong", "disk", what, str(directory), cure)
    elif free < _NEARLY_FULL_BYTES:
        yield Finding("note", "disk", what, str(directory), cure)
    else:
        yield Finding("ok", "disk", what, str(directory))


def _find_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _list_files(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_file()] if directory.is_dir() else []


def _say_age(moment: float) -> str:
    seconds = max(time.time() - moment, 0)
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word} ago"
    return f"{seconds:.0f} seconds ago"


def _count_keys(scopes: list[str], host: str) -> str:
    if not scopes:
        return f"none, and {host} is loopback: whoever uses this machine may do everything"
    return ", ".join(f"{scopes.count(scope)} {scope}" for scope in sorted(set(scopes)))
