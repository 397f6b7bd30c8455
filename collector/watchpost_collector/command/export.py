"""`watchpost export`: spans, calls, messages, verdicts, scores of a running watchpost, as Parquet.

It asks the read API, so a read key exports its own project and an admin key any. Into a folder it
writes one file a table and day, and an export that was interrupted goes on where it stopped; into
one file it writes one table. A file is there whole or not at all. It needs no extra.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from watchpost.errors import CollectorError, ConfigError
from watchpost_collector.command.connection import (
    KEY_SETTING,
    MAIN_URL,
    URL_SETTING,
    open_connection,
)
from watchpost_collector.private_files import create_private, make_private, write_private

TABLES = ("spans", "generations", "content", "verdicts", "scores")
MANIFEST = "manifest.json"
# The engine may work for minutes before the first byte comes.
_TIMEOUT_S = 3700.0
_PIECE_BYTES = 1 << 20
_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Source:
    """Where to ask, with which key, for which project ('' is the key's own, or every one)."""

    url: str
    key: str
    project: str


@dataclass(frozen=True, slots=True)
class Days:
    """From `since` up to and without `until`; '' leaves an end open."""

    since: str = ""
    until: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost export` can be told."""
    add = parser.add_argument
    add("--format", choices=["parquet"], default="parquet", help="the only one so far")
    add("--out", type=Path, required=True, help="a folder, or NAME.parquet for a single table")
    add("--tables", default=",".join(TABLES), help="comma-separated (default: %(default)s)")
    add("--since", default="", help="first day, as 2026-01-31 (UTC)")
    add("--until", default="", help="the day after the last one")
    add("--project", default="", help="one project; only an admin key may choose")
    add("--again", action="store_true", help="write also what is there already")
    add("--url", default=os.environ.get(URL_SETTING) or MAIN_URL, help=f"or {URL_SETTING}")
    add("--key", default=os.environ.get(KEY_SETTING, ""), help=f"better in {KEY_SETTING}")


def run(args: argparse.Namespace) -> int:
    """Export and return 0; ConfigError or CollectorError say what went wrong."""
    tables = [name.strip() for name in args.tables.split(",") if name.strip()]
    if not tables or not set(tables) <= set(TABLES):
        raise ConfigError("--tables", args.tables, f"choose from {', '.join(TABLES)}")
    days = Days(_check_day("--since", args.since), _check_day("--until", args.until))
    source = Source(args.url, args.key, args.project)
    out: Path = args.out.absolute()
    if out.suffix == ".parquet":
        if len(tables) != 1:
            raise ConfigError("--out", str(out), "name a folder, or one table with --tables")
        size = _fetch(source, tables[0], days, out)
        sys.stdout.write(f"{out.name}: {size:,} bytes\n")
    else:
        _export_folder(source, tables, days, out, again=args.again)
    return 0


def _check_day(setting: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise ConfigError(setting, text, "write a day as 2026-01-31") from error


def _export_folder(
    source: Source, tables: list[str], days: Days, out: Path, *, again: bool
) -> None:
    make_private(out, "--out")
    told = _read_json(source, "key", {})
    project = source.project or ("" if told["scope"] == "admin" else str(told["project"]))
    manifest = _Manifest(out, project)
    written = present = 0
    for table in tables:
        make_private(out / table, "--out")
        asked = {"since": days.since, "until": days.until, "project": project}
        for day in _read_json(source, f"export/{table}/days", asked)["days"]:
            name, rows = f"{table}/{day['day']}.parquet", int(day["rows"])
            # Fewer or more rows than then: late ones came, or some are gone.
            if not again and manifest.rows.get(name) == rows and (out / name).exists():
                present += 1
                continue
            after = date.fromisoformat(day["day"]) + timedelta(days=1)
            one = Days(day["day"], after.isoformat())
            size = _fetch(source, table, one, out / name)
            manifest.note(name, rows)
            written += 1
            sys.stdout.write(f"{name}: {rows:,} rows, {size:,} bytes\n")
    sys.stdout.write(f"{written} files written, {present} there already\n")


class _Manifest:
    """What is in a folder already: the rows of each file. Written after every file."""

    def __init__(self, out: Path, project: str) -> None:
        self._path, self._project = out / MANIFEST, project
        self.rows: dict[str, int] = {}
        if not self._path.exists():
            return
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            found = str(told["project"])
            self.rows = {str(name): int(rows) for name, rows in told["rows"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError("--out", str(out), f"its {MANIFEST} cannot be read") from error
        if found != project:
            raise ConfigError(
                "--out", str(out), f"it holds project {found or '(all)'}; name another folder"
            )

    def note(self, name: str, rows: int) -> None:
        self.rows[name] = rows
        told = {"project": self._project, "rows": self.rows}
        write_private(self._path, json.dumps(told, indent=1).encode())


def _fetch(source: Source, table: str, days: Days, path: Path) -> int:
    """Stream one Parquet file to `path`, which exists only when it is whole; its bytes."""
    part = path.with_name(path.name + ".part")
    asked = {"since": days.since, "until": days.until, "project": source.project}
    try:
        part.unlink(missing_ok=True)
        descriptor = create_private(part)
    except OSError as error:
        raise ConfigError("--out", str(path), f"{error.strerror}") from error
    size, end = 0, b""
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in _stream(source, f"export/{table}", asked):
                file.write(piece)
                size += len(piece)
                end = (end + piece)[-len(_MAGIC) :]
            file.flush()
            os.fsync(file.fileno())
        if end != _MAGIC:
            raise CollectorError(f"the export of {table} broke off", "run it again")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return size


def _read_json(source: Source, path: str, asked: dict[str, str]) -> Any:
    return json.loads(b"".join(_stream(source, path, asked)))


def _stream(source: Source, path: str, asked: dict[str, str]) -> Iterator[bytes]:
    """The pieces of a 200 answer; CollectorError says what else came, or that nothing did."""
    query = urlencode({name: value for name, value in asked.items() if value})
    headers = {"Authorization": f"Bearer {source.key}"} if source.key else {}
    with open_connection(source.url, _TIMEOUT_S) as connection:
        connection.request("GET", f"/api/v1/{path}?{query}", headers=headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise CollectorError(*_explain(response.status, response.read(_PIECE_BYTES)))
        while piece := response.read(_PIECE_BYTES):
            yield piece


def _explain(status: int, body: bytes) -> tuple[str, str]:
    try:
        reason = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {status}", "is this a watchpost?"
    return reason, f"set {KEY_SETTING} or --key" if status == http.client.UNAUTHORIZED else ""
