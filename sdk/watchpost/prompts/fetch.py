"""Asking a collector for one prompt: one GET, bounded in time and bytes.

What is held already is named by its tag, so that an answer without news is a line. It keeps nothing
and starts nothing; when to ask, and what to do without an answer, is the cache's.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from watchpost.errors import ConfigError
from watchpost.prompts.prompt import Prompt
from watchpost.runtime import Collector
from watchpost.template import MOST_CHARACTERS

TIMEOUT_S = 10.0
"""How long a server may be silent; nobody's call waits for it, only a thread of its own."""

_PATH = "/api/v1/prompts/template"
_MOST_BYTES = 8 * MOST_CHARACTERS
_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """One prompt of one collector: by label, or by version."""

    source: Collector
    name: str
    label: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of asking: a prompt and its tag, or the `reason` why there is none."""

    prompt: Prompt | None = None
    etag: str = ""
    reason: str = ""


def fetch(wanted: Wanted, held: Fetched) -> Fetched:
    """Ask for a prompt; `held` is what came of asking before. Never raises for what goes wrong."""
    try:
        return _fetch(wanted, held)
    except (OSError, http.client.HTTPException) as error:
        told = getattr(error, "strerror", None) or type(error).__name__
        return Fetched(reason=f"{wanted.source.endpoint} does not answer ({told})")
    except (ValueError, RecursionError, ConfigError) as error:
        return Fetched(
            reason=f"{wanted.source.endpoint} answers no prompt ({type(error).__name__})"
        )


def _fetch(wanted: Wanted, held: Fetched) -> Fetched:
    source = wanted.source
    parts = urlsplit(source.endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    headers = {"Accept": "application/json", "User-Agent": "watchpost-python"}
    if source.key:
        headers["Authorization"] = f"Bearer {source.key}"
    if held.prompt is not None and held.etag:
        headers["If-None-Match"] = held.etag
    named = {
        "name": wanted.name,
        "label": wanted.label,
        "version": wanted.version,
        "project": source.project,
    }
    query = urlencode({key: value for key, value in named.items() if value})
    prefix = parts.path.rstrip("/").removesuffix("/v1/traces")
    try:
        connection.request("GET", f"{prefix}{_PATH}?{query}", headers=headers)
        response = connection.getresponse()
        body = response.read(_MOST_BYTES + 1)
        return _read(wanted, held, response.status, response.getheader("ETag") or "", body)
    finally:
        connection.close()


def _read(wanted: Wanted, held: Fetched, status: int, etag: str, body: bytes) -> Fetched:
    if status == http.client.NOT_MODIFIED and held.prompt is not None:
        return held
    found: Any = json.loads(body)
    if status != http.client.OK:
        told = str(found.get("error", "")) if isinstance(found, dict) else ""
        return Fetched(reason=told[:_REASON_CHARACTERS] or f"HTTP {status}")
    if not isinstance(found, dict) or not {"version", "template"} <= found.keys():
        raise ValueError("no prompt")
    version = str(found["version"])
    return Fetched(Prompt(wanted.name, found["template"], version, wanted.label), etag)
