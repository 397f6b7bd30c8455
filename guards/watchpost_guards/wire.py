"""JSON over HTTP to a service that judges texts: connections kept, every wait within the deadline.

Whoever asks has said until when the answer is wanted (`watchpost.screening.deadline`); no wait is
longer than that. It does not know what is asked or answered, and logs neither.
"""

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import ConfigError
from watchpost.screening.deadline import remaining_s

_KEPT_CONNECTIONS = 32
_MOST_BYTES = 16 << 20
# A gateway that asks for a connection it has already dropped closes it at once; waiting costs more.
_SHORTEST_S = 0.001


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and, where the body was JSON, what it said."""

    status: int
    content: Any


class Line:
    """The way to one service; any thread may ask. `timeout_s` bounds each wait."""

    def __init__(self, setting: str, url: str, key: str | None, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(setting, url, "give a URL like http://127.0.0.1:4319")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._times_closed = 0

    def post(self, path: str, content: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once. Raises OSError (a TimeoutError too) or HTTPException where nobody answers."""
        body = json.dumps(content).encode()
        headers = {**self._headers, **(headers or {})}
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._ask(kept, path, body, headers)
            except (ConnectionError, http.client.HTTPException):
                pass  # It was closed while idle; a new one decides.
        return self._ask(self._open(), path, body, headers)

    def close(self) -> None:
        """Close what is kept open; a later question opens anew."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._times_closed += 1
        for connection in idle:
            connection.close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Answer:
        times_closed = self._times_closed
        try:
            self._set_patience(connection)
            connection.request("POST", self._prefix + path, body=body, headers=dict(headers))
            self._set_patience(connection)
            response = connection.getresponse()
            said = response.read(_MOST_BYTES)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            # What was out while the line was closed would be left open for ever.
            is_wanted = times_closed == self._times_closed and response.isclosed()
            keep = is_wanted and len(self._idle) < _KEPT_CONNECTIONS
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        return Answer(response.status, _read_json(said))

    def _set_patience(self, connection: http.client.HTTPConnection) -> None:
        left_s = remaining_s(self._timeout_s)
        if left_s < _SHORTEST_S:
            raise TimeoutError("no time is left to ask")
        connection.timeout = left_s
        if connection.sock is not None:
            connection.sock.settimeout(left_s)

    def _open(self) -> http.client.HTTPConnection:
        if self._scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, context=context)
        return http.client.HTTPConnection(self._host, self._port)


def _read_json(said: bytes) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None
