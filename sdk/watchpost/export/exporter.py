"""One OTLP/HTTP destination: sends encoded batches over one kept connection and reads the answer.

It retries nothing and keeps nothing; it says what became of a batch and when to come back. It
does not know spans, queues or files. One thread at a time uses a Sender.
"""

import contextlib

# Sockets import it when they first look up a name; in a child forked in the middle of that it would
# be missing for good.
import encodings.idna  # noqa: F401
import gzip
import http.client
import math
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Literal
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from watchpost.errors import ConfigError

TRACES, LOGS = "traces", "logs"
TIMEOUT_S = 10.0
CONNECT_S = 4.0
LONGEST_WAIT_S = 300.0
# Refused for who we are, not for what we sent: a new key or a restarted proxy cures it.
_UNWELCOME = (401, 403, 404, 407)
_COME_BACK = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch.

    `accepted`: it arrived, less `rejected` spans the collector did not want. `later`: it may be
    sent again, not before `retry_after_s` seconds where the collector said so. `refused`: the
    same bytes will be refused again.
    """

    kind: Literal["accepted", "later", "refused"]
    rejected: int = 0
    retry_after_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where batches go, taken apart from a URL once."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def path_of(self, signal: str) -> str:
        """Where a signal goes; `path` is that of traces."""
        return self.path.removesuffix(TRACES) + signal


def parse_endpoint(endpoint: str) -> Destination:
    """The destination an OTLP base URL names. Raises ConfigError for anything but http(s)."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        raise ConfigError("endpoint", endpoint, "give a URL like http://127.0.0.1:4318") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("endpoint", endpoint, "give a URL like http://127.0.0.1:4318")
    path = parts.path.rstrip("/")
    if not path.endswith("/v1/traces"):
        path += "/v1/traces"
    default = 443 if parts.scheme == "https" else 80
    return Destination(parts.scheme, parts.hostname, port or default, path)


class Sender:
    """A connection to one collector, opened when first needed and kept between batches."""

    def __init__(self, destination: Destination, *, key: str | None, backfill: bool) -> None:
        self._destination = destination
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            "User-Agent": "watchpost-python",
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        if backfill:
            self._headers["X-Watchpost-Backfill"] = "1"
        self._connection: http.client.HTTPConnection | None = None
        self._is_interrupted = False

    def send(self, body: bytes, signal: str = TRACES) -> Outcome:
        """Send one gzipped request of a signal. Never raises for what the network does."""
        path = self._destination.path_of(signal)
        reused = self._connection is not None
        self._is_interrupted = False
        try:
            return self._send_once(body, path)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # After a wait in vain it may well have arrived: again would be twice.
            if not reused or self._is_interrupted or isinstance(error, TimeoutError):
                return Outcome("later", reason=type(error).__name__)
        # A kept connection may have been closed by the other side while it was idle.
        try:
            return self._send_once(body, path)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Outcome("later", reason=type(error).__name__)

    def interrupt(self) -> None:
        """Let another thread's `send` fail at once instead of waiting for an answer."""
        self._is_interrupted = True
        held = getattr(self._connection, "sock", None)
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next batch opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """Let go of a connection that belongs to the parent of a forked process."""
        self._connection = None

    def _send_once(self, body: bytes, path: str) -> Outcome:
        connection = self._connection
        if connection is None:
            connection = self._connection = _open(self._destination)
        connection.request("POST", path, body=body, headers=self._headers)
        response = connection.getresponse()
        answer = response.read()
        if response.will_close:
            self.close()
        if response.status == 404 and path != self._destination.path:
            # It takes spans alone: what it has no place for must not hold them up.
            return Outcome("refused", reason=f"HTTP 404 at {path}")
        return _read_answer(response.status, response.getheader("Retry-After"), answer)


def compress(body: bytes) -> bytes:
    """A batch as it travels and as it is spilled."""
    return gzip.compress(body, compresslevel=3, mtime=0)


def _open(destination: Destination) -> http.client.HTTPConnection:
    host, port = destination.host, destination.port
    if destination.scheme == "https":
        context = ssl.create_default_context()
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=CONNECT_S, context=context
        )
    else:
        made = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    # Whoever is there says so soon; storing a batch may take longer.
    made.connect()
    made.sock.settimeout(TIMEOUT_S)
    return made


def _read_answer(status: int, retry_after: str | None, answer: bytes) -> Outcome:
    if 200 <= status < 300:
        return Outcome("accepted", rejected=_count_rejected(answer))
    reason = f"HTTP {status}"
    if status in _COME_BACK:
        return Outcome("later", retry_after_s=_read_wait(retry_after), reason=reason)
    if status in _UNWELCOME:
        return Outcome("later", retry_after_s=30.0, reason=reason)
    return Outcome("refused", reason=reason)


def _count_rejected(answer: bytes) -> int:
    try:
        answered = ExportTraceServiceResponse.FromString(answer)
        return max(0, int(answered.partial_success.rejected_spans))
    except DecodeError:
        return 0


def _read_wait(header: str | None) -> float | None:
    """Seconds a Retry-After header asks for: a number or a date, bounded."""
    if not header:
        return None
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(header).timestamp() - time()
        except ValueError:
            return None
    return min(max(wait_s, 0.0), LONGEST_WAIT_S) if math.isfinite(wait_s) else None
