"""A command's questions to a running collector's main port: JSON comes back, or our own error.

Where that is and with which key was said, or is in the environment. This file knows HTTP and keys;
it does not know what is asked.
"""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from typing import Any

from watchpost.errors import CollectorError
from watchpost_collector.command.connection import (
    KEY_SETTING,
    MAIN_URL,
    START,
    URL_SETTING,
    open_connection,
)

JSON = "application/json"
_TAKEN = (http.client.OK, http.client.ACCEPTED)
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """A collector, the key for it, how many seconds an answer may take, and what to do if nobody
    is there."""

    url: str
    key: str
    timeout_s: float
    cure: str = START


def find_desk(url: str | None, key: str | None, timeout_s: float, cure: str = START) -> Desk:
    """What was said, else what the environment says, else the default port of this machine."""
    found = url or os.environ.get(URL_SETTING) or MAIN_URL
    return Desk(found, key or os.environ.get(KEY_SETTING, ""), timeout_s, cure)


def ask(
    desk: Desk, method: str, target: str, body: bytes | None = None, kind: str = JSON
) -> dict[str, Any]:
    """The answer's object.

    Raises CollectorError with the collector's reason when it refuses, and with a cure when no key
    or somebody else is the reason; ConfigError for what is no address.
    """
    headers = {"Authorization": f"Bearer {desk.key}"} if desk.key else {}
    if body is not None:
        headers["Content-Type"] = kind
    with open_connection(desk.url, desk.timeout_s, cure=desk.cure) as connection:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        status, found = response.status, response.read()
        plain = response.headers.get_content_type() == "text/plain"
    try:
        answer = json.loads(found)
    except ValueError as error:
        if plain and status not in _TAKEN:
            # What guards the door refuses in plain words.
            told = found.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
            raise CollectorError(told or str(status)) from error
        raise CollectorError(f"something else answers at {desk.url}", desk.cure) from error
    if status in _TAKEN and isinstance(answer, dict):
        return answer
    told = str(answer.get("error", status)) if isinstance(answer, dict) else str(status)
    unknown = status == http.client.UNAUTHORIZED
    raise CollectorError(told, f"set {KEY_SETTING} or --key" if unknown else "")
