"""A guard that asks a guard service: the same question and verdict, over HTTP.

A service that is away, slow or talks nonsense raises, and the caller's screening turns that into
a failed verdict: a dead guard is not a safe text. It does not know how the service judges.
"""

import http.client
import json
import ssl
import threading
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import ConfigError
from watchpost.screening.guard import Finding, Question, Verdict

TIMEOUT_S = 5.0
_KEPT_CONNECTIONS = 8
_VERDICT_FIELDS = frozenset(field.name for field in fields(Verdict))


class HostedGuard:
    """One guard of a service at `url`, asked with `key`. `timeout_s` bounds each wait.

    `locates` says that its findings tell where, so that a blocking rule also masks spans.
    """

    remote = True

    def __init__(
        self,
        url: str,
        key: str | None,
        guard: str,
        *,
        timeout_s: float = TIMEOUT_S,
        locates: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("HostedGuard(url)", url, "give a URL like http://127.0.0.1:4319")
        self.name = guard
        self.locates = locates
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/v1/check"
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def check(self, question: Question) -> Verdict:
        """Ask the service. Raises OSError, HTTPException or ValueError when it gives no verdict."""
        asked = {"text": question.text, "direction": question.direction, "guards": [self.name]}
        if question.model:
            asked["model"] = question.model
        body = json.dumps(asked).encode()
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._ask(kept, body)
            except (ConnectionError, http.client.HTTPException):
                kept.close()  # It was closed while idle; a new one decides.
        return self._ask(self._open(), body)

    def close(self) -> None:
        """Close what is kept open; a later check opens anew."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> Verdict:
        try:
            connection.request("POST", self._path, body=body, headers=self._headers)
            response = connection.getresponse()
            answer = response.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            keep = len(self._idle) < _KEPT_CONNECTIONS and not response.will_close
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        if response.status != 200:
            raise http.client.HTTPException(f"HTTP {response.status}")
        return _read_verdict(json.loads(answer))

    def _open(self) -> http.client.HTTPConnection:
        if self._scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)


def _read_verdict(answer: Any) -> Verdict:
    try:
        (given,) = answer["verdicts"]
        known = {name: value for name, value in given.items() if name in _VERDICT_FIELDS}
        known["findings"] = tuple(Finding(**finding) for finding in given.get("findings", ()))
        return Verdict(**known)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a verdict") from error
