"""A command's connection to a running watchpost: where it is, and what to say when it is not.

It needs neither the engine nor the server's extra. This file knows addresses and sockets; it does
not know what is asked.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from watchpost.errors import CollectorError, ConfigError

# The door of OTLP, the page and the APIs.
MAIN_URL = "http://127.0.0.1:4318"
URL_SETTING = "WATCHPOST_ENDPOINT"
KEY_SETTING = "WATCHPOST_KEY"
READY_FILE = "ready.json"
START = "start one with `watchpost up`, or say where it is with --url"


@contextmanager
def open_connection(
    url: str, timeout_s: float, *, like: str = MAIN_URL, cure: str = START
) -> Iterator[http.client.HTTPConnection]:
    """A connection to the watchpost at `url`, closed at the end.

    Raises ConfigError for what is no address (`like` shows one) and CollectorError with the `cure`
    when nobody answers there.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("--url", url, f"write it like {like}")
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=timeout_s)) as connection:
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            raise CollectorError(f"no watchpost answers at {url} ({error})", cure) from error


def read_address(data: Path, door: str) -> str:
    """The address of a door (`otlp`, `query`) of the watchpost that runs in a data directory."""
    try:
        return str(json.loads((data / READY_FILE).read_text(encoding="utf-8"))[door])
    except (OSError, ValueError, KeyError) as error:
        cure = f"there is no {READY_FILE} in it: start `watchpost up --data {data}` first"
        raise ConfigError("--data", str(data), cure) from error
