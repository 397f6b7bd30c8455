"""`watchpost query`: one question in SQL to a running watchpost, the answer on the terminal.

It asks the query endpoint, so it may do what any client may and no more, and it needs neither the
engine nor the server's extra. It does not know the store.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from watchpost.errors import CollectorError
from watchpost_collector.command.connection import (
    KEY_SETTING,
    START,
    open_connection,
    read_address,
)
from watchpost_collector.command.plain_text import show_plainly

DEFAULT_URL = "http://127.0.0.1:8123"
URL_SETTING = "WATCHPOST_QUERY_URL"
_TIMEOUT_S = 60.0
_CURE = f"{START} or --data"
_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_FORMATS = {
    "table": "PrettyCompactNoEscapesMonoBlock",
    "json": "JSONEachRow",
    "csv": "CSVWithNames",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask and with which key."""

    url: str
    key: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `watchpost query` can be told."""
    parser.add_argument("sql", help="the question; '-' reads it from standard input")
    parser.add_argument("--format", choices=sorted(_FORMATS), default="table")
    add_endpoint_arguments(parser)


def add_endpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to ask and with which key, as every command says it that asks in SQL."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help=f"the query endpoint (or {URL_SETTING}; {DEFAULT_URL})")
    where.add_argument("--data", type=Path, help="the data directory of a watchpost running here")
    parser.add_argument(
        "--key", help=f"an admin key (better in {KEY_SETTING}: others see arguments)"
    )


def run(args: argparse.Namespace) -> int:
    """Ask, print the answer, return 0; raises ConfigError or CollectorError."""
    endpoint = find_endpoint(args.url, args.data, args.key, os.environ)
    sql = sys.stdin.read() if args.sql == "-" else args.sql
    answer = ask(endpoint, sql, _FORMATS[args.format]).decode("utf-8", "replace")
    sys.stdout.write(show_plainly(answer) if args.format == "table" else answer)
    return 0


def find_endpoint(
    url: str | None, data: Path | None, key: str | None, environ: Mapping[str, str]
) -> Endpoint:
    """Argument, then data directory, then environment, then the default port on this machine."""
    secret = key or environ.get(KEY_SETTING, "")
    if data is not None:
        return Endpoint(read_address(data, "query"), secret)
    return Endpoint(url or environ.get(URL_SETTING, "") or DEFAULT_URL, secret)


def ask(
    endpoint: Endpoint, sql: str, fmt: str, parameters: Mapping[str, object] | None = None
) -> bytes:
    """The answer in the output format `fmt`; CollectorError says what went wrong and the cure.

    `parameters` are the values of `{name:Type}` in the SQL: numbers, texts, or lists of them.
    """
    target = f"/?{urlencode({'default_format': fmt})}"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if endpoint.key:
        headers["X-ClickHouse-Key"] = endpoint.key
    asked = sql.encode("utf-8", "surrogateescape")
    if parameters:
        headers["Content-Type"], asked = _write_form(asked, parameters)
    with open_connection(endpoint.url, _TIMEOUT_S, like=DEFAULT_URL, cure=_CURE) as connection:
        connection.request("POST", target, asked, headers)
        response = connection.getresponse()
        status, body = response.status, response.read()
    if status == http.client.OK:
        return body
    told = body.decode("utf-8", "replace").strip()
    told = re.sub(r"^Code: \d+\. (?:DB::Exception: )?", "", told)
    if status == http.client.UNAUTHORIZED:
        raise CollectorError(told, f"set {KEY_SETTING} or --key")
    raise CollectorError(told or f"{endpoint.url} answered {status}")


def _write_form(sql: bytes, parameters: Mapping[str, object]) -> tuple[str, bytes]:
    """The question as a form: there is no end to what fits in one, as there is to an address."""
    fields = {f"param_{name}": _spell(value).encode() for name, value in parameters.items()}
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value
        for name, value in {"query": sql, **fields}.items()
    ]
    body = b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body


def _spell(value: object) -> str:
    """A value as ClickHouse reads parameters: escaped, and inside of lists quoted as well."""
    if isinstance(value, list | tuple):
        quoted = (f"'{_spell(one)}'" if isinstance(one, str) else _spell(one) for one in value)
        return f"[{','.join(quoted)}]"
    return str(value).translate(_ESCAPES)
