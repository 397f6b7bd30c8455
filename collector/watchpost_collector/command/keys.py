"""`watchpost keys create|list|revoke`: who may send spans, score, read a project, or ask raw SQL.

It writes the data directory's key file, whether a server runs there or not; a running one sees the
change within a second. The secret goes to standard output, alone, once; all else to people.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from watchpost.errors import ConfigError
from watchpost.serving.keys import DEFAULT_PROJECT, SCOPES
from watchpost_collector.access.issued_keys import IssuedKey, KeyFile, issue_key, revoke_key
from watchpost_collector.command.columns import format_columns
from watchpost_collector.settings import DATA_SETTING, default_data

_HEADINGS = ("id", "project", "scope", "name", "created", "expires", "state")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
# A name is shown on terminals: one line, nothing they would obey.
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,80}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost keys` can be told."""
    verbs = parser.add_subparsers(dest="verb", metavar="create|list|revoke", required=True)
    create = verbs.add_parser("create", help="issue a key and print its secret, once")
    create.add_argument("--project", default=DEFAULT_PROJECT, help="the project it is for")
    create.add_argument(
        "--scope",
        choices=SCOPES,
        required=True,
        help="ingest sends spans, read sees its project, admin may do all in every project; "
        "public is for web pages and can only write scores",
    )
    create.add_argument("--name", default="", help="a note on who has it")
    create.add_argument("--expires", help="when it ends: 90d, 12h, or a date like 2027-01-31")
    listed = verbs.add_parser("list", help="every key that was issued, without secrets")
    listed.add_argument("--json", action="store_true", help="print them as JSON")
    revoke = verbs.add_parser("revoke", help="end a key at once")
    revoke.add_argument("id", metavar="ID", help="its id, as `keys list` shows it")
    for verb in (create, listed, revoke):
        verb.add_argument("--data", type=Path, help=f"the data directory ({DATA_SETTING})")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; ConfigError names what cannot be used."""
    data = args.data.absolute() if args.data else default_data(os.environ)
    if args.verb == "create":
        _create(data, args)
    elif args.verb == "list":
        sys.stdout.write(_show(KeyFile(data).list(), as_json=args.json))
    else:
        key = revoke_key(data, args.id)
        sys.stderr.write(f"revoked {_describe(key)}; a running server stops taking it now\n")
    return 0


def read_expiry(text: str, now: datetime) -> datetime:
    """The moment that `90d`, `12h`, `2w` or an ISO date means; it must lie ahead."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and number.isascii() and number.isdigit():
            moment = now + _UNITS[unit] * int(number)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError("--expires", text, "write 90d, 12h, or a date (UTC)") from error
    if moment <= now:
        raise ConfigError("--expires", text, "name a moment that lies ahead")
    return moment.astimezone(UTC).replace(microsecond=0)


def _create(data: Path, args: argparse.Namespace) -> None:
    if not _NAME.fullmatch(args.name):
        raise ConfigError("--name", args.name, "use one line of up to 80 characters")
    expires = read_expiry(args.expires, datetime.now(UTC)) if args.expires else None
    first = not KeyFile(data)
    key, secret = issue_key(data, args.project, args.scope, args.name, expires)
    sys.stderr.write(f"created {_describe(key)}; this is its secret, shown only now:\n")
    sys.stdout.write(f"{secret}\n")
    sys.stdout.flush()
    if first:
        sys.stderr.write(
            "It is the first key of this data directory: from now on every request needs one, "
            "also from this machine (the page takes a read or admin key as password).\n"
        )


def _describe(key: IssuedKey) -> str:
    return f"the {key.scope} key {key.id} of project {key.project}"


def _show(keys: list[IssuedKey], *, as_json: bool) -> str:
    now = datetime.now(UTC)
    rows = [
        (
            key.id,
            key.project,
            key.scope,
            key.name,
            key.created.isoformat(),
            key.expires.isoformat() if key.expires else "",
            key.state(now),
        )
        for key in keys
    ]
    if as_json:
        return json.dumps([dict(zip(_HEADINGS, row, strict=True)) for row in rows]) + "\n"
    return format_columns([_HEADINGS, *rows])
