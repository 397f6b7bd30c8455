"""The way to a running watchpost: what is stored already, sending more, waiting until it is there.

Plain HTTP to the two ports a watchpost has. It knows spans by their ids only.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from watchpost.errors import CollectorError, ConfigError
from watchpost.serving.keys import DEFAULT_PROJECT
from watchpost_collector.importing.spans import Identity

TIMEOUT_S = 120.0
PATIENCE_S = 120.0
LONGEST_WAIT_S = 15.0
_LATER = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer: status, lower-case headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Delivery:
    """Connections to one watchpost, kept open; a context manager.

    `url` is where spans go, `query_url` where questions are answered; when it is empty the
    collector is asked for the port. `key` must be allowed both;
    `project` (a plain name) is where the spans belong, the key's own when it is empty.
    """

    def __init__(self, url: str, query_url: str, key: str = "", project: str = "") -> None:
        self._ingest = _Peer(url, "--url")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._query = _Peer(query_url or self._find_query_url(url), "--query-url")
        self._project = {"X-Watchpost-Project": project} if project else {}
        # Which project a key belongs to is not told; without a key it is the default one.
        self._where = project or ("" if key else DEFAULT_PROJECT)

    def _find_query_url(self, url: str) -> str:
        answered = self._ingest.ask("GET", "/api/status", b"", self._headers)
        if answered.status != 200:
            raise CollectorError(
                f"the collector answered {answered.status} when asked for its query endpoint",
                "name it with --query-url, or give a key that may read",
            )
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}:{json.loads(answered.body)['query_port']}"

    def find_stored(self, identities: Iterable[Identity]) -> set[Identity]:
        """Which of these spans are stored already."""
        wanted = set(identities)
        traces = ",".join(f"'{trace.hex()}'" for trace in sorted({trace for trace, _ in wanted}))
        if not traces:
            return set()
        # Only hexadecimal made here is spliced in.
        mine = f" AND project = '{self._where}'" if self._where else ""
        # What was sampled out is known by its call.
        rows = self.query(
            " UNION DISTINCT ".join(
                f"SELECT trace_id, span_id FROM watchpost.{relation} "  # noqa: S608
                f"WHERE trace_id IN ({traces}){mine}"
                for relation in ("spans", "generations")
            )
        )
        stored = {(bytes.fromhex(str(trace)), bytes.fromhex(str(span))) for trace, span in rows}
        return stored & wanted

    def query(self, sql: str) -> list[list[object]]:
        """The rows of one statement, values as JSON has them."""
        path = "/?" + urlencode({"default_format": "JSONCompact"})
        answered = self._query.ask("POST", path, sql.encode(), self._headers)
        if answered.status != 200:
            reason = answered.body.decode("utf-8", "replace").strip().splitlines()[:1]
            raise CollectorError(
                f"the query endpoint answered {answered.status}: {' '.join(reason)}",
                "what is stored already is asked there, so the key must be allowed to",
            )
        rows: list[list[object]] = json.loads(answered.body)["data"]
        return rows

    def send(self, request: ExportTraceServiceRequest) -> tuple[int, str]:
        """Sends spans, waiting while there is no room; how many were refused, and why."""
        body = gzip.compress(request.SerializeToString(), compresslevel=1)
        headers = {
            **self._headers,
            **self._project,
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            "X-Watchpost-Backfill": "1",
        }
        answered = self._patiently("/v1/traces", body, headers)
        partial = ExportTraceServiceResponse.FromString(answered.body).partial_success
        return partial.rejected_spans, partial.error_message

    def flush(self) -> None:
        """Waits until everything acknowledged so far can be read back."""
        self._patiently("/api/flush", b"", self._headers)

    def _patiently(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answered = self._ingest.ask("POST", path, body, headers)
            if answered.status not in _LATER or time.monotonic() > deadline:
                break
            time.sleep(_wait_of(answered))
        if answered.status != 200:
            said = answered.body[:300].decode("utf-8", "replace")
            printable = "".join(c if c.isprintable() else " " for c in said).strip()
            raise CollectorError(
                f"the collector answered {answered.status} to {path}: {printable}",
                "what was stored stays; run the same import again to go on",
            )
        return answered

    def close(self) -> None:
        self._ingest.close()
        self._query.close()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Peer:
    """One kept-alive connection, opened again when the other side closed it."""

    def __init__(self, url: str, setting: str) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(setting, url, "give an address such as http://127.0.0.1:4318")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        self._connection = (kind or http.client.HTTPConnection)(
            parts.hostname, parts.port, timeout=TIMEOUT_S
        )
        self._prefix = parts.path.rstrip("/").removesuffix("/v1/traces")
        self._url = url
        self._setting = setting

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        for last in (False, True):
            try:
                self._connection.request(method, self._prefix + path, body, dict(headers))
                response = self._connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if last or isinstance(error, ConnectionRefusedError):
                    cure = (
                        f"start one with 'watchpost up', or name its address with {self._setting}"
                    )
                    raise CollectorError(f"no watchpost answers at {self._url}", cure) from error
            else:
                lowered = {name.lower(): value for name, value in response.getheaders()}
                return Answered(response.status, lowered, content)
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        self._connection.close()


def _wait_of(answered: Answered) -> float:
    try:
        asked = float(answered.headers.get("retry-after", "1"))
    except ValueError:
        asked = 1.0
    return min(max(asked, 0.1), LONGEST_WAIT_S)
